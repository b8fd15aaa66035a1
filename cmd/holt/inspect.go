package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// States of a record that has work left, as the API names them.
const (
	stateAvailable = "available"
	stateLeased    = "leased"
	stateDeferred  = "deferred"
)

func (a *app) newGroupRecords() *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "records GROUP", Short: "List a group's unsettled records in one state", Args: takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		Long: "List the unsettled records of a group that are available, leased or deferred, by topic, partition and offset.\n" +
			"It leases nothing. The names it prints with -o name are what 'holt group record', release, ack and reject take.",
		Example: "  holt group records mailer --state deferred\n" +
			"  holt group records mailer --state deferred -o name | xargs holt group release mailer",
	}
	cmd.Flags().StringVar(&state, "state", stateAvailable, "available, leased or deferred")
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "at most this many (default: all)")
	_ = cmd.RegisterFlagCompletionFunc("state", fixedCompletion(stateAvailable, stateLeased, stateDeferred))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{stateAvailable, stateLeased, stateDeferred}, state) {
			return usagef("--state %q: available, leased or deferred", state)
		}
		if limit < 0 {
			return usagef("--limit %d: at least 0", limit)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		p := a.newPrinter("RECORD", "KEY", "ATTEMPT", "DELIVERIES", "MEMBER", "UNTIL", "LAST ERROR")
		for r, err := range c.GroupRecords(cmd.Context(), args[0], state) {
			if err != nil {
				return err
			}
			if err := p.add(groupRecordRow(r)); err != nil {
				return err
			}
			if p.count == limit {
				break
			}
		}
		if p.count == 0 && a.format == formatTable {
			a.say("no %s records", state)
		}
		return p.end()
	}
	return cmd
}

func groupRecordRow(r api.GroupRecord) row {
	until := r.ExpiresAt
	if until == nil {
		until = r.DueAt
	}
	place := recordPlace(r)
	return row{place, r, []string{
		place, wireKey(r.Key, r.KeyBase64), showNumber(r.Attempt), showNumber(r.Deliveries), cmp.Or(r.Member, "-"),
		showTimePointer(until), cmp.Or(r.Error, "-"),
	}}
}

func recordPlace(r api.GroupRecord) string {
	return client.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}.String()
}

// wireKey is a key for people.
func wireKey(key, key64 *string) string {
	switch {
	case key != nil:
		return *key
	case key64 != nil:
		return wireBytes(*key64)
	}
	return "-"
}

// wireValue is a value for people.
func wireValue(v api.Value) string {
	switch {
	case v.Text != nil:
		return *v.Text
	case v.ValueBase64 != nil:
		return wireBytes(*v.ValueBase64)
	case v.Tombstone:
		return "(tombstone)"
	}
	return string(v.Value)
}

// wireBytes decodes base64; what is none is shown as it is.
func wireBytes(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}

func (a *app) newGroupLeases() *cobra.Command {
	return &cobra.Command{
		Use: "leases GROUP", Short: "List who holds which record, the next to expire first", Args: takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var leases []api.GroupRecord
			for r, err := range c.GroupRecords(cmd.Context(), args[0], stateLeased) {
				if err != nil {
					return err
				}
				leases = append(leases, r)
			}
			slices.SortStableFunc(leases, func(x, y api.GroupRecord) int { return expiry(x).Compare(expiry(y)) })
			return a.printLeases(leases)
		},
	}
}

func (a *app) printLeases(leases []api.GroupRecord) error {
	p := a.newPrinter("RECORD", "KEY", "MEMBER", "ATTEMPT", "DELIVERIES", "HELD SINCE", "EXPIRES IN", "EXPIRES AT")
	for _, r := range leases {
		left := "-"
		if at := expiry(r); !at.IsZero() {
			left = time.Until(at).Round(time.Second).String()
		}
		place := recordPlace(r)
		cells := []string{
			place, wireKey(r.Key, r.KeyBase64), cmp.Or(r.Member, "-"), showNumber(r.Attempt), showNumber(r.Deliveries),
			showTimePointer(r.LeasedAt), left, showTimePointer(r.ExpiresAt),
		}
		if err := p.add(row{place, r, cells}); err != nil {
			return err
		}
	}
	if len(leases) == 0 && a.format == formatTable {
		a.say("no leases")
	}
	return p.end()
}

func expiry(r api.GroupRecord) time.Time {
	if r.ExpiresAt == nil {
		return time.Time{}
	}
	return time.Time(*r.ExpiresAt)
}

func (a *app) newGroupRecord() *cobra.Command {
	return &cobra.Command{
		Use: "record GROUP TOPIC PARTITION OFFSET", Short: "Show what a record waits for in a group, and its last attempts",
		Args: takes(2, 4), ValidArgsFunction: a.completeGroups(false),
		Long: "Show one record as a group sees it: its state, what it waits for, and its last failed attempts.\n" +
			"The record is named by three arguments, or as in emails/0/17.",
		Example: "  holt group record mailer emails 0 17",
		RunE: func(cmd *cobra.Command, args []string) error {
			places, err := parsePlaces(args[1:])
			if err != nil {
				return err
			}
			if len(places) != 1 {
				return usagef("one record, not %d", len(places))
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			d, err := c.GroupRecord(cmd.Context(), args[0], places[0])
			if err != nil {
				return err
			}
			return a.one(row{recordPlace(d.GroupRecord), d, nil}, func() error { return a.showGroupRecord(d) })
		},
	}
}

func (a *app) showGroupRecord(d api.GroupRecordDetail) error {
	pairs := []string{"record", recordPlace(d.GroupRecord), "key", wireKey(d.Key, d.KeyBase64), "state", d.State}
	if d.Outcome != "" {
		pairs = append(pairs, "outcome", d.Outcome)
	}
	pairs = append(pairs, "waits for", d.Why.Code, "because", cmp.Or(d.Why.Detail, "-"))
	if d.Attempt > 0 { // it is not settled
		pairs = append(pairs, "attempt", showNumber(d.Attempt), "deliveries", showNumber(d.Deliveries))
	}
	if d.Member != "" {
		pairs = append(pairs, "member", d.Member)
	}
	if d.LeasedAt != nil {
		pairs = append(pairs, "held since", showTime(*d.LeasedAt))
	}
	if d.ExpiresAt != nil {
		pairs = append(pairs, "expires", showTime(*d.ExpiresAt))
	}
	if d.DueAt != nil {
		pairs = append(pairs, "due", showTime(*d.DueAt))
	}
	if err := a.fields(pairs...); err != nil {
		return err
	}
	return a.section(attemptHeader, attemptRows(d.History))
}

var attemptHeader = []string{"ATTEMPT", "AT", "TOOK", "MEMBER", "OUTCOME", "ERROR"}

func attemptRows(history []api.Attempt) (rows [][]string) {
	for _, h := range history {
		took := fmt.Sprintf("%.3fs", float64(h.TookMS)/1000)
		rows = append(rows, []string{
			showNumber(h.Attempt), showTime(h.At), took, cmp.Or(h.Member, "-"), h.Outcome, showWorkerError(h.Error),
		})
	}
	return rows
}

func showWorkerError(e *api.WorkerError) string {
	switch {
	case e == nil:
		return "-"
	case e.Type != "" && e.Message != "":
		return e.Type + ": " + e.Message
	}
	return cmp.Or(e.Message, e.Type, "-")
}

// parsePlaces reads records named by TOPIC PARTITION OFFSET, or each as in emails/0/17.
func parsePlaces(args []string) (places []client.Place, err error) {
	if !strings.Contains(args[0], "/") {
		if len(args) != 3 {
			return nil, usagef("a record is named by TOPIC PARTITION OFFSET, or as in emails/0/17")
		}
		args = []string{strings.Join(args, "/")}
	}
	for _, arg := range args {
		parts := strings.Split(arg, "/")
		if len(parts) != 3 {
			return nil, usagef("%q: a record is named as in emails/0/17", arg)
		}
		partition, err1 := strconv.ParseUint(parts[1], 10, 31)
		offset, err2 := strconv.ParseUint(parts[2], 10, 63)
		if err := errors.Join(err1, err2); err != nil || parts[0] == "" {
			return nil, usagef("%q: partition and offset are numbers, as in emails/0/17", arg)
		}
		places = append(places, client.Place{Topic: parts[0], Partition: int(partition), Offset: int64(offset)})
	}
	return places, nil
}

// newGroupPlaceVerb settles records by place, one after the other. It goes on past those that are settled already.
func (a *app) newGroupPlaceVerb(name, short, done string, do func(*cobra.Command, *client.Client, string, client.Place) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " GROUP TOPIC PARTITION OFFSET", Short: short, Args: takes(2, -1), ValidArgsFunction: a.completeGroups(false),
		Long: short + ".\n\nThe record is named by three arguments; several as in emails/0/17 emails/1/3. No receipt is needed:\n" +
			"a worker that holds it loses its lease. With one that was settled already the exit code is 1.",
		Example: "  holt group " + name + " mailer emails 0 17",
		RunE: func(cmd *cobra.Command, args []string) error {
			places, err := parsePlaces(args[1:])
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			var settled []string
			for _, p := range places {
				switch cause := do(cmd, c, args[0], p); {
				case errors.Is(cause, client.ErrAlreadySettled) && len(places) > 1:
					a.say("%s: %s", p, api.AlreadySettled)
					err = errSilent
				case cause != nil:
					return errors.Join(a.did(done, settled), fmt.Errorf("%s: %w", p, cause))
				default:
					settled = append(settled, p.String())
				}
			}
			if told := a.did(done, settled); told != nil {
				return told
			}
			return err
		},
	}
}

func (a *app) newGroupRelease() *cobra.Command {
	return a.newGroupPlaceVerb("release", "Make a deferred record available now, or end the lease on one", "released",
		func(cmd *cobra.Command, c *client.Client, group string, p client.Place) error {
			return c.ReleasePlace(cmd.Context(), group, p)
		})
}

func (a *app) newGroupAck() *cobra.Command {
	return a.newGroupPlaceVerb("ack", "Settle an unsettled record: done", "acked",
		func(cmd *cobra.Command, c *client.Client, group string, p client.Place) error {
			return c.AckPlace(cmd.Context(), group, p)
		})
}

func (a *app) newGroupReject() *cobra.Command {
	return a.newGroupPlaceVerb("reject", "Give an unsettled record up: it becomes a dead letter", "rejected",
		func(cmd *cobra.Command, c *client.Client, group string, p client.Place) error {
			return c.RejectPlace(cmd.Context(), group, p)
		})
}

func (a *app) newGroupExtend() *cobra.Command {
	var length time.Duration
	c := a.newGroupPlaceVerb("extend", "Move the deadline of the lease on a record; its worker keeps it", "extended",
		func(cmd *cobra.Command, c *client.Client, group string, p client.Place) error {
			_, err := c.ExtendPlace(cmd.Context(), group, p, length)
			return err
		})
	c.Long = "Move the deadline of the lease on a record; the worker that holds it goes on with its receipt.\n\n" +
		"The record is named by three arguments; several as in emails/0/17 emails/1/3. With one that nobody holds the exit code is 1."
	addDuration(c.Flags(), &length, "for", "how long from now (default: the group's lease)")
	return c
}
