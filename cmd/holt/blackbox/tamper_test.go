package blackbox_test

import (
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

// A real run without faults has no violation; the same run with one line of its
// history changed has one. So recording and checking fit each other, which the
// checker's own histories cannot show.
func TestCheckSeesATamperedRun(t *testing.T) {
	t.Parallel()
	events := quietRun(t)
	for _, v := range bb.Check(events) {
		t.Errorf("untouched: %v", v)
	}
	for name, tamper := range map[string]struct {
		want   string
		change func([]bb.Event) bool
	}{
		"an ack that had no effect":   {"I3", nackBecomesAck},
		"an ack nobody made":          {"I1", func(es []bb.Event) bool { return forgetAcks(es, bb.Ack) }},
		"a record gone from the log":  {"I1", func(es []bb.Event) bool { return editItems(es, bb.Read, dropFirst) }},
		"a value changed on delivery": {"I2", func(es []bb.Event) bool { return editItems(es, bb.Lease, changeFirst) }},
		"a letter twice":              {"I8", func(es []bb.Event) bool { return editItems(es, bb.Letters, repeatFirst) }},
		"two records out of order":    {"I12", func(es []bb.Event) bool { return editItems(es, bb.Read, swapFirst) }},
		"a receipt given twice":       {"I5", sameReceipt},
		"an attempt not counted":      {"I6", uncount},
	} {
		changed := deepCopy(events)
		if !tamper.change(changed) {
			t.Errorf("%s: the run has nothing to change", name)
			continue
		}
		found := bb.Check(changed)
		if !slices.ContainsFunc(found, func(v bb.Violation) bool { return v.Invariant == tamper.want }) {
			t.Errorf("%s: found %v, want %s", name, found, tamper.want)
		}
	}
}

// quietRun is a short load on a server that nothing happens to.
func quietRun(t *testing.T) []bb.Event {
	t.Helper()
	s := newServer(t)
	c := newClient(t, s)
	setUp(c)
	h := bb.NewHistory(io.Discard)
	l := newLoad(s, h, runSeed(t))
	l.topics = slices.Sorted(maps.Keys(crashTopics))
	for _, g := range crashGroups {
		l.groups = append(l.groups, g.name)
	}
	l.run(3, 6)
	pause(4 * time.Second)
	l.finish()
	settleDown(t, c, l)
	events, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func deepCopy(events []bb.Event) []bb.Event {
	all := slices.Clone(events)
	for i := range all {
		all[i].Items = slices.Clone(all[i].Items)
	}
	return all
}

// editItems applies a change to the first event of the kind that has items
// enough for it.
func editItems(events []bb.Event, op bb.Op, edit func([]bb.Item) []bb.Item) bool {
	for i, e := range events {
		if e.Op == op && len(e.Items) > 1 {
			events[i].Items = edit(e.Items)
			return true
		}
	}
	return false
}

func dropFirst(items []bb.Item) []bb.Item   { return items[1:] }
func repeatFirst(items []bb.Item) []bb.Item { return append(items, items[0]) }

func changeFirst(items []bb.Item) []bb.Item {
	items[0].CRC++
	return items
}

func swapFirst(items []bb.Item) []bb.Item {
	items[0], items[1] = items[1], items[0]
	return items
}

// nackBecomesAck makes an accepted nack, after which the record came again, an ack.
func nackBecomesAck(events []bb.Event) bool {
	for i, e := range events {
		if e.Op == bb.Nack && len(e.Items) == 1 && e.Items[0].Out == bb.OK && cameAgain(events, e) {
			events[i].Op = bb.Ack
			return true
		}
	}
	return false
}

func cameAgain(events []bb.Event, settled bb.Event) bool {
	return slices.ContainsFunc(events, func(e bb.Event) bool {
		return e.Op == bb.Lease && e.Group == settled.Group && e.Call > settled.Ret &&
			slices.ContainsFunc(e.Items, func(it bb.Item) bool { return it.Record == settled.Items[0].Record })
	})
}

// forgetAcks removes every trace of the acks of the first record that was acked.
func forgetAcks(events []bb.Event, op bb.Op) bool {
	group, record := "", ""
	for i, e := range events {
		if e.Op != op || group != "" && e.Group != group {
			continue
		}
		events[i].Items = slices.DeleteFunc(e.Items, func(it bb.Item) bool {
			if record == "" && it.Out == bb.OK {
				group, record = e.Group, it.Record
			}
			return it.Record == record
		})
	}
	return record != ""
}

// sameReceipt gives the second record of a lease the first one's receipt.
func sameReceipt(events []bb.Event) bool {
	return editItems(events, bb.Lease, func(items []bb.Item) []bb.Item {
		items[1].Receipt = items[0].Receipt
		return items
	})
}

// uncount lowers the attempts of records that came again, in calls that began after the first hand-out was answered: of all of them, because how some
// first attempts ended is not certain.
func uncount(events []bb.Event) (any bool) {
	for _, e := range events {
		if e.Op != bb.Lease {
			continue
		}
		for j, it := range e.Items {
			if it.Attempt == 2 && it.Deliveries == 2 && cameBefore(events, e, it.Record) {
				e.Items[j].Attempt, any = 1, true
			}
		}
	}
	return any
}

func cameBefore(events []bb.Event, second bb.Event, record string) bool {
	return slices.ContainsFunc(events, func(e bb.Event) bool {
		return e.Op == bb.Lease && e.Group == second.Group && e.Ret <= second.Call &&
			slices.ContainsFunc(e.Items, func(it bb.Item) bool { return it.Record == record })
	})
}
