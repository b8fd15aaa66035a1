package share

import (
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/store"
)

// turnover ends the leases that are due, makes deferred records available, and wakes partitions that rested.
func (g *Group) turnover() {
	select {
	case g.histories <- struct{}{}:
	case <-g.ctx.Done():
		return
	}
	expired, dying := g.expire()
	g.noteExpired(expired)
	<-g.histories
	if dying {
		g.buryDying()
	}
}

// lapsed is an expired lease of a window.
type lapsed struct {
	window *window
	lease.Expired
}

// expire turns over what is due in all windows.
func (g *Group) expire() (all []lapsed, dying bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.env.Clock.Now()
	var expired []lease.Expired
	for _, w := range g.windows {
		if w.restUntil != 0 && w.restUntil <= now {
			w.restUntil = 0
			g.lanes.add(w)
			dying = dying || w.machine.Counts().Dying > 0
		} else if w.restUntil != 0 {
			g.armAt(w.restUntil)
		}
		for ms, ok := w.machine.NextDeadline(); ok && ms <= now; ms, ok = w.machine.NextDeadline() {
			before := w.machine.Counts()
			expired, _, _ = w.machine.Expire(now, expired[:0])
			after := w.machine.Counts()
			g.inflight += after.Leased - before.Leased
			g.counters.Expired += uint64(len(expired))
			for _, e := range expired {
				all = append(all, lapsed{w, e})
			}
			g.free(w, g.journal(w))
			dying = dying || after.Dying > 0
		}
	}
	g.arm()
	g.serve()
	return all, dying
}

// noteExpired adds expired leases to the histories of their records; the caller holds the turn to write them.
func (g *Group) noteExpired(all []lapsed) {
	for _, l := range all {
		var h history
		if l.Delivery > 1 {
			var err error
			if h, err = l.window.history(g.ctx, l.Offset); err != nil {
				if g.ctx.Err() == nil {
					g.env.Logger.Error("a history cannot be read", "group", g.name, "error", err)
				}
				continue
			}
		}
		h = h.add(Attempt{
			Attempt: l.Attempt, Delivery: l.Delivery, At: l.LeasedAt, Took: l.Deadline - l.LeasedAt, Member: l.Member, Outcome: outcomeExpired,
		})
		g.mu.Lock()
		w := l.window
		v := w.machine.View(l.Offset)
		if v.State != lease.Settled && !w.closed {
			w.remember(l.Offset, v.State == lease.Dying, h)
			g.journalNotes(w, []store.Note{h.note(w.journal.Name(), l.Offset)})
		}
		g.mu.Unlock()
	}
}
