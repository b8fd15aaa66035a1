package share

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// seenAtOnce is how many windows are looked at under one hold of the lock.
const seenAtOnce = 1000

// Oldest returns when the oldest record was appended that is not settled, and the oldest that can be handed out; zero if there is none. It looks at each window, unless
// nothing is unsettled, and reads a record of those only where the first one is another than the last time, and may be the oldest. Errors: those of partition.Oldest.
func (g *Group) Oldest(ctx context.Context) (unsettled, available time.Time, err error) {
	if g.totals(nil).Lag == 0 {
		return unsettled, available, nil
	}
	var left, ready partition.Oldest
	for from, more := 0, true; more; from += seenAtOnce {
		more = g.firsts(from, &left, &ready)
	}
	unsettled, err = left.Time(ctx)
	available, unread := ready.Time(ctx)
	return unsettled, available, errors.Join(err, unread)
}

// firsts adds the first records of seenAtOnce windows; false if there are no more of them.
func (g *Group) firsts(from int, left, ready *partition.Oldest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := from; i < min(from+seenAtOnce, len(g.windows)); i++ {
		p := g.progressIn(g.windows[i])
		p.addUnsettled(left)
		p.addAvailable(ready)
	}
	return from+seenAtOnce < len(g.windows)
}

// addUnsettled adds the first records that are not settled: the first one, and the first redriven one.
func (p *Progress) addUnsettled(o *partition.Oldest) {
	if p.Lag > 0 && p.Start < p.LogEnd {
		o.Add(p.Partition, p.Start, &p.stamps.left)
	}
	if p.back >= 0 {
		p.add(o, p.back, p.born[1], &p.stamps.back)
	}
}

// addAvailable adds the first record that can be handed out.
func (p *Progress) addAvailable(o *partition.Oldest) {
	switch {
	case p.Available == 0 || p.next < 0:
	case p.next == p.Start:
		o.Add(p.Partition, p.next, &p.stamps.left)
	default:
		p.add(o, p.next, p.born[0], &p.stamps.ready)
	}
}

// add adds a record that may be a redriven one, of which it is known when it was appended (ms; 0 = it is not).
func (p *Progress) add(o *partition.Oldest, at record.Offset, born int64, stamp *partition.Stamp) {
	if born != 0 {
		o.AddKnown(born)
		return
	}
	o.Add(p.Partition, at, stamp)
}
