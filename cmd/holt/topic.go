package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

var topicSettings = []setting{
	{"partitions", "partitions", "number of partitions; only grows (default 4)", asInt},
	{"priorities", "priorities", "number of priorities, 1 to 10; only grows (default 1)", asInt},
	{"retention", "retention.age", "how long settled records stay, 0s = for ever (default 168h)", asDuration},
	{"retention-bytes", "retention.bytes", "bytes a partition keeps, 0 = no limit (default 0)", asInt},
	{"keep-unsettled", "retention.keep_unsettled", "keep what a share group has not settled (default true)", asBool},
	{"cleanup", "cleanup", "delete or compact (default delete)", asText},
	{"dedupe-window", "dedupe_window", "how long record ids are remembered, 0s = off (default 10m)", asDuration},
	{"max-record-bytes", "max_record_bytes", "largest value (default 1048576)", asInt},
	{"max-backlog", "max_backlog.records", "unsettled records at which publishes are refused, 0 = no limit (default 0)", asInt},
	{"max-backlog-bytes", "max_backlog.bytes", "the same in bytes (default 0)", asInt},
	{"schema", "schema", "JSON Schema for values, from a file", asFile},
	{"schema-compatibility", "schema_compatibility", "of a new schema with the one before: none, backward, forward or full (default none)", asText},
}

func (a *app) newTopicCommand() *cobra.Command {
	return newNoun("topic", "List, show, create, edit and delete topics; look at what is scheduled",
		a.newTopicLs(), a.newTopicShow(), a.newTopicCreate(), a.newTopicEdit(), a.newTopicRm(),
		a.newTopicScheduled(), a.newTopicRun(), a.newTopicCancel())
}

func (a *app) newTopicLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List topics", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("TOPIC", "PARTITIONS", "RECORDS", "BYTES", "GROUPS", "CREATED")
			for t, err := range c.Topics(cmd.Context()) {
				if err != nil {
					return err
				}
				if err := p.add(topicRow(t)); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("no topics")
			}
			return p.end()
		},
	}
}

func topicRow(t api.Topic) row {
	var records, bytes int64
	for _, p := range t.Partitions {
		records += p.EndOffset - p.StartOffset
		bytes += p.Bytes
	}
	var groups []string
	for _, g := range t.Groups {
		groups = append(groups, g.Group)
	}
	return row{t.Name, t, []string{
		t.Name, showNumber(len(t.Partitions)), showNumber(records), showBytes(bytes), showList(groups), showTime(t.CreatedAt),
	}}
}

func (a *app) newTopicShow() *cobra.Command {
	return &cobra.Command{
		Use: "show TOPIC", Short: "Show a topic, its partitions and groups", Args: takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			t, err := c.Topic(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.one(topicRow(t.Topic), func() error { return a.showTopic(t.Topic) })
		},
	}
}

func (a *app) showTopic(t api.Topic) error {
	c := t.Config
	schema := "-"
	if len(c.Schema) > 0 && string(c.Schema) != "null" {
		schema = string(c.Schema)
	}
	err := a.fields(
		"topic", t.Name,
		"created", showTime(t.CreatedAt),
		"partitions", showNumber(c.Partitions),
		"priorities", showNumber(c.Priorities),
		"retention", fmt.Sprintf("age %s, bytes %s, keep unsettled %t", showAge(c.Retention.Age), showLimit(c.Retention.Bytes, showBytes), c.Retention.KeepUnsettled),
		"cleanup", c.Cleanup,
		"dedupe window", c.DedupeWindow.String(),
		"max record", showBytes(c.MaxRecordBytes),
		"max backlog", fmt.Sprintf("records %s, bytes %s", showLimit(c.MaxBacklog.Records, showNumber[int64]), showLimit(c.MaxBacklog.Bytes, showBytes)),
		"schema", short(schema),
	)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range t.Partitions {
		rows = append(rows, []string{
			showNumber(p.Partition), showNumber(p.Lane), showNumber(p.StartOffset), showNumber(p.EndOffset), showBytes(p.Bytes),
		})
	}
	if err := a.section([]string{"PARTITION", "LANE", "START", "END", "BYTES"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, g := range t.Groups {
		rows = append(rows, []string{g.Group, g.Kind, showNumber(g.Lag), showBytes(g.HoldsBytes), showTimePointer(g.OldestUnsettledAt)})
	}
	return a.section([]string{"GROUP", "KIND", "LAG", "HOLDS", "OLDEST UNSETTLED"}, rows)
}

// section is a further table of a show, after an empty line.
func (a *app) section(header []string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(a.stdout); err != nil {
		return err
	}
	return a.table(header, rows)
}

func showAge(d api.Duration) string {
	if d == 0 {
		return "no limit"
	}
	return d.String()
}

func showLimit(n int64, show func(int64) string) string {
	if n == 0 {
		return "no limit"
	}
	return show(n)
}

func (a *app) newTopicCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create TOPIC", Short: "Create a topic", Args: takes(1, 1),
		Example: "  holt topic create emails --partitions 8 --retention 7d\n" +
			"  holt topic show emails --json | holt topic create emails2 -f -",
	}
	ch := newChange(cmd, topicSettings)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.putTopic(cmd, args[0], ch, true, false)
	}
	return cmd
}

func (a *app) newTopicEdit() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "edit TOPIC", Short: "Change a topic's configuration", Args: takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		Example:           "  holt topic edit emails --retention 30d --set max_backlog.records=100000",
	}
	cmd.Flags().BoolVar(&force, "force", false, "also grow a topic that a group reads in key order: keys go to other partitions then")
	ch := newChange(cmd, topicSettings)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.putTopic(cmd, args[0], ch, false, force)
	}
	return cmd
}

func (a *app) putTopic(cmd *cobra.Command, name string, ch *change, create, force bool) error {
	body, empty, err := ch.body(a.stdin)
	if err != nil {
		return err
	}
	delete(body, "name") // a document may be another topic's
	if empty && !create {
		return usagef("nothing to change: flags, --set or --file say what")
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	opts := []client.PutOption{client.IfNew()}
	if !create {
		old, err := c.Topic(cmd.Context(), name)
		if err != nil {
			return err
		}
		opts[0] = client.IfMatch(old.ETag)
	}
	if force {
		opts = append(opts, client.Force())
	}
	t, err := c.PutTopic(cmd.Context(), name, body, opts...)
	if err != nil {
		return conflict(err, "topic", name, create)
	}
	return a.one(topicRow(t.Topic), func() error { return a.showTopic(t.Topic) })
}

func (a *app) newTopicRm() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm TOPIC…", Aliases: []string{"delete"}, Short: "Delete topics and their records",
		Args: takes(1, -1), ValidArgsFunction: a.completeTopics(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each("deleted", args, func(c *client.Client, name string) error { return c.DeleteTopic(cmd.Context(), name, force) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also while groups read it")
	return cmd
}
