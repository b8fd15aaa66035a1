package share

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store"
)

// SettleAt settles one record by place, for operators: lease.Release makes a deferred one available and ends a lease, lease.Ack and lease.Reject take any
// unsettled one. Errors: ErrNotAttached, ErrAlreadySettled, store.ErrOutOfRange, store.ErrUnknown.
func (g *Group) SettleAt(ctx context.Context, at Place, v lease.Verb) error {
	if err := g.reach(ctx, at, v); err != nil {
		return err
	}
	killed, err := g.settleAt(at, v)
	if err != nil {
		return err
	}
	g.buryKilled(ctx, killed)
	return g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

// reach lets the window consider a record first that is to be rejected and then to hold its key: until then nobody knows its key.
func (g *Group) reach(ctx context.Context, at Place, v lease.Verb) error {
	g.mu.Lock()
	w := g.windowAt(at)
	needs := w != nil && v == lease.Reject && g.def.Config.OnDead == catalog.OnDeadHold && g.def.Config.Ordering == catalog.OrderingKey
	g.mu.Unlock()
	if !needs {
		return nil
	}
	return g.offerUpTo(ctx, &claimed{log: w.part.ID, claim: lease.Claim{Offset: lease.Offset(at.Offset)}})
}

func (g *Group) settleAt(at Place, v lease.Verb) (killed []expiry, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, err := g.windowOf(at)
	if err != nil {
		return nil, err
	}
	now := g.now()
	view := w.machine.View(lease.Offset(at.Offset))
	r := w.machine.SettleAt(now, view.Offset, v)
	if r.Code == lease.OK && v == lease.Reject && view.State == lease.Leased { // the letter tells whose lease it was
		g.attempts.owe(w, view.Offset, Attempt{
			Attempt: r.Attempt, Delivery: uint32(view.Deliveries), At: view.LeasedAt, Took: now - view.LeasedAt, Member: view.Member, Outcome: outcomeRejected,
		})
		g.noteOwed()
	}
	g.free(w, g.journal(w))
	g.serve()
	switch r.Code {
	case lease.AlreadySettled:
		return nil, ErrAlreadySettled
	case lease.NotOffered:
		return nil, fmt.Errorf("group %s: too many records ahead of the group are settled by place: %w", g.name, ErrTooManyWaiting)
	}
	if r.Dying {
		killed = []expiry{{w, view.Offset}}
	}
	return killed, nil
}

// ExtendAt moves the deadline of a running lease to length from now, or to the group's own length if that is 0; its holder keeps it. Errors: ErrNotAttached,
// ErrAlreadySettled, ErrLeaseLost (none runs), store.ErrOutOfRange, store.ErrUnknown.
func (g *Group) ExtendAt(ctx context.Context, at Place, length time.Duration) (until time.Time, err error) {
	r, err := g.extendAt(at, length)
	if err != nil {
		return until, err
	}
	return g.env.Clock.Time(r.Deadline), g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

func (g *Group) extendAt(at Place, length time.Duration) (r lease.Result, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, err := g.windowOf(at)
	if err != nil {
		return r, err
	}
	if length == 0 {
		length = g.def.Config.Lease
	}
	now := g.now()
	r = w.machine.ExtendAt(now, g.env.Clock.Next()-now, lease.Offset(at.Offset), length.Milliseconds())
	g.journal(w)
	g.arm()
	switch r.Code {
	case lease.AlreadySettled:
		return r, ErrAlreadySettled
	case lease.Lost:
		return r, fmt.Errorf("group %s, %s/%d at %d: nobody holds it: %w", g.name, at.Topic, at.Partition, at.Offset, ErrLeaseLost)
	}
	return r, nil
}

// windowOf returns the window of a record that is there; the lock is held.
func (g *Group) windowOf(at Place) (*window, error) {
	w := g.windowAt(at)
	if w == nil {
		return nil, fmt.Errorf("group %s, %s/%d: %w", g.name, at.Topic, at.Partition, ErrNotAttached)
	}
	if start, end := w.part.Bounds(); at.Offset < start && !w.machine.IsRedriven(lease.Offset(at.Offset)) || at.Offset >= end {
		return nil, fmt.Errorf("group %s, %s/%d at %d: %w", g.name, at.Topic, at.Partition, at.Offset, store.ErrOutOfRange)
	}
	return w, nil
}
