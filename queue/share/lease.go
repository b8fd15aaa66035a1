package share

import (
	"context"
	"fmt"
	"strings"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/wait"
)

// grant is one record leased and not yet read.
type grant struct {
	window *window
	lease.Handout
}

// parcel is what a call gets: the grants, and the commit that must be durable before they may be shown.
type parcel struct {
	grants []grant
	bytes  int64
	after  commit.Ticket
}

// Lease hands out records, waiting for the first one as long as the request says. No records without an error: nothing
// came in time, or the server is stopping. Errors: ErrClosed, ErrNotAttached, ErrTooManyWaiting, store.ErrUnknown, store.ErrCorrupt, the context's.
func (g *Group) Lease(ctx context.Context, req LeaseRequest) ([]Delivery, error) {
	p, waiter, err := g.leaseOrPark(ctx, &req)
	if err != nil {
		g.giveBack(p.grants)
		return nil, err
	}
	if waiter != nil {
		var ok bool
		p, ok = waiter.Await(ctx, req.Wait, g.env.Stop, g.ctx.Done())
		g.env.Committer.TurnOf(waiter.Came(), g.name, "answer to a lease of", req.Member)
		g.unpark(waiter)
		if !ok {
			return nil, ctx.Err()
		}
	}
	if len(p.grants) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil { // the client has gone
		g.giveBack(p.grants)
		return nil, err
	}
	return g.deliver(ctx, p)
}

// leaseOrPark takes what is there, or parks the call if there is nothing and it wants to wait. With an error the caller gives back what was taken.
func (g *Group) leaseOrPark(ctx context.Context, req *LeaseRequest) (p parcel, waiter *wait.Waiter[parcel], err error) {
	for {
		if late := g.env.Committer.Late(maxLate); !late.Done() {
			if err := g.env.Committer.Wait(ctx, late); err != nil {
				return p, nil, g.result(err)
			}
		}
		g.mu.Lock()
		if err := g.admit(req); err != nil {
			g.mu.Unlock()
			return p, nil, err
		}
		now := g.now()
		g.members.seen(req.Member, now)
		if len(p.grants) == 0 {
			if p.grants = g.again(req.Request); len(p.grants) > 0 {
				p.after = g.env.Committer.Last() // of what made them available, which the earlier answer may wait for still
				g.mu.Unlock()
				return p, nil, nil
			}
		}
		var fill *window
		var filled <-chan struct{}
		if queued := g.waiters.Len() > 0 && req.Wait > 0; !queued { // else others came first
			fill = g.take(now, req, &p)
		}
		switch {
		case fill != nil:
			filled = fill.filled
		case len(p.grants) == 0 && req.Wait > 0:
			waiter, err = g.park(req)
			g.serve()
		case len(p.grants) == 0 && g.readingFor(req.Topics): // the call may get what comes of it
			filled = g.filled
		}
		if filled == nil {
			g.keyed.remember(req.Request, p.grants, waiter)
		}
		nth := g.nextWait()
		g.mu.Unlock()
		if filled == nil {
			return p, waiter, err
		}
		if err := g.awaitFill(ctx, fill, filled); err != nil {
			return p, nil, err
		}
		g.env.Committer.TurnOf(nth, g.name, "lease of", req.Member)
	}
}

// admit refuses what cannot be served; the lock is held.
func (g *Group) admit(req *LeaseRequest) error {
	if g.closed {
		return fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	for _, t := range req.Topics {
		attached := false
		for _, a := range g.def.Topics {
			attached = attached || a.Topic == t
		}
		if !attached {
			return fmt.Errorf("group %s, topic %s: %w", g.name, t, ErrNotAttached)
		}
	}
	return nil
}

// park puts the call into the queue; the lock is held.
func (g *Group) park(req *LeaseRequest) (*wait.Waiter[parcel], error) {
	if g.env.Waiting.Add(1) > MaxWaiting {
		g.env.Waiting.Add(-1)
		return nil, fmt.Errorf("group %s: %d calls wait already: %w", g.name, MaxWaiting, ErrTooManyWaiting)
	}
	w := g.waiters.Push(strings.Join(req.Topics, " ")) // names have no spaces
	g.parked[w] = req
	return w, nil
}

func (g *Group) unpark(w *wait.Waiter[parcel]) {
	g.env.Waiting.Add(-1)
	g.mu.Lock()
	g.waiters.Remove(w)
	g.members.seen(g.parked[w].Member, g.now())
	delete(g.parked, w)
	g.mu.Unlock()
}

// take leases for one call from the ready windows; the lock is held. It returns a window that is being read ahead, and has its turn when that is done, or
// nil when the call has what it can get.
func (g *Group) take(now int64, req *LeaseRequest, p *parcel) (fill *window) {
	if g.def.Config.Paused || g.ending {
		return nil
	}
	for {
		room := min(req.Max-len(p.grants), g.def.Config.MaxInflight-g.inflight)
		if room <= 0 {
			return nil
		}
		if room = g.rate.available(now, room); room == 0 {
			g.armAt(g.rate.next(now))
			return nil
		}
		w, most := g.lanes.next(req.Topics)
		if w == nil || w.filling {
			return w
		}
		got, stop := g.takeFrom(w, now, min(room, most), req, p)
		switch {
		case stop == lease.StopAlone, stop == lease.StopLimit && got == 0:
			return nil
		case stop == lease.StopEmpty && g.exhausted(w):
			return w
		}
	}
}

// takeFrom leases up to room records from one window, which then goes to the end of its lane; the lock is held.
func (g *Group) takeFrom(w *window, now int64, room int, req *LeaseRequest, p *parcel) (got int, stop lease.Stop) {
	length := req.Length
	if length == 0 {
		length = g.def.Config.Lease
	}
	maxBytes := req.MaxBytes
	if maxBytes == 0 {
		maxBytes = MaxLeaseBytes
	}
	maxBytes = req.Room.Allow(maxBytes)
	dying := w.machine.Counts().Dying
	g.handouts, stop = w.machine.Lease(lease.Request{
		Now: now, Ahead: g.env.Clock.Next() - now, Length: length.Milliseconds(), Max: len(p.grants) + room, MaxBytes: maxBytes,
		Have: len(p.grants), HaveBytes: p.bytes, Member: req.Member, Incarnation: g.env.Receipts.incarnation,
	}, g.handouts[:0])
	got = len(g.handouts)
	g.rate.take(got)
	g.journal(w)
	for _, h := range g.handouts {
		p.grants = append(p.grants, grant{w, h})
		p.bytes += int64(h.Size)
		req.Room.Take(int64(h.Size))
		if h.Again {
			p.after = p.after.Later(w.freed)
		}
		if h.Delivery > 1 {
			g.counters.Redelivered++
		}
	}
	g.counters.Leased += uint64(got)
	if got > 0 {
		g.armAt(g.handouts[0].Deadline)
	}
	if w.machine.Counts().Dying > dying {
		g.buryBehind(w)
	}
	g.lanes.served(w, got, stop == lease.StopEmpty, now)
	return got, stop
}

// serve starts the dispatcher if a window is ready for one of the waiters; the lock is held.
func (g *Group) serve() {
	if g.serving || g.closed || g.lanes.empty() || !g.wanted() {
		return
	}
	g.serving = true
	g.background("dispatch", g.dispatch)
}

// wanted says whether a window is ready whose topic one of the waiters asks for.
func (g *Group) wanted() bool {
	for _, w := range g.waiters.Heads() {
		if ready, _ := g.lanes.next(g.parked[w].Topics); ready != nil {
			return true
		}
	}
	return false
}

// dispatch leases for the waiters, the longest waiting first, until there is nothing more for anybody.
func (g *Group) dispatch() {
	for {
		if late := g.env.Committer.Late(maxLate); !late.Done() {
			_ = g.env.Committer.Wait(g.ctx, late) // a failed commit shows in the answers
		}
		g.mu.Lock()
		fill, more := g.serveOne()
		if !more {
			g.serving = false
			g.mu.Unlock()
			return
		}
		var filled <-chan struct{}
		if fill != nil {
			filled = fill.filled
		}
		g.mu.Unlock()
		if fill != nil {
			_ = g.awaitFill(g.ctx, fill, filled) // closed: serveOne sees it
			g.env.Committer.Turn(g.name, "dispatch")
		}
	}
}

// serveOne serves the first waiter that there is something for; the lock is held.
func (g *Group) serveOne() (fill *window, more bool) {
	if g.closed {
		return nil, false
	}
	now := g.now()
	for _, w := range g.waiters.Heads() {
		req := g.parked[w]
		var p parcel
		fill = g.take(now, req, &p)
		if len(p.grants) > 0 {
			g.waiters.Remove(w)
			if w.Serve(p) {
				g.keyed.remember(req.Request, p.grants, nil)
			} else {
				g.release(p.grants)
			}
			return nil, true
		}
		if fill != nil {
			return fill, true
		}
		if g.lanes.empty() {
			return nil, false
		}
	}
	return nil, false
}

// giveBack releases records that nobody has seen, uncounted.
func (g *Group) giveBack(grants []grant) {
	if len(grants) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(grants)
	g.serve()
}

// release is giveBack with the lock held.
func (g *Group) release(grants []grant) {
	now := g.now()
	for _, gr := range grants {
		w := gr.window
		if w.closed { // its leases count no more
			continue
		}
		w.machine.Settle(now, lease.Action{Claim: gr.Claim, Verb: lease.Release})
		g.free(w, g.journal(w))
	}
}

// free notes that a command may have made records of a window available; the lock is held.
func (g *Group) free(w *window, t commit.Ticket) {
	w.freed = w.freed.Later(t)
	g.changed()
	w.part.Backlog.Progressed()
	if w.machine.Counts().Ready > 0 || record.Offset(w.machine.End()) < w.durableEnd() {
		g.lanes.add(w)
	}
}
