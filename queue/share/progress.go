package share

import (
	"context"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Progress is a group's progress on one partition: Lag = Available + Leased + Deferred.
type Progress struct {
	Partition                        *partition.Partition
	Start, End, LogEnd               record.Offset
	Lag, Available, Leased, Deferred int64

	next   record.Offset // the first one that can be handed out; -1 = none
	back   record.Offset // the first redriven one; -1 = none
	born   [2]int64      // ms: timestamps of next and back, where they are redriven and it is known; else 0
	unseen []lease.Range // of [End, LogEnd), what is not settled; nil = all
	stamps *stamps       // the window's
}

// Progress returns the group's progress on each partition, in order of attachment. Offsets that hold no record any more do not count; to find out, it may read a batch.
func (g *Group) Progress() []Progress {
	out := g.progress()
	for i := range out {
		out[i] = out[i].counted(context.Background())
	}
	return out
}

// progress is Progress with offsets without records counted.
func (g *Group) progress() []Progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Progress, len(g.windows))
	for i, w := range g.windows {
		out[i] = g.progressIn(w)
	}
	return out
}

// Behind returns how many records of a topic's partitions the group has not settled, and if asked about how many stored bytes it holds of them, for which it goes
// through them all.
func (g *Group) Behind(parts []*partition.Partition, inBytes bool) (records, bytes int64) {
	if !inBytes {
		return g.totals(parts[0].Ends).Lag, 0
	}
	for _, at := range g.progressOf(parts) {
		if at = at.counted(context.Background()); at.Lag > 0 {
			records += at.Lag
			bytes += at.Partition.BytesFrom(at.Start)
		}
	}
	return records, bytes
}

func (g *Group) progressOf(parts []*partition.Partition) []Progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Progress, 0, len(parts))
	for _, p := range parts {
		if w := g.byLog[p.ID]; w != nil {
			out = append(out, g.progressIn(w))
		}
	}
	return out
}

// counted is p without the offsets that hold no record any more in its lag. It may read the partition; what cannot be read counts as records.
func (p Progress) counted(ctx context.Context) Progress {
	if p.LogEnd <= p.End {
		return p
	}
	if p.unseen == nil {
		p.unseen = []lease.Range{{From: lease.Offset(p.End), To: lease.Offset(p.LogEnd)}}
	}
	for _, r := range p.unseen {
		n, _ := p.Partition.Missing(ctx, record.Offset(r.From), record.Offset(r.To))
		p.Available = max(0, p.Available-n)
	}
	p.Lag = p.Available + p.Leased + p.Deferred
	return p
}

// progressIn is progress of one window; the lock is held.
func (g *Group) progressIn(w *window) Progress {
	p := w.progress()
	if at, any := w.backs.first(w.machine, maxStale); any {
		p.back = record.Offset(at)
		p.born = [2]int64{g.born(w, lease.Offset(p.next)), g.born(w, at)}
	}
	return p
}

func (w *window) progress() Progress {
	c := w.machine.Counts()
	end := max(record.Offset(w.machine.End()), w.durableEnd())
	p := Progress{
		Partition: w.part, Start: record.Offset(w.machine.Start()), End: record.Offset(w.machine.End()), LogEnd: end,
		Leased: int64(c.Leased), Deferred: int64(c.Deferred), stamps: &w.stamps,
	}
	p.Available = int64(c.Available) + int64(end-p.End) - int64(w.machine.Ahead())
	p.Lag = p.Available + p.Leased + p.Deferred
	if w.machine.Ahead() > 0 { // what is gone of these is settled, and left out already
		p.unseen = w.machine.Unsettled(w.machine.End(), lease.Offset(end), lease.MaxAhead+1, []lease.Range{})
	}
	p.next, p.back = -1, -1
	if at, ok := w.machine.FirstReady(); ok {
		p.next = record.Offset(at)
	} else if p.End < p.LogEnd {
		p.next = p.End
	}
	return p
}

// OldestUnsettled returns the timestamp of a partition's first unsettled record, a redriven one or not; zero if there is none.
func (p Progress) OldestUnsettled(ctx context.Context) (at time.Time, err error) {
	if p.Lag > 0 && p.Start < p.LogEnd {
		at, err = p.Partition.Appended(ctx, p.Start)
	}
	if p.back < 0 || err != nil {
		return at, err
	}
	back, err := p.appended(ctx, p.back, p.born[1])
	if at.IsZero() || !back.IsZero() && back.Before(at) {
		at = back
	}
	return at, err
}

// OldestAvailable returns the timestamp of the first record that can be handed out; zero if there is none.
func (p Progress) OldestAvailable(ctx context.Context) (time.Time, error) {
	if p.Available == 0 || p.next < 0 {
		return time.Time{}, nil
	}
	return p.appended(ctx, p.next, p.born[0])
}

// appended returns the timestamp of a record, as it is known (ms; 0 = it is not): a redriven one may be gone from the partition.
func (p Progress) appended(ctx context.Context, at record.Offset, known int64) (time.Time, error) {
	if known != 0 {
		return time.UnixMilli(known).UTC(), nil
	}
	return p.Partition.Appended(ctx, at)
}
