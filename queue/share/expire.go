package share

import "github.com/holtmq/holt/lease"

// turnover ends the leases that are due, makes deferred records available, and wakes partitions that rested.
func (g *Group) turnover() {
	for more := true; more; {
		more = g.expire()
	}
}

// expire turns over what is due, at most lease.MaxExpire records and all of one window's turn, and says whether more may be.
func (g *Group) expire() (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	now := g.now()
	turned := 0
	for _, w := range g.windows {
		if w.restUntil != 0 && w.restUntil <= now {
			w.restUntil = 0
			g.lanes.add(w)
		} else if w.restUntil != 0 {
			g.armAt(w.restUntil)
		}
		if ms, ok := w.machine.NextDeadline(); !ok || ms > now {
			continue
		}
		if turned >= lease.MaxExpire {
			more = true
			break
		}
		n, again := g.expireIn(w, now)
		turned, more = turned+n, more || again
	}
	g.noteOwed()
	g.arm()
	g.serve()
	return more
}

// expireIn is one turn of one window.
func (g *Group) expireIn(w *window, now int64) (turned int, more bool) {
	dying := w.machine.Counts().Dying
	expired, freed, more := w.machine.Expire(now, g.expired[:0])
	g.expired = expired
	g.counters.Expired += uint64(len(expired))
	g.measures.expired(expired)
	for _, e := range expired {
		if !e.Dropped {
			g.attempts.owe(w, e.Offset, Attempt{
				Attempt: e.Attempt, Delivery: e.Delivery, At: e.LeasedAt, Took: e.Deadline - e.LeasedAt, Member: e.Member, Outcome: outcomeExpired,
			})
		}
	}
	g.free(w, g.journal(w))
	if w.machine.Counts().Dying > dying {
		g.buryBehind(w)
	}
	return max(len(expired), freed), more
}
