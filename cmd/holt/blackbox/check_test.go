package blackbox_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

// story is a history made by hand, on a clock of milliseconds.
type story []bb.Event

const ms = time.Millisecond

func item(record string, offset int64) bb.Item {
	return bb.Item{Topic: "t", Offset: offset, Key: "k", Record: record, CRC: 7, Header: "p1", Timestamp: offset}
}

// call is an event of some length that starts at the given millisecond.
func call(client string, op bb.Op, at int, items ...bb.Item) bb.Event {
	e := bb.Event{Client: client, Op: op, Topic: "t", Call: time.Duration(at) * ms, Ret: time.Duration(at+10) * ms, Out: bb.OK, Items: items}
	if op != bb.Publish && op != bb.Read {
		e.Group = "g"
	}
	return e
}

func publish(at int, items ...bb.Item) bb.Event { return call("p1", bb.Publish, at, items...) }
func read(items ...bb.Item) bb.Event            { return call("end", bb.Read, 100_000, items...) }
func letters(items ...bb.Item) bb.Event         { return call("end", bb.Letters, 100_000, items...) }

// final is the group at the end, with a limit of three attempts.
func final(t bb.Totals) bb.Event {
	e := call("end", bb.Final, 100_000)
	e.Totals, e.MaxAttempts, e.Topics = &t, 3, []string{"t"}
	return e
}

// lease hands the record to a client for ten seconds, as its n-th attempt.
func lease(client string, at int, it bb.Item, receipt string, attempt int) bb.Event {
	it.Receipt, it.Attempt, it.Deliveries, it.Lease = receipt, attempt, attempt, 10*time.Second
	return call(client, bb.Lease, at, it)
}

func settleAs(op bb.Op, at int, it bb.Item, receipt string, out bb.Outcome) bb.Event {
	it.Receipt, it.Out = receipt, out
	if out == bb.Fail {
		it.Code = "lease_lost"
	}
	return call("w", op, at, it)
}

func extend(at int, it bb.Item, receipt string, length time.Duration) bb.Event {
	it.Receipt, it.Out, it.For = receipt, bb.OK, length
	return call("w", bb.Extend, at, it)
}

// crash kills at the given time, and the next start begins 200 ms later.
func crash(at int) []bb.Event {
	return []bb.Event{call("nemesis", bb.Kill, at), call("nemesis", bb.Start, at+200)}
}

func out(e bb.Event, o bb.Outcome) bb.Event {
	e.Out = o
	return e
}

func with(it bb.Item, change func(*bb.Item)) bb.Item {
	change(&it)
	return it
}

var (
	r1    = item("r1", 0)
	r2    = item("r2", 1)
	empty = bb.Totals{}
)

// held is a run of one record that w1 leased as receipt A at 100 ms, and what
// a test adds; the log is read at the end.
func held(more ...bb.Event) story {
	return append(story{publish(0, r1), lease("w1", 100, r1, "A", 1), read(r1)}, more...)
}

// done is a run of one record from its publish to its ack, and what a test adds.
func done(more ...bb.Event) story {
	return append(held(settleAs(bb.Ack, 200, r1, "A", bb.OK), final(empty)), more...)
}

// again is a record handed out twice, the first ended by the verb or by expiry.
func again(verb bb.Op, attempt, deliveries int) story {
	second := lease("w2", 10_200, r1, "B", attempt)
	second.Items[0].Deliveries = deliveries
	s := held(second, settleAs(bb.Ack, 10_300, r1, "B", bb.OK), final(empty))
	if verb != "" {
		s = append(s, settleAs(verb, 200, r1, "A", bb.OK))
	}
	return s
}

// two is a run of two records, published and delivered as a and b, whose log
// is what is stored.
func two(a, b bb.Item, stored ...bb.Item) story {
	return story{
		publish(0, a), publish(20, b),
		lease("w1", 100, a, "A", 1), settleAs(bb.Ack, 200, a, "A", bb.OK),
		lease("w1", 100, b, "B", 1), settleAs(bb.Ack, 200, b, "B", bb.OK),
		read(stored...), final(empty),
	}
}

func TestCheckAcceptsGoodHistories(t *testing.T) {
	t.Parallel()
	dead := with(r1, func(it *bb.Item) { it.Reason = "rejected" })
	long := lease("w2", 50, r1, "B", 2)
	long.Ret = 10_200 * ms
	for name, events := range map[string]story{
		"empty":          {},
		"plain":          done(),
		"ack again":      done(settleAs(bb.Ack, 300, r1, "A", bb.OK)),
		"publish lost":   done(out(publish(50, r2), bb.Unknown)),
		"publish denied": done(out(publish(50, r2), bb.Fail)),
		"ack lost":       held(settleAs(bb.Ack, 200, r1, "A", bb.Unknown), final(empty)),
		"expiry": held(lease("w2", 10_200, r1, "B", 2), settleAs(bb.Ack, 10_300, r1, "A", bb.Fail),
			settleAs(bb.Ack, 10_400, r1, "B", bb.OK), final(empty)),
		"nack": held(settleAs(bb.Nack, 200, r1, "A", bb.OK), lease("w2", 300, r1, "B", 2),
			settleAs(bb.Ack, 400, r1, "B", bb.OK), settleAs(bb.Ack, 500, r1, "A", bb.OK), final(empty)),
		"reject": held(settleAs(bb.Reject, 200, r1, "A", bb.OK), settleAs(bb.Nack, 300, r1, "A", bb.OK),
			letters(dead), final(bb.Totals{DeadLetters: 1})),
		"shortened by extend": held(extend(200, r1, "A", time.Second), lease("w2", 1300, r1, "B", 2),
			settleAs(bb.Ack, 1400, r1, "B", bb.OK), final(empty)),
		"overlapping hand-outs": held(long, settleAs(bb.Ack, 10_300, r1, "B", bb.OK), final(empty)),
		"forgotten at a crash": append(held(lease("w2", 500, r1, "B", 1),
			settleAs(bb.Ack, 600, r1, "B", bb.OK), final(empty)), crash(200)...),
		"restart with a lease": append(held(lease("w2", 11_300, r1, "B", 2),
			settleAs(bb.Ack, 11_400, r1, "B", bb.OK), final(empty)), crash(1000)...),
	} {
		if got := bb.Check(events); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Every history has one fault; the checker must name its invariant and no other.
func TestCheckCatchesEachViolation(t *testing.T) {
	t.Parallel()
	bads := map[string]map[string]story{
		"I1": lossStories(), "I2": phantomStories(), "I3": ackStories(), "I4": exclusiveStories(),
		"I5": fencingStories(), "I6": attemptStories(), "I7": countStories(), "I8": letterStories(),
		"I12": offsetStories(), "I14": restartStories(), "I16": progressStories(), "I18": unknownStories(),
	}
	for want, stories := range bads {
		for name, events := range stories {
			var got []string
			for _, v := range bb.Check(events) {
				got = append(got, v.Invariant)
			}
			slices.Sort(got)
			if diff := cmp.Diff([]string{want}, slices.Compact(got)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s%v", name, diff, bb.Check(events))
			}
		}
	}
}

func lossStories() map[string]story {
	return map[string]story{
		"vanished from the log":  done(publish(50, r2)),
		"never delivered":        {publish(0, r1), read(r1), final(empty)},
		"neither acked nor dead": held(final(empty)),
		"reject's answer lost":   held(settleAs(bb.Reject, 200, r1, "A", bb.Unknown), final(empty)),
	}
}

func phantomStories() map[string]story {
	ghost := item("ghost", 5)
	changed := func(change func(*bb.Item)) story {
		return story{publish(0, r1), lease("w1", 100, with(r1, change), "A", 1),
			settleAs(bb.Ack, 200, r1, "A", bb.OK), read(r1), final(empty)}
	}
	stored := two(r1, r2, r1, r2)
	return map[string]story{
		"delivered, never published": done(lease("w1", 100, ghost, "G", 1)),
		"stored, never published":    append(story{}, stored[0], stored[2], stored[3], stored[4], stored[5], stored[6], stored[7]),
		"value changed":              changed(func(it *bb.Item) { it.CRC = 8 }),
		"key changed":                changed(func(it *bb.Item) { it.Key = "other" }),
		"header lost":                changed(func(it *bb.Item) { it.Header = "" }),
		"in another topic":           changed(func(it *bb.Item) { it.Topic = "u" }),
	}
}

func ackStories() map[string]story {
	late := lease("w2", 20_000, r1, "B", 2)
	return map[string]story{
		"delivered after its ack":         done(late),
		"delivered after ack and restart": done(append(crash(1000), late)...),
	}
}

func exclusiveStories() map[string]story {
	return map[string]story{
		"two at once": held(lease("w2", 5000, r1, "B", 2), settleAs(bb.Ack, 5100, r1, "B", bb.OK), final(empty)),
		"in spite of extend": held(extend(9000, r1, "A", 10*time.Second), lease("w2", 15_000, r1, "B", 2),
			settleAs(bb.Ack, 15_100, r1, "B", bb.OK), final(empty)),
		"valid lease refused": held(settleAs(bb.Ack, 200, r1, "A", bb.Fail), lease("w2", 10_200, r1, "B", 2),
			settleAs(bb.Ack, 10_300, r1, "B", bb.OK), final(empty)),
	}
}

func fencingStories() map[string]story {
	equal := two(r1, r2, r1, r2)
	equal[4].Items[0].Receipt, equal[5].Items[0].Receipt = "A", "A"
	return map[string]story{
		"old receipt accepted": held(lease("w2", 10_200, r1, "B", 2), settleAs(bb.Ack, 10_300, r1, "A", bb.OK), final(empty)),
		"equal receipts":       equal,
		"repeated ack refused": done(settleAs(bb.Ack, 300, r1, "A", bb.Fail)),
		"two verbs accepted":   done(settleAs(bb.Release, 300, r1, "A", bb.OK)),
	}
}

func attemptStories() map[string]story {
	numbered := func(attempt int) story {
		return story{publish(0, r1), lease("w1", 100, r1, "A", attempt), settleAs(bb.Ack, 200, r1, "A", bb.OK), read(r1), final(empty)}
	}
	return map[string]story{
		"attempt 0":          numbered(0),
		"beyond the limit":   numbered(4),
		"nack not counted":   again(bb.Nack, 1, 2),
		"release counted":    again(bb.Release, 2, 2),
		"expiry not counted": again("", 1, 2),
		"deliveries go back": again("", 1, 1),
	}
}

func countStories() map[string]story {
	ack := settleAs(bb.Ack, 200, r1, "A", bb.OK)
	reject := settleAs(bb.Reject, 200, r1, "A", bb.OK)
	return map[string]story{
		"lag of settled records": held(ack, final(bb.Totals{Lag: 1, Available: 1})),
		"states do not add up":   held(ack, final(bb.Totals{Deferred: 1})),
		"letters miscounted":     held(reject, letters(with(r1, func(it *bb.Item) { it.Reason = "rejected" })), final(bb.Totals{DeadLetters: 2})),
	}
}

func letterStories() map[string]story {
	rejected := with(r1, func(it *bb.Item) { it.Reason = "rejected" })
	reject := settleAs(bb.Reject, 200, r1, "A", bb.OK)
	one, both := final(bb.Totals{DeadLetters: 1}), final(bb.Totals{DeadLetters: 2})
	last := held(settleAs(bb.Nack, 200, r1, "A", bb.OK), final(empty))
	last[1] = lease("w1", 100, r1, "A", 3)
	return map[string]story{
		"twice":                   held(reject, letters(rejected, rejected), both),
		"missing after reject":    held(reject, final(empty)),
		"missing after last nack": last,
		"acked and dead":          held(settleAs(bb.Ack, 200, r1, "A", bb.OK), letters(with(r1, func(it *bb.Item) { it.Reason = "max_attempts" })), one),
		"another origin":          held(reject, letters(with(rejected, func(it *bb.Item) { it.Offset = 9 })), one),
		"another value":           held(reject, letters(with(rejected, func(it *bb.Item) { it.CRC = 9 })), one),
		"delivered when dead":     held(reject, lease("w2", 20_000, r1, "B", 2), letters(rejected), one),
	}
}

func offsetStories() map[string]story {
	moved := item("r2", 2)
	first, second := item("r1", 1), item("r2", 0)
	return map[string]story{
		"hole":                     two(r1, moved, r1, moved),
		"stored twice":             two(r1, r2, r1, r2, with(r1, func(it *bb.Item) { it.Offset, it.Timestamp = 2, 2 })),
		"later call, lower offset": two(first, second, with(second, func(it *bb.Item) { it.Timestamp = 0 }), first),
		"timestamp goes back":      two(r1, r2, with(r1, func(it *bb.Item) { it.Timestamp = 9 }), r2),
		"answered another offset":  append(two(r1, r2, r1, r2)[2:], publish(0, r1), publish(20, with(r2, func(it *bb.Item) { it.Offset = 7 }))),
	}
}

func restartStories() map[string]story {
	return map[string]story{
		"handed out early": append(held(lease("w2", 10_500, r1, "B", 2), settleAs(bb.Ack, 10_600, r1, "B", bb.OK), final(empty)), crash(1000)...),
		"receipt refused": append(held(settleAs(bb.Ack, 2000, r1, "A", bb.Fail), lease("w2", 15_000, r1, "B", 2),
			settleAs(bb.Ack, 15_100, r1, "B", bb.OK), final(empty)), crash(1000)...),
	}
}

func progressStories() map[string]story {
	return map[string]story{
		"stuck": {publish(0, r1), read(r1), final(bb.Totals{Lag: 1, Available: 1})},
	}
}

func unknownStories() map[string]story {
	rejected := with(r1, func(it *bb.Item) { it.Reason = "rejected" })
	refused, half := done(), done()
	refused[0] = out(publish(0, r1), bb.Fail)
	half[0] = out(publish(0, r1, r2), bb.Unknown)
	return map[string]story{
		"refused publish is stored": refused,
		"half a request stored":     half,
		"refused reject, a letter": held(lease("w2", 10_200, r1, "B", 2), settleAs(bb.Reject, 10_300, r1, "A", bb.Fail),
			letters(rejected), final(bb.Totals{DeadLetters: 1})),
	}
}

func TestHistoryReadsBack(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	h := bb.NewHistory(&file)
	for _, e := range done(crash(500)...) {
		h.Add(e)
	}
	want, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	got, err := bb.ReadHistory(&file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-written +read)\n%s", diff)
	}
}

func TestCheckerFindsMixedViolations(t *testing.T) {
	a, b := item("a", 0), item("b", 1)
	ordered := func(t bb.Totals) bb.Event {
		e := final(t)
		e.Ordered = true
		return e
	}
	withID := a
	withID.ID = "a"
	again := withID
	again.Offset = 1
	delayed := a
	delayed.Delay, delayed.Timestamp = time.Second, int64(100*ms)
	result := item("r", 1)
	atomic := publish(60, result)
	atomic.Group, atomic.Out = "g", bb.Unknown
	acked := a
	acked.Receipt = "r1"
	atomic.Acks = []bb.Item{acked}
	for name, tt := range map[string]struct {
		want  string
		story story
	}{
		"I9: the next of a key before the first is settled": {"I9", story{
			publish(0, a, b), lease("w", 20, b, "r2", 1), settleAs(bb.Ack, 40, b, "r2", bb.OK),
			lease("w", 60, a, "r1", 1), settleAs(bb.Ack, 80, a, "r1", bb.OK), read(a, b), ordered(bb.Totals{}),
		}},
		"I10: an id stored twice": {"I10", story{
			publish(0, withID), lease("w", 20, a, "r1", 1), settleAs(bb.Ack, 40, a, "r1", bb.OK), read(withID, again), final(bb.Totals{}),
		}},
		"I11: published, and what was acked with it comes again": {"I11", story{
			publish(0, a), lease("w", 20, a, "r1", 1), settleAs(bb.Ack, 60, a, "r1", bb.Unknown), atomic,
			lease("w", 20_000, a, "r3", 2), settleAs(bb.Ack, 20_100, a, "r3", bb.OK), read(a, result),
		}},
		"I15: a delayed record before its time": {"I15", story{
			publish(0, delayed), lease("w", 120, a, "r1", 1), settleAs(bb.Ack, 140, a, "r1", bb.OK), read(delayed), final(bb.Totals{}),
		}},
	} {
		found := bb.Check(tt.story)
		if !slices.ContainsFunc(found, func(v bb.Violation) bool { return v.Invariant == tt.want }) {
			t.Errorf("%s: found %v", name, found)
		}
	}
}
