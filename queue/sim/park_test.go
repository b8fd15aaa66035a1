package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue"
)

// park is a lease that waits.
type park struct {
	group  *group
	req    queue.LeaseRequest
	cancel context.CancelFunc
	done   atomic.Bool // the rest is written
	ds     []queue.Delivery
	err    error
	at     int64
}

// park leaves a lease waiting.
func (w *world) park(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || len(g.parks) >= 4 {
		return
	}
	p := &park{group: g, req: g.request(rng)}
	p.req.Wait = time.Duration(1+rng.IntN(60)) * time.Second
	ctx, cancel := context.WithCancel(w.ctx)
	p.cancel = cancel
	g.parks = append(g.parks, p)
	w.tally.calls++
	b := w.b
	go func() {
		p.ds, _, p.err = b.Lease(ctx, g.name, p.req)
		p.at = time.Now().UnixMilli()
		p.done.Store(true)
	}()
}

// unpark lets the client of a parked lease go away.
func (w *world) unpark(rng *rand.Rand) {
	if g := w.anyGroup(rng); g != nil && len(g.parks) > 0 {
		g.parks[rng.IntN(len(g.parks))].cancel()
	}
}

// collect takes the answers of parked leases and the dead letters that came meanwhile, in order of time.
func (w *world) collect() {
	var events []event
	if !w.broken() {
		events = append(w.readFired(), w.readLetters()...)
	}
	for _, gs := range [][]*group{w.former, w.all()} {
		for _, g := range gs {
			g.parks = slices.DeleteFunc(g.parks, func(p *park) bool {
				done := p.done.Load()
				if done {
					p.cancel()
					events = append(events, event{p.at, func() { w.leaseDone(g, &p.req, p.ds, p.err) }})
				}
				return done
			})
		}
	}
	events = append(events, w.answered()...)
	w.former = slices.DeleteFunc(w.former, func(g *group) bool { return len(g.parks) == 0 })
	w.happen(events)
}

// happen tells the model of events in order.
func (w *world) happen(events []event) {
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, e := range events {
		w.pass(e.at)
		w.at = e.at
		e.note()
		w.at = 0
	}
}

func (w *world) all() []*group {
	var out []*group
	for _, name := range groupNames {
		if g := w.groups[name]; g != nil {
			out = append(out, g)
		}
	}
	return out
}

// probe looks for lost wake-ups: while leases are parked and nothing moves, there is nothing to hand out.
func (w *world) probe(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || w.armed || w.now() < w.restless {
		return
	}
	i := slices.IndexFunc(g.parks, func(p *park) bool { return len(p.req.Topics) == 0 })
	if i < 0 {
		return
	}
	w.tally.probes++
	if ds := w.leaseNow(g, queue.LeaseRequest{Max: 1, Member: "probe"}); len(ds) > 0 && w.err == nil {
		w.violated("I16 progress", "lost wake-up: a lease of %s is parked for %v while %s can be handed out", g.name, g.parks[i].req.Wait, summary(ds))
	}
}
