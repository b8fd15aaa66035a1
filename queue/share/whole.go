package share

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store"
)

// settleWhole settles and publishes in one unit: all of it, or nothing and a *SettleError.
func (g *Group) settleWhole(ctx context.Context, req *SettleRequest, claims []claimed, past map[place]history) (SettleResult, []expiry, error) {
	for {
		s := settling{claims: claims, past: past, request: req.Request, res: &SettleResult{}}
		missing, err := g.tryWhole(&s, req.Publish)
		if missing == nil || err != nil {
			return *s.res, s.killed, err
		}
		if err := g.offerUpTo(ctx, missing); err != nil {
			return SettleResult{}, nil, err
		}
		if g.beyond(missing) {
			return SettleResult{}, nil, &SettleError{Failed: []Failure{{Receipt: missing.Receipt, Err: ErrLeaseLost}}}
		}
	}
}

// beyond tells whether a claim is for a record that its window cannot reach.
func (g *Group) beyond(c *claimed) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.byLog[c.log]
	return w != nil && w.machine.End() <= c.claim.Offset
}

// tryWhole judges all actions and, if none is refused, applies them. It returns a claim whose window must be read ahead for first.
func (g *Group) tryWhole(s *settling, pub Publication) (missing *claimed, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	now := g.now()
	if known := g.known(s.request, s.claims); known != nil {
		*s.res = known.result(s.claims)
		return nil, nil
	}
	if missing, failed := g.judge(now, s.claims); missing != nil || len(failed) > 0 {
		if missing == nil {
			err = &SettleError{Failed: failed}
		}
		return missing, err
	}
	if err := g.fitsUnit(countLogs(s.claims) + pub.Logs() + 1); err != nil {
		return nil, err
	}
	if err := pub.Begin(); err != nil {
		return nil, err
	}
	s.ahead = g.env.Clock.Next() - now
	for i := range s.claims {
		g.settleOne(now, s, &s.claims[i])
	}
	s.res.Settled = len(s.claims)
	g.commitWhole(s, pub)
	g.serve()
	return nil, nil
}

// Check looks at a settle with records before it is carried out, and changes nothing: known says that it was carried out before, with the answer of
// then. Errors: *SettleError if it would be refused now, store.ErrUnknown, the context's.
func (g *Group) Check(ctx context.Context, req SettleRequest) (res SettleResult, known bool, err error) {
	res, known, err = g.check(req)
	if !known && err == nil {
		return res, false, nil
	}
	if err := g.env.Committer.Wait(ctx, g.env.Committer.Last()); err != nil { // what it tells of is durable
		return SettleResult{}, false, g.result(err)
	}
	return res, known, err
}

func (g *Group) check(req SettleRequest) (res SettleResult, known bool, err error) {
	claims := g.claims(req.Actions)
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.known(req.Request, claims); a != nil {
		return a.result(claims), true, nil
	}
	if _, failed := g.judge(g.now(), claims); len(failed) > 0 {
		return res, false, &SettleError{Failed: failed}
	}
	return res, false, nil
}

// judge says which actions would be refused; a repeat is one, since its lease was settled without the records. The lock is held.
func (g *Group) judge(now int64, claims []claimed) (missing *claimed, failed []Failure) {
	for i := range claims {
		c := &claims[i]
		code := lease.Invalid
		if c.valid {
			code = lease.Lost
			if w := g.byLog[c.log]; w != nil {
				code = w.machine.Judge(now, g.action(c))
			}
		}
		switch code {
		case lease.OK:
		case lease.NotOffered:
			return c, nil
		case lease.Repeat:
			failed = append(failed, Failure{Receipt: c.Receipt, Err: ErrAlreadySettled})
		default:
			failed = append(failed, Failure{Receipt: c.Receipt, Err: failureOf(code)})
		}
	}
	return nil, failed
}

// commitWhole enqueues the unit: records, settled leases, and the answer if it is to be remembered. The lock is held.
func (g *Group) commitWhole(s *settling, pub Publication) {
	parts := g.edits(s)
	g.settled(s, pub.Commit(g.env.Committer, g.env.Clock.Wall(), func() []commit.Part {
		s.res.Places = pub.Places()
		if s.request != "" {
			parts = append(parts, g.remember(s.request, s.claims, s.res)...)
		}
		return parts
	}))
}

func countLogs(claims []claimed) int {
	logs := map[store.LogID]struct{}{}
	for i := range claims {
		logs[claims[i].log] = struct{}{}
	}
	return len(logs)
}
