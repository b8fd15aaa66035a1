package share

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/lease"
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

// Settle ends or moves leases, each on its own, and returns when everything it answers for is on stable storage. Errors: *SettleError when none of
// them was settled, store.ErrUnknown, ErrClosed, the context's.
func (g *Group) Settle(ctx context.Context, actions []Action) (SettleResult, error) {
	claims := g.claims(actions)
	past, release, err := g.pastFailures(ctx, claims)
	if err != nil {
		return SettleResult{}, err
	}
	res, dying, err := g.settle(ctx, claims, past)
	release()
	if err != nil {
		return res, err
	}
	if dying {
		g.buryDying()
	}
	if err := g.env.Committer.Wait(ctx, g.env.Committer.Last()); err != nil {
		return res, g.result(err)
	}
	if res.Settled == 0 && len(res.Failed) > 0 {
		return res, &SettleError{Failed: res.Failed}
	}
	return res, nil
}

// claims reads the receipts.
func (g *Group) claims(actions []Action) []claimed {
	out := make([]claimed, len(actions))
	for i := range actions {
		c := &out[i]
		c.Action = &actions[i]
		c.log, c.claim, c.valid = g.env.Receipts.decode(g.def.ID, actions[i].Receipt)
	}
	return out
}

// settle applies the actions in order. Receipts of hand-outs that a crash forgot come last: their windows must be read ahead for first.
func (g *Group) settle(ctx context.Context, claims []claimed, past map[place]history) (res SettleResult, dying bool, err error) {
	later, dying, err := g.settlePass(claims, past, &res)
	if err != nil || len(later) == 0 {
		return res, dying, err
	}
	for i := range later {
		if err := g.offerUpTo(ctx, &later[i]); err != nil {
			return res, dying, err
		}
	}
	lost, died, err := g.settlePass(later, past, &res)
	for i := range lost { // there is no such record
		res.Failed = append(res.Failed, Failure{Receipt: lost[i].Receipt, Err: ErrLeaseLost})
	}
	return res, dying || died, err
}

// settlePass applies the actions whose records the windows have considered, and returns the others.
func (g *Group) settlePass(claims []claimed, past map[place]history, res *SettleResult) (later []claimed, dying bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, false, fmt.Errorf("group %s: %w", g.def.Name, ErrClosed)
	}
	now := g.env.Clock.Now()
	var touched []*window
	for i := range claims {
		c := &claims[i]
		code := lease.Invalid
		if c.valid {
			code = lease.Lost // unless its topic is attached
			if w := g.byLog[c.log]; w != nil {
				if !w.touched {
					w.touched = true
					touched = append(touched, w)
				}
				code = g.settleOne(now, w, c, past)
			}
		}
		failure := failureOf(code)
		switch {
		case code == lease.NotOffered:
			later = append(later, *c)
		case failure != nil:
			res.Failed = append(res.Failed, Failure{Receipt: c.Receipt, Err: failure})
		default:
			res.Settled++
		}
	}
	for _, w := range touched {
		g.free(w, g.journalNotes(w, w.notes))
		w.touched, w.notes = false, nil
		dying = dying || w.machine.Counts().Dying > 0
	}
	g.serve()
	return later, dying, nil
}

// settleOne applies one action; the lock is held.
func (g *Group) settleOne(now int64, w *window, c *claimed, past map[place]history) lease.Code {
	fails := c.Verb == lease.Nack || c.Verb == lease.Reject
	var view lease.View
	if fails {
		view = w.machine.View(c.claim.Offset)
	}
	before := w.machine.Counts().Leased
	r := w.machine.Settle(now, g.action(c))
	g.inflight += w.machine.Counts().Leased - before
	if r.Code != lease.OK {
		return r.Code
	}
	g.count(c.Verb)
	switch {
	case r.Due > 0:
		g.armAt(r.Due)
	case r.Deadline > 0:
		g.armAt(r.Deadline)
	}
	if fails {
		h := past[place{c.log, c.claim.Offset}].add(g.failure(now, c, r, view))
		w.remember(c.claim.Offset, r.Dying, h)
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

// offerUpTo reads ahead until a window has considered the offset of a claim: a crash forgot the hand-out of a record
// that the window has not reached again.
func (g *Group) offerUpTo(ctx context.Context, c *claimed) error {
	for {
		g.mu.Lock()
		w := g.byLog[c.log]
		if w == nil || w.machine.End() > c.claim.Offset || record.Offset(c.claim.Offset) >= w.durableEnd() || w.machine.Full() {
			g.mu.Unlock()
			return nil
		}
		g.mu.Unlock()
		if err := g.fill(ctx, w); err != nil {
			return err
		}
	}
}

func (g *Group) count(v lease.Verb) {
	switch v {
	case lease.Ack:
		g.counters.Acked++
	case lease.Nack:
		g.counters.Nacked++
	case lease.Release:
		g.counters.Released++
	case lease.Reject:
		g.counters.Rejected++
	case lease.Extend:
		g.counters.Extended++
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
