package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

var groupSettings = []setting{
	{"kind", "kind", "share or ordered; fixed when the group is created (default share)", asText},
	{"start", "start", "earliest, latest or a time: where topics are read from (default earliest)", asText},
	{"pin", "pin", "keep what the group has not settled (default true)", asBool},
	{"lease", "lease", "visibility timeout (default 30s)", asDuration},
	{"max-attempts", "max_attempts", "attempts before a record is dead, 0 = unlimited (default 5)", asInt},
	{"backoff", "backoff.initial", "wait before the second attempt (default 1s)", asDuration},
	{"backoff-multiplier", "backoff.multiplier", "how the wait grows (default 2)", asFloat},
	{"backoff-max", "backoff.max", "longest wait (default 10m)", asDuration},
	{"backoff-jitter", "backoff.jitter", "share of the wait that is random (default 0.2)", asFloat},
	{"backoff-steps", "backoff.steps", "the waits one by one instead, as in 1s,10s,5m", asDurations},
	{"ordering", "ordering", "none or key (default none)", asText},
	{"on-dead", "on_dead", "skip or hold: what a key does after a dead letter (default skip)", asText},
	{"max-inflight", "max_inflight", "leases at a time (default 10000)", asInt},
	{"rate", "rate.per_second", "records handed out a second, 0 = no limit (default 0)", asFloat},
	{"burst", "rate.burst", "records the rate lets pass at once", asInt},
	{"key-concurrency", "key_concurrency", "leases of a key and partition at a time, 0 = no limit (default 0)", asInt},
	{"strict-leases", "strict_leases", "refuse settles after the deadline (default false)", asBool},
	{"dead-letters", "dead_letter.enabled", "keep what was given up (default true)", asBool},
	{"dead-letter-topic", "dead_letter.topic", "where dead letters go (default GROUP.dlq)", asText},
	{"dead-letter-on-ttl", "dead_letter.on_ttl", "records past their ttl become dead letters (default false)", asBool},
}

func (a *app) newGroupCommand() *cobra.Command {
	return newNoun("group", "List, show, create, edit, pause, reset and delete groups; look at their records",
		a.newGroupLs(), a.newGroupShow(), a.newGroupCreate(), a.newGroupEdit(), a.newGroupRm(),
		a.newGroupPause(), a.newGroupResume(), a.newGroupReset(),
		a.newGroupRecords(), a.newGroupLeases(), a.newGroupRecord(), a.newGroupRelease(), a.newGroupAck(), a.newGroupReject(), a.newGroupExtend())
}

func (a *app) newGroupLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List groups", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("GROUP", "KIND", "TOPICS", "LAG", "AVAILABLE", "LEASED", "DEFERRED", "DEAD", "STATE")
			list := c.Groups
			if a.format == formatTable { // which shows nothing of partitions
				list = c.GroupSummaries
			}
			for g, err := range list(cmd.Context()) {
				if err != nil {
					return err
				}
				if err := p.add(groupRow(g)); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("no groups")
			}
			return p.end()
		},
	}
}

func groupRow(g api.Group) row {
	t := g.Totals
	return row{g.Name, g, []string{
		g.Name, g.Kind, showList(g.Topics), showNumber(t.Lag), showNumber(t.Available), showNumber(t.Leased),
		showNumber(t.Deferred), showNumber(t.DeadLetters), groupState(g),
	}}
}

func groupState(g api.Group) string {
	if g.Config.Paused {
		return "paused"
	}
	return "running"
}

func (a *app) newGroupShow() *cobra.Command {
	return &cobra.Command{
		Use: "show GROUP", Short: "Show a group, its progress and members", Args: takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			g, err := c.Group(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.one(groupRow(g.Group), func() error { return a.showGroup(g.Group) })
		},
	}
}

func (a *app) showGroup(g api.Group) error {
	t := g.Totals
	pairs := []string{
		"group", g.Name,
		"kind", g.Kind,
		"topics", showList(g.Topics),
		"state", groupState(g),
		"created", showTime(g.CreatedAt),
		"lag", fmt.Sprintf("%d = %d available + %d leased + %d deferred", t.Lag, t.Available, t.Leased, t.Deferred),
		"dead letters", showNumber(t.DeadLetters),
	}
	if g.Kind == "share" {
		pairs = append(pairs, shareFields(g.Config)...)
	}
	if g.Config.Start != "earliest" {
		pairs = append(pairs, "start", g.Config.Start)
	}
	if err := a.fields(pairs...); err != nil {
		return err
	}
	if g.Kind == "ordered" {
		return a.showOffsets(g)
	}
	var rows [][]string
	for _, p := range g.Partitions {
		rows = append(rows, []string{
			p.Topic, showNumber(p.Partition), showNumber(p.StartOffset), showNumber(p.EndOffset), showNumber(p.LogEndOffset),
			showNumber(p.Lag), showNumber(p.Available), showNumber(p.Leased), showNumber(p.Deferred), showTimePointer(p.OldestUnsettledAt),
		})
	}
	header := []string{"TOPIC", "PARTITION", "START", "END", "LOG END", "LAG", "AVAILABLE", "LEASED", "DEFERRED", "OLDEST UNSETTLED"}
	if err := a.section(header, rows); err != nil {
		return err
	}
	rows = nil
	for _, m := range g.Members {
		rows = append(rows, []string{m.Member, showNumber(m.Leases), showTimePointer(m.LastSeenAt)})
	}
	return a.section([]string{"MEMBER", "LEASES", "LAST SEEN"}, rows)
}

// shareFields are the settings that say how records are handed out, and of the others those that are not the default.
func shareFields(c api.GroupConfig) []string {
	backoff := fmt.Sprintf("%v × %g up to %v, jitter %g", c.Backoff.Initial, c.Backoff.Multiplier, c.Backoff.Max, c.Backoff.Jitter)
	if len(c.Backoff.Steps) > 0 {
		backoff = strings.Trim(fmt.Sprint(c.Backoff.Steps), "[]")
	}
	letters := "none: dead records are dropped"
	if c.DeadLetter.Enabled {
		letters = c.DeadLetter.Topic
		if c.DeadLetter.OnTTL {
			letters += ", also for records past their ttl"
		}
	}
	rate := "no limit"
	if c.Rate.PerSecond > 0 {
		rate = fmt.Sprintf("%g a second, burst %d", c.Rate.PerSecond, c.Rate.Burst)
	}
	pairs := []string{
		"lease", c.Lease.String(),
		"max attempts", showLimit(int64(c.MaxAttempts), showNumber[int64]),
		"backoff", backoff,
		"ordering", c.Ordering,
		"max in flight", showNumber(c.MaxInflight),
		"rate", rate,
		"dead-letter topic", letters,
	}
	if c.Ordering == "key" || c.OnDead != "skip" {
		pairs = append(pairs, "on dead", map[string]string{"skip": "skip: the key goes on", "hold": "hold: the key waits for its dead letter"}[c.OnDead])
	}
	if c.KeyConcurrency > 0 {
		pairs = append(pairs, "key concurrency", fmt.Sprintf("%d leases of a key and partition", c.KeyConcurrency))
	}
	if c.StrictLeases {
		pairs = append(pairs, "strict leases", "nothing is settled after its deadline")
	}
	if !c.Pin {
		pairs = append(pairs, "pin", "no: retention does not wait for this group")
	}
	return pairs
}

func (a *app) newGroupCreate() *cobra.Command {
	var topics []string
	cmd := &cobra.Command{
		Use: "create GROUP --topic TOPIC", Short: "Create a group", Args: takes(1, 1),
		Example: "  holt group create mailer --topic emails --lease 2m --max-attempts 8",
	}
	cmd.Flags().StringSliceVarP(&topics, "topic", "t", nil, "`topic` to read; several times for several")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	ch := newChange(cmd, groupSettings)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.putGroup(cmd, args[0], topics, ch, true)
	}
	return cmd
}

func (a *app) newGroupEdit() *cobra.Command {
	var topics []string
	cmd := &cobra.Command{
		Use: "edit GROUP", Short: "Change a group's configuration", Args: takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		Example:           "  holt group edit mailer --rate 50 --burst 100",
	}
	cmd.Flags().StringSliceVarP(&topics, "topic", "t", nil, "the whole list of `topics`; one left out is detached")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	ch := newChange(cmd, groupSettings)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.putGroup(cmd, args[0], topics, ch, false)
	}
	return cmd
}

func (a *app) putGroup(cmd *cobra.Command, name string, topics []string, ch *change, create bool) error {
	body, empty, err := ch.body(a.stdin)
	if err != nil {
		return err
	}
	delete(body, "name") // a document may be another group's
	if len(topics) > 0 {
		body["topics"], empty = topics, false
	}
	if empty && !create {
		return usagef("nothing to change: flags, --set or --file say what")
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	only := client.IfNew()
	if !create {
		old, err := c.GroupSummary(cmd.Context(), name)
		if err != nil {
			return err
		}
		only = client.IfMatch(old.ETag)
	}
	g, err := c.PutGroup(cmd.Context(), name, body, only)
	if err != nil {
		return conflict(err, "group", name, create)
	}
	return a.one(groupRow(g.Group), func() error { return a.showGroup(g.Group) })
}

// conflict says what a failed precondition means here.
func conflict(err error, noun, name string, create bool) error {
	switch {
	case !errors.Is(err, client.ErrPreconditionFailed):
		return err
	case create:
		return fmt.Errorf("%s %s exists already: 'holt %s edit' changes it", noun, name, noun)
	}
	return fmt.Errorf("%s %s was changed by somebody else meanwhile: try again", noun, name)
}

// newGroupVerb is a command that does one thing to groups, one after the other.
func (a *app) newGroupVerb(use, short, done string, do func(*cobra.Command, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " GROUP…", Short: short, Args: takes(1, -1), ValidArgsFunction: a.completeGroups(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(done, args, func(c *client.Client, name string) error { return do(cmd, c, name) })
		},
	}
}

func (a *app) newGroupRm() *cobra.Command {
	var force bool
	cmd := a.newGroupVerb("rm", "Delete groups and their progress", "deleted",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			return c.DeleteGroup(cmd.Context(), name, force)
		})
	cmd.Aliases = []string{"delete"}
	cmd.Flags().BoolVar(&force, "force", false, "also with running leases, members or open dead letters, which are purged")
	return cmd
}

func (a *app) newGroupPause() *cobra.Command {
	return a.newGroupVerb("pause", "Stop handing out records; settles go on", "paused",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			return c.PauseGroup(cmd.Context(), name)
		})
}

func (a *app) newGroupResume() *cobra.Command {
	return a.newGroupVerb("resume", "End a pause", "resumed",
		func(cmd *cobra.Command, c *client.Client, name string) error {
			return c.ResumeGroup(cmd.Context(), name)
		})
}

func (a *app) newGroupReset() *cobra.Command {
	var r api.ResetRequest
	partition := -1
	cmd := &cobra.Command{
		Use: "reset GROUP --to WHERE", Short: "Move a group's progress", Args: takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		Long: "Move a group's progress, back or forward. On a share group the records from there on are delivered afresh and\n" +
			"running leases are lost. --dry-run shows what would move.",
		Example: "  holt group reset mailer --to -1h --dry-run\n  holt group reset mailer --to offset:17 --topic emails --partition 0",
	}
	f := cmd.Flags()
	f.StringVar(&r.To, "to", "", "earliest, latest, offset:N, a time, or a time ago as in -1h")
	f.StringSliceVarP(&r.Topics, "topic", "t", nil, "only this `topic`; several times for several")
	f.IntVar(&partition, "partition", -1, "only this partition")
	f.BoolVar(&r.DryRun, "dry-run", false, "change nothing, show what would move")
	f.BoolVar(&r.Force, "force", false, "fence the members of an ordered group")
	_ = cmd.RegisterFlagCompletionFunc("to", fixedCompletion("earliest", "latest"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if r.To == "" {
			return usagef("--to is missing: earliest, latest, offset:N, a time or -1h")
		}
		if cmd.Flags().Changed("partition") {
			r.Partition = &partition
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		out, err := c.ResetGroup(cmd.Context(), args[0], r)
		if err != nil {
			return err
		}
		return a.printReset(args[0], out, r.DryRun)
	}
	return cmd
}

func (a *app) printReset(group string, out api.ResetResponse, dry bool) error {
	p := a.newPrinter("TOPIC", "PARTITION", "FROM", "TO")
	for _, r := range out.Partitions {
		name := fmt.Sprintf("%s/%d", r.Topic, r.Partition)
		cells := []string{r.Topic, showNumber(r.Partition), showNumber(r.From), showNumber(r.To)}
		if err := p.add(row{name, r, cells}); err != nil {
			return err
		}
	}
	if err := p.end(); err != nil {
		return err
	}
	if dry {
		a.say("nothing was changed: this was a dry run")
	} else {
		a.say("reset %s", group)
	}
	return nil
}
