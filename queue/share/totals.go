package share

import (
	"context"
	"slices"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Totals counts records of a group: Lag = Available + Leased + Deferred.
type Totals struct{ Lag, Available, Leased, Deferred, DeadLetters int64 }

// tally is what a window has. A group's totals are the sum of its tallies and of its topics' ends, less the offsets without a record that it has not come to yet.
type tally struct {
	leased, deferred int64
	rest             int64 // the records that are available before its end, less that end, less those settled from there on
	dropped          uint64
}

func (w *window) tally() tally {
	c := w.machine.Counts()
	return tally{
		leased: int64(c.Leased), deferred: int64(c.Deferred), rest: int64(c.Available) - int64(w.machine.End()) - int64(w.machine.Ahead()), dropped: w.machine.Dropped(),
	}
}

// reading is the sum of the tallies on a topic, which a group reads whole or not at all: a partition that the topic got just now has no window yet, and nothing settled either.
type reading struct{ leased, deferred, rest int64 }

func (r *reading) add(now, was tally) {
	r.leased += now.leased - was.leased
	r.deferred += now.deferred - was.deferred
	r.rest += now.rest - was.rest
}

// edit takes what a unit does to a window's log, and counts what the machine did. Whoever has changed a machine calls it, or journal, before giving the lock
// back, which is held.
func (g *Group) edit(w *window, notes ...store.Note) (commit.Part, bool) {
	if !w.closed {
		g.recount(w)
	}
	return w.edit(notes...)
}

// recount counts what a window has anew; the lock is held.
func (g *Group) recount(w *window) {
	w.backs.first(w.machine, popsAtRecord)
	now := w.tally()
	w.reading.add(now, w.counted)
	g.inflight += int(now.leased - w.counted.leased)
	g.counters.Dropped += now.dropped - w.counted.dropped
	w.counted = now
	g.members.changed(w)
}

// countIn begins to count a window that is attached; the lock is held.
func (g *Group) countIn(w *window) {
	r := g.readings[w.part.Ends]
	if r == nil {
		r = &reading{}
		g.readings[w.part.Ends] = r
	}
	w.reading = r
	g.recount(w)
}

// countOut ends that; the lock is held.
func (g *Group) countOut(w *window) {
	g.inflight -= int(w.counted.leased)
	delete(g.readings, w.part.Ends) // the topic's other windows go with it
	g.members.remove(w)
	g.thin = slices.DeleteFunc(g.thin, func(o *window) bool { return o == w })
}

// thinned notes that offsets which a window has still to consider may hold no record; the lock is held.
func (g *Group) thinned(w *window) {
	if !w.thin && w.isThin() {
		w.thin = true
		g.thin = append(g.thin, w)
	}
}

func (w *window) isThin() bool { return record.Offset(w.machine.End()) < w.part.WholeFrom() }

// Totals counts the group's records. It costs the same however many partitions there are, those aside on which the group has not come past what compaction
// or retention took out: each of them costs what Progress does.
func (g *Group) Totals() Totals {
	t := g.totals(nil)
	t.DeadLetters = g.OpenLetters("")
	return t
}

// totals is Totals of the topic that ends are of, or of all (nil), without dead letters.
func (g *Group) totals(of *partition.Ends) (t Totals) {
	thin := g.sum(of, &t)
	for _, p := range thin {
		t.Available -= p.Available - p.counted(context.Background()).Available
	}
	t.Lag = t.Available + t.Leased + t.Deferred
	return t
}

// sum is totals with offsets without records counted; thin is where there are some.
func (g *Group) sum(of *partition.Ends, t *Totals) (thin []Progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ends, r := range g.readings {
		if of == nil || of == ends {
			t.Leased += r.leased
			t.Deferred += r.deferred
			t.Available += r.rest + ends.Sum()
		}
	}
	g.thin = slices.DeleteFunc(g.thin, func(w *window) bool {
		w.thin = w.isThin()
		return !w.thin
	})
	for _, w := range g.thin {
		if of == nil || of == w.part.Ends {
			thin = append(thin, g.progressIn(w))
		}
	}
	return thin
}
