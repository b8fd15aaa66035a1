package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

var scheduleSettings = []setting{
	{"cron", "cron", "when: minute hour day month weekday, or @hourly and the like", asText},
	{"zone", "zone", "time zone, as in Europe/Paris (default UTC)", asText},
	{"topic", "topic", "topic to publish to", asText},
	{"catch-up", "catch_up", "one or none: what to publish after times that were missed (default one)", asText},
	{"key", "record.key", "key of the record", asText},
	{"ttl", "record.ttl", "how long groups deliver it", asDuration},
	{"priority", "record.priority", "priority of the record, 0 is low", asInt},
	{"partition", "record.partition", "partition (default: by key, else spread)", asInt},
}

func (a *app) newTopicScheduled() *cobra.Command {
	return &cobra.Command{
		Use: "scheduled TOPIC", Short: "List the records that wait for their time", Args: takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("ID", "DUE", "KEY", "VALUE", "HEADERS")
			for r, err := range c.Scheduled(cmd.Context(), args[0]) {
				if err != nil {
					return err
				}
				cells := []string{
					r.ID, showTime(r.DeliverAt), wireKey(r.Key, r.KeyBase64), wireValue(r.Value), wireHeaders(r.Headers, r.HeadersBase64),
				}
				if err := p.add(row{r.ID, r, cells}); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("no scheduled records")
			}
			return p.end()
		},
	}
}

// wireHeaders is headers for people.
func wireHeaders(headers, headers64 map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		parts = append(parts, name+":"+headers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(headers64)) {
		parts = append(parts, name+":"+wireBytes(headers64[name]))
	}
	return showList(parts)
}

func (a *app) newTopicCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel TOPIC ID…", Short: "Take back records that are not due yet", Args: takes(2, -1),
		ValidArgsFunction: a.completeTopics(false),
		Example:           "  holt topic scheduled emails -o name | xargs holt topic cancel emails",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each("cancelled", args[1:], func(c *client.Client, id string) error { return c.CancelScheduled(cmd.Context(), args[0], id) })
		},
	}
}

func (a *app) newTopicRun() *cobra.Command {
	return &cobra.Command{
		Use: "run TOPIC ID…", Short: "Append records now that are not due yet", Args: takes(2, -1),
		ValidArgsFunction: a.completeTopics(false),
		Example:           "  holt topic scheduled emails -o name | xargs holt topic run emails",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("TOPIC", "PARTITION", "OFFSET", "NOTE")
			for _, id := range args[1:] {
				at, err := c.RunScheduled(cmd.Context(), args[0], id)
				if err != nil {
					return errors.Join(p.end(), fmt.Errorf("%s: %w", id, err))
				}
				if err := p.add(placeRow(args[0], at)); err != nil {
					return err
				}
			}
			return p.end()
		},
	}
}

func (a *app) newScheduleCommand() *cobra.Command {
	return newNoun("schedule", "List, show, put and delete recurring schedules",
		a.newScheduleLs(), a.newScheduleShow(), a.newSchedulePut(), a.newScheduleRm())
}

func (a *app) newScheduleLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List recurring schedules", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("SCHEDULE", "CRON", "ZONE", "TOPIC", "LAST", "NEXT")
			for s, err := range c.Schedules(cmd.Context()) {
				if err != nil {
					return err
				}
				if err := p.add(scheduleRow(s)); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("no schedules")
			}
			return p.end()
		},
	}
}

func scheduleRow(s api.Schedule) row {
	return row{s.Name, s, []string{
		s.Name, s.Cron, cmp.Or(s.Zone, "UTC"), s.Topic, showTimePointer(s.LastAt), showTimePointer(s.NextAt),
	}}
}

func (a *app) newScheduleShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a recurring schedule and its record", Args: takes(1, 1),
		ValidArgsFunction: a.completeSchedules,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			s, err := c.Schedule(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.one(scheduleRow(s.Schedule), func() error { return a.showSchedule(s.Schedule) })
		},
	}
}

func (a *app) showSchedule(s api.Schedule) error {
	r := s.Record
	pairs := []string{
		"schedule", s.Name,
		"cron", s.Cron,
		"zone", cmp.Or(s.Zone, "UTC"),
		"topic", s.Topic,
		"catch up", s.CatchUp,
		"created", showTime(s.CreatedAt),
		"last", showTimePointer(s.LastAt),
		"next", showTimePointer(s.NextAt),
		"key", wireKey(r.Key, r.KeyBase64),
		"value", short(wireValue(r.Value)),
		"headers", wireHeaders(r.Headers, r.HeadersBase64),
	}
	if r.TTL != nil {
		pairs = append(pairs, "ttl", r.TTL.String())
	}
	if r.Priority != nil {
		pairs = append(pairs, "priority", showNumber(*r.Priority))
	}
	if r.Partition != nil {
		pairs = append(pairs, "partition", showNumber(*r.Partition))
	}
	return a.fields(pairs...)
}

func (a *app) newSchedulePut() *cobra.Command {
	var headers []string
	cmd := &cobra.Command{
		Use: "put NAME [VALUE]", Short: "Create a recurring schedule, or change one", Args: takes(1, 2),
		ValidArgsFunction: a.completeSchedules,
		Long: "Create a recurring schedule, or change what flags say of one that is there. It publishes a record with VALUE\n" +
			"each time that --cron names.",
		Example: "  holt schedule put report '{\"kind\":\"daily\"}' --cron '0 6 * * *' --zone Europe/Paris --topic jobs\n" +
			"  holt schedule put report --cron '0 7 * * *'\n" +
			"  holt schedule show report --json | holt schedule put report2 -f -",
	}
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "`name:value` of a header; several times for several")
	ch := newChange(cmd, scheduleSettings)
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	_ = cmd.RegisterFlagCompletionFunc("catch-up", fixedCompletion("one", "none"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := setRecord(ch, args[1:], headers); err != nil {
			return err
		}
		body, empty, err := ch.body(a.stdin)
		if err != nil {
			return err
		}
		if empty {
			return usagef("nothing to put: VALUE, flags, --set or --file say what")
		}
		if len(args) == 2 {
			oneValue(body)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		s, err := c.PutSchedule(cmd.Context(), args[0], body)
		if err != nil {
			return err
		}
		return a.one(scheduleRow(s.Schedule), func() error { return a.showSchedule(s.Schedule) })
	}
	return cmd
}

// setRecord adds the record's value and headers to a schedule's change.
func setRecord(ch *change, value, headers []string) error {
	if len(value) == 0 && len(headers) == 0 {
		return nil
	}
	record, ok := ch.fields["record"].(map[string]any)
	if !ok {
		if ch.fields["record"] != nil {
			return usagef("--set record= goes without VALUE and --header")
		}
		record = map[string]any{}
		ch.fields["record"] = record
	}
	if len(value) > 0 {
		record["text"] = value[0]
	}
	named := map[string]any{}
	for _, h := range headers {
		name, text, err := parseHeader(h)
		if err != nil {
			return err
		}
		named[name] = text
	}
	if len(named) > 0 {
		record["headers"] = named
	}
	return nil
}

// oneValue leaves the record of a document only the value that the command line gave.
func oneValue(body map[string]any) {
	if record, ok := body["record"].(map[string]any); ok {
		for _, other := range []string{"value", "value_base64", "tombstone"} {
			if _, fromFile := record[other].(json.RawMessage); fromFile {
				delete(record, other)
			}
		}
	}
}

func (a *app) newScheduleRm() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"delete"}, Short: "Delete recurring schedules", Args: takes(1, -1),
		ValidArgsFunction: a.completeSchedules,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each("deleted", args, func(c *client.Client, name string) error { return c.DeleteSchedule(cmd.Context(), name) })
		},
	}
}

// completeSchedules offers the server's schedules.
func (a *app) completeSchedules(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return completeNames(cmd, a, (*client.Client).Schedules, func(s api.Schedule) string { return s.Name })
}
