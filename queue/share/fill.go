package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// exhausted takes a window with nothing to hand out off the ready list until somebody brings it back: a settle that makes room, or the partition when it
// grows. It returns true if there is more to read ahead, which begins. The lock is held.
func (g *Group) exhausted(w *window) (fill bool) {
	if !w.machine.Full() && !w.part.Watch(record.Offset(w.machine.End()), g) {
		g.startFill(w)
		return true
	}
	g.lanes.remove(w)
	return false
}

// startFill lets somebody read ahead for a window; the lock is held.
func (g *Group) startFill(w *window) {
	if !w.filling && !g.closed {
		w.filling = true
		w.filled = make(chan struct{})
		g.filling++
		g.background("fill of "+w.name, func() { g.fill(w) })
	}
}

// fill reads ahead for a window and offers what it found. A partition that cannot be read rests for a second; the others go on.
func (g *Group) fill(w *window) {
	g.mu.Lock()
	from := record.Offset(w.machine.End())
	g.mu.Unlock()
	found, err := readAhead(g.ctx, w.part, from)
	g.mu.Lock()
	defer g.mu.Unlock()
	w.filling, w.slow = false, false
	g.filling--
	close(w.filled)
	close(g.filled)
	g.filled = make(chan struct{})
	switch w.unread = err; {
	case w.closed, g.ctx.Err() != nil:
		g.serve()
		return
	case err != nil:
		g.lanes.remove(w)
		w.restUntil = g.env.Clock.Now() + restMillis
		g.armAt(w.restUntil)
		g.env.Logger.Error("a partition cannot be read", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index, "offset", from, "error", err)
		g.serve()
		return
	}
	if record.Offset(w.machine.End()) == from { // no reset came between
		w.machine.SkipTo(lease.Offset(found.first))
		switch at := record.Offset(w.machine.End()); {
		case at < found.first: // one was rejected ahead of the group: it becomes a letter without a body
			w.machine.Offer(lease.Offset(at), []lease.Offered{{Gone: true}})
		case found.damage != nil:
			g.takeUnread(w, found.damage)
		case at == found.first: // else what is skipped was settled ahead, and so was more
			w.machine.Offer(lease.Offset(found.first), found.recs)
		}
		g.journal(w)
	}
	g.lanes.add(w)
	g.serve()
}

// nextWait numbers a call that waits for a partition to be read ahead; the lock is held.
func (g *Group) nextWait() uint64 {
	g.waits++
	return g.waits
}

// fillPatience is how long calls wait for a partition that is being read ahead. After it they go on with the others.
const fillPatience = 50 * time.Millisecond

// awaitFill returns when somebody has read ahead, or w, if that is not nil, turned out to be slow.
func (g *Group) awaitFill(ctx context.Context, w *window, filled <-chan struct{}) error {
	var patience <-chan time.Time
	if w != nil {
		timer := time.NewTimer(fillPatience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-filled:
	case <-patience:
		g.mu.Lock()
		w.slow = w.filling
		g.mu.Unlock()
	case <-g.ctx.Done():
		return fmt.Errorf("group %s: %w", g.name, ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// readingFor tells whether a partition of these topics (nil: of any) is being read ahead, slowly; the lock is held.
func (g *Group) readingFor(topics []string) bool {
	return g.filling > 0 && !g.def.Config.Paused && slices.ContainsFunc(g.windows, func(w *window) bool {
		return w.slow && (len(topics) == 0 || slices.Contains(topics, w.part.Topic))
	})
}

// fillBytes is about how many bytes of records one read ahead looks at.
const fillBytes = 256 << 10

// minSkip is how many offsets without a record are worth a skip of their own.
const minSkip = 64

// found is what lies ahead: no record before first, then recs, as many as one Offer takes, or damage. With neither, first is the end of what was looked at.
type found struct {
	first  record.Offset
	recs   []lease.Offered
	damage *store.Damage // begins at first
}

// readAhead describes the records of a partition from an offset on. Damage whose extent is not known is an error.
func readAhead(ctx context.Context, p *partition.Partition, from record.Offset) (found, error) {
	start, end := p.Bounds()
	first := max(from, start) // retention may have been faster than the group
	next, size := first, 0
	var out []lease.Offered
	err := p.Scan(ctx, first, fillBytes, func(r *record.Reader) error {
		if len(out) == 0 && r.Offset()-first >= minSkip {
			first, next = r.Offset(), r.Offset()
		}
		for ; next < r.Offset() && len(out) < lease.MaxOffer; next++ {
			out = append(out, lease.Offered{Gone: true})
		}
		if len(out) == lease.MaxOffer || size > fillBytes {
			return partition.Stop()
		}
		o := lease.Offered{Size: uint32(r.Size()), Key: keyHash(r.Key())}
		if rec := r.Record(); len(rec.Headers) > 0 {
			if ttl := topic.TTL(rec); ttl > 0 {
				o.Dies = rec.Timestamp.Add(ttl).UnixMilli()
			}
		}
		out = append(out, o)
		size += int(o.Size)
		next++
		return nil
	})
	var damage *store.Damage
	switch known := errors.As(err, &damage); {
	case known && len(out) > 0: // it comes next
		return found{first: first, recs: out}, nil
	case known:
		return found{first: max(first, damage.From), damage: damage}, nil
	case err == nil && len(out) == 0:
		first = max(first, end)
	}
	return found{first: first, recs: out}, err
}
