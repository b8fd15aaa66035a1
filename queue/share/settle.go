package share

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// claimed is an action with its receipt read.
type claimed struct {
	*Action
	log   store.LogID
	claim lease.Claim
	valid bool
}

// Settle ends or moves leases, each on its own, and returns when everything it answers for is on stable storage. With a publication leases and
// records are settled and appended in one unit, or nothing is. Errors: *SettleError when none of
// them was settled, the publication's, store.ErrUnknown, ErrClosed, the context's.
func (g *Group) Settle(ctx context.Context, req SettleRequest) (SettleResult, error) {
	claims := g.claims(req.Actions)
	past, release, err := g.pastFailures(ctx, claims)
	if err != nil {
		return SettleResult{}, err
	}
	res, killed, err := g.settle(ctx, &req, claims, past)
	release()
	g.buryKilled(ctx, killed)
	if werr := g.env.Committer.Wait(ctx, g.env.Committer.Last()); werr != nil {
		return res, g.result(werr)
	}
	if err == nil && res.Settled == 0 && len(res.Failed) > 0 {
		err = &SettleError{Failed: res.Failed}
	}
	return res, err
}

// claims reads the receipts.
func (g *Group) claims(actions []Action) []claimed {
	out := make([]claimed, len(actions))
	for i := range actions {
		c := &out[i]
		c.Action = &actions[i]
		c.log, c.claim, c.valid = g.env.Receipts.decode(g.id, actions[i].Receipt)
	}
	return out
}

// settle applies the actions in order. Receipts of hand-outs that a crash forgot come last: their windows must be read ahead for first.
func (g *Group) settle(ctx context.Context, req *SettleRequest, claims []claimed, past map[place]history) (res SettleResult, killed []expiry, err error) {
	if req.Publish != nil {
		return g.settleWhole(ctx, req, claims, past)
	}
	pass := settling{claims: claims, past: past, request: req.Request, res: &res}
	if err := g.settlePass(&pass); err != nil || len(pass.later) == 0 {
		return res, pass.killed, err
	}
	for i := range pass.later {
		if err := g.offerUpTo(ctx, &pass.later[i]); err != nil {
			return res, pass.killed, err
		}
	}
	again := settling{claims: pass.later, past: past, res: &res, killed: pass.killed}
	err = g.settlePass(&again)
	for _, c := range again.later { // there is no such record
		res.Failed = append(res.Failed, Failure{Receipt: c.Receipt, Err: ErrLeaseLost})
	}
	return res, again.killed, err
}

// settling is one pass over the actions of a call.
type settling struct {
	claims  []claimed
	past    map[place]history
	request string
	res     *SettleResult
	later   []claimed // their windows have not considered the records yet
	killed  []expiry  // records that are dying of it
	touched []*window
	ahead   int64 // of its time what it begins begins, see lease.Request
}

// settlePass applies the actions whose records the windows have considered, each on its own.
func (g *Group) settlePass(s *settling) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	if known := g.known(s.request, s.claims); known != nil {
		*s.res = known.result(s.claims)
		return nil
	}
	if s.request != "" { // the answer becomes durable together with what it tells of
		if err := g.fitsUnit(countLogs(s.claims) + 1); err != nil {
			return err
		}
	}
	now := g.now()
	s.ahead = g.env.Clock.Next() - now
	for i := range s.claims {
		c := &s.claims[i]
		code := g.settleOne(now, s, c)
		failure := failureOf(code)
		switch {
		case code == lease.NotOffered:
			s.later = append(s.later, *c)
		case failure != nil:
			s.res.Failed = append(s.res.Failed, Failure{Receipt: c.Receipt, Err: failure})
		default:
			s.res.Settled++
		}
	}
	if s.request != "" && s.res.Settled > 0 && len(s.later) == 0 {
		g.settled(s, g.env.Committer.Enqueue(append(g.edits(s), g.remember(s.request, s.claims, s.res)...)))
	} else {
		for _, w := range s.touched {
			t := g.journalNotes(w, w.notes)
			g.attempts.enqueued(w.part.ID, w.notes, t)
			g.free(w, t)
			w.touched, w.notes = false, nil
		}
	}
	g.serve()
	return nil
}

// fitsUnit refuses a call that touches too many partitions.
func (g *Group) fitsUnit(logs int) error {
	if logs > store.MaxUnitEdits {
		return fmt.Errorf("group %s: the call touches %d partitions, at most %d in one unit: %w", g.name, logs, store.MaxUnitEdits, ErrTooManyLogs)
	}
	return nil
}

// edits returns what one unit does to the windows that a pass touched; most notes go ahead of it. The lock is held.
func (g *Group) edits(s *settling) (parts []commit.Part) {
	for _, w := range s.touched {
		if edit, any := g.edit(w, g.enqueueNotes(w, w.notes)...); any {
			parts = append(parts, edit)
		}
	}
	return parts
}

// settled ends a pass whose edits were enqueued in one unit; the lock is held.
func (g *Group) settled(s *settling, t commit.Ticket) {
	for _, w := range s.touched {
		g.attempts.enqueued(w.part.ID, w.notes, t)
		w.touched, w.notes = false, nil
		g.free(w, t)
		if w.journal.Due() {
			g.checkpoint(w)
		}
	}
}

// settleOne applies one action; the lock is held.
func (g *Group) settleOne(now int64, s *settling, c *claimed) lease.Code {
	if !c.valid {
		return lease.Invalid
	}
	w := g.byLog[c.log]
	if w == nil { // detached
		return lease.Lost
	}
	if !w.touched {
		w.touched = true
		s.touched = append(s.touched, w)
	}
	fails := c.Verb == lease.Nack || c.Verb == lease.Reject
	var view lease.View
	if fails {
		view = w.machine.View(c.claim.Offset)
	}
	a := g.action(c)
	a.Ahead = s.ahead
	r := w.machine.Settle(now, a)
	w.settled()
	if r.Dying || fails && view.State == lease.Dying { // a repeat waits for its letter, too
		s.killed = append(s.killed, expiry{w, c.claim.Offset})
	}
	if r.Code != lease.OK {
		return r.Code
	}
	g.count(c.Verb)
	g.measures.ended(now, c.Verb, r)
	switch {
	case r.Due > 0:
		g.armAt(r.Due)
	case r.Deadline > 0:
		g.armAt(r.Deadline)
	}
	if fails {
		p := place{c.log, c.claim.Offset}
		h := g.attempts.history(p, s.past[p]).add(g.failure(now, c, r, view))
		g.attempts.write(p, h)
		w.notes = append(w.notes, h.note(w.journal.Name(), c.claim.Offset))
	}
	return r.Code
}

func (g *Group) action(c *claimed) lease.Action {
	a := lease.Action{Claim: c.claim, Verb: c.Verb, Delay: -1, For: g.def.Config.Lease.Milliseconds()}
	if c.Delay != nil {
		a.Delay = c.Delay.Milliseconds()
	}
	if c.For > 0 {
		a.For = c.For.Milliseconds()
	}
	return a
}

// offerUpTo waits until a window has considered the offset of a claim: a crash forgot the hand-out of a record
// that the window has not reached again.
func (g *Group) offerUpTo(ctx context.Context, c *claimed) error {
	for {
		g.mu.Lock()
		w := g.byLog[c.log]
		if w == nil || w.machine.End() > c.claim.Offset || record.Offset(c.claim.Offset) >= w.durableEnd() || w.machine.Full() {
			g.mu.Unlock()
			return nil
		}
		if g.closed {
			g.mu.Unlock()
			return fmt.Errorf("group %s: %w", g.name, ErrClosed)
		}
		if w.restUntil != 0 {
			err := w.unread
			g.mu.Unlock()
			return err
		}
		g.startFill(w)
		filled, nth := g.filled, g.nextWait()
		g.mu.Unlock()
		select {
		case <-filled:
		case <-g.ctx.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		g.env.Committer.TurnOf(nth, g.name, "settle")
	}
}

// failureOf returns the error of a code; nil for those that are answered as settled.
func failureOf(c lease.Code) error {
	switch c {
	case lease.OK, lease.Repeat:
		return nil
	case lease.AlreadySettled:
		return ErrAlreadySettled
	case lease.Invalid:
		return ErrInvalidReceipt
	default:
		return ErrLeaseLost
	}
}

// GiveBack releases records of an answer that its client never got, uncounted. Errors: those of Settle.
func (g *Group) GiveBack(ctx context.Context, ds []Delivery) error {
	actions := make([]Action, len(ds))
	for i := range ds {
		actions[i] = Action{Receipt: ds[i].Receipt, Verb: lease.Release}
	}
	_, err := g.Settle(ctx, SettleRequest{Actions: actions})
	return err
}
