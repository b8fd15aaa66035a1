package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holtmq/holt/queue"
)

func (w *world) anyGroup(rng *rand.Rand) *group {
	first := rng.IntN(len(groupNames))
	for i := range groupNames {
		if g := w.groups[groupNames[(first+i)%len(groupNames)]]; g != nil {
			return g
		}
	}
	return nil
}

// request makes a lease's request.
func (g *group) request(rng *rand.Rand) queue.LeaseRequest {
	req := queue.LeaseRequest{Max: 1 + rng.IntN(12), Member: string(rune('a' + rng.IntN(4)))}
	switch rng.IntN(10) {
	case 0:
		req.Max = 100
	case 1:
		req.Length = time.Duration(1000+rng.IntN(20_000)) * time.Millisecond
	case 2:
		req.MaxBytes = int64(1 + rng.IntN(200))
	case 3:
		if len(g.topics) > 0 {
			req.Topics = []string{g.topics[rng.IntN(len(g.topics))].name}
		}
	}
	return req
}

func (w *world) lease(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil {
		return
	}
	w.leaseNow(g, g.request(rng))
}

// leaseNow takes what is there.
func (w *world) leaseNow(g *group, req queue.LeaseRequest) []queue.Delivery {
	w.tally.calls++
	ds, _, err := w.broker().Lease(w.ctx, g.name, req)
	w.leaseDone(g, &req, ds, err)
	return ds
}

// leaseDone tells the model how a lease ended, now.
func (w *world) leaseDone(g *group, req *queue.LeaseRequest, ds []queue.Delivery, err error) {
	if w.groups[g.name] != g { // deleted while the call was parked
		if len(ds) > 0 {
			w.violated("I16 progress", "a deleted group hands out")
		}
		return
	}
	w.outlive(g)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			w.failed("lease from "+g.name, err)
		}
		if !refused(err) && !errors.Is(err, context.Canceled) {
			w.haunt(g, req)
		}
		return
	}
	w.note("leased from %s, %d wanted: %s", g.name, req.Max, summary(ds))
	if w.reading || w.blurred || w.broken() { // what could not be read is leased all the same
		w.haunt(g, req)
	}
	w.handOut(g, req, ds)
}

// haunt is called when records may have been handed out to nobody, and taken back, too, if the broker has died: it may have committed both in one.
func (w *world) haunt(g *group, req *queue.LeaseRequest) {
	now, length, died := w.now(), w.lengthOf(g, req), w.broken()
	for _, win := range g.wins {
		if len(req.Topics) > 0 && !slices.Contains(req.Topics, win.part.topic.name) {
			continue
		}
		for _, r := range win.recs {
			states := r.states
			for _, s := range r.states {
				if !s.free(now) {
					continue
				}
				back := died && s.hand != ghost
				s.phase, s.ended, s.hand, s.life, s.at, s.length = leased, running, ghost, w.life, now+length, length
				s.deliveries++
				states = union(slices.Clone(states), s)
				if back {
					s.phase, s.ended = available, released
					states = union(states, s)
				}
			}
			if len(states) > len(r.states) {
				w.change(r, states)
			}
		}
	}
}

func (w *world) lengthOf(g *group, req *queue.LeaseRequest) int64 {
	if req.Length > 0 {
		return req.Length.Milliseconds()
	}
	return g.rules.length
}

// outlive is called when a group was asked for records: those that are over their time to live may have been reached.
func (w *world) outlive(g *group) {
	now := w.now()
	for _, r := range g.ttls {
		if w.over(r.msg) > now || !r.may(func(s *state) bool { return s.free(now) && s.back == 0 }) {
			continue
		}
		states := slices.Clone(r.states)
		for _, s := range r.states {
			if s.free(now) && s.back == 0 {
				s.die(&g.rules, reasonTTL)
				states = union(states, s)
			}
		}
		w.change(r, states)
	}
}

// handOut checks what a lease got and notes it.
func (w *world) handOut(g *group, req *queue.LeaseRequest, ds []queue.Delivery) {
	if len(ds) > req.Max {
		w.violated("lease", "%d records, %d were asked for", len(ds), req.Max)
	}
	sure := !w.unsure[g.name] // else its configuration may be another
	if len(ds) > 0 && g.config.Paused && sure {
		w.violated("pause", "%s is paused and hands out", g.name)
	}
	size := int64(0)
	for i := range ds {
		w.deliver(g, req, &ds[i], len(ds))
		size += int64(len(ds[i].Record.Key) + len(ds[i].Record.Value))
	}
	if req.MaxBytes > 0 && size > req.MaxBytes && len(ds) > 1 {
		w.violated("lease", "%d bytes in %d records, %d were asked for", size, len(ds), req.MaxBytes)
	}
	if len(ds) > 0 && g.held > g.config.MaxInflight && sure {
		w.violated("max_inflight", "%s holds %d leases, at most %d", g.name, g.held, g.config.MaxInflight)
	}
	if sure {
		w.spend(g, len(ds))
	}
	w.tally.handouts += len(ds)
}

// deliver checks one hand-out and notes it.
func (w *world) deliver(g *group, req *queue.LeaseRequest, d *queue.Delivery, together int) {
	win := g.window(d.Topic, d.Partition)
	if win == nil && w.unsure[g.name] { // attached, as far as one knows
		w.strays = append(w.strays, stray{g, w.topics[d.Topic], d.Partition, int(d.Record.Offset), w.now() + d.ExpiresIn.Milliseconds(), d.ExpiresIn.Milliseconds()})
		return
	}
	if win == nil {
		w.violated("I2 no phantom", "%s hands out a record of %s/%d, which it does not read", g.name, d.Topic, d.Partition)
		return
	}
	r := win.at(int(d.Record.Offset))
	if r == nil && w.broken() && (string(d.Record.Value) == cronBody || w.isAfresh(d.Topic, &d.Record) != nil || slices.Contains(win.part.topic.delayed, w.msgOf(&d.Record))) { // it fired, and was not read since
		w.early = append(w.early, stray{g, win.part.topic, d.Partition, int(d.Record.Offset), w.now() + d.ExpiresIn.Milliseconds(), d.ExpiresIn.Milliseconds()})
		return
	}
	if r == nil {
		w.violated("I2 no phantom", "%s hands out %s/%d at %d, which is not there or before its start", g.name, d.Topic, d.Partition, d.Record.Offset)
		return
	}
	if len(req.Topics) > 0 && !slices.Contains(req.Topics, d.Topic) {
		w.violated("lease", "a record of %s, %v was asked for", d.Topic, req.Topics)
	}
	now := w.now()
	if dies := w.over(r.msg); dies != 0 && dies <= now && !r.may(func(s *state) bool { return s.back > 0 }) {
		w.violated("ttl", "%s/%d at %d was over at %d", d.Topic, d.Partition, r.offset, dies)
	}
	fits := only(r.states, func(s *state) bool {
		return s.free(now) && int(s.failures)+1 == d.Attempt && (int(s.deliveries)+1 == d.Deliveries || s.loose && int(s.deliveries) < d.Deliveries)
	})
	if len(fits) == 0 {
		w.violated(blame(r, d, now), "%s hands out %s/%d at %d, attempt %d, delivery %d at %d; it is %v", g.name, d.Topic, d.Partition, r.offset, d.Attempt, d.Deliveries, now, r.states)
		return
	}
	if fits = only(fits, func(s *state) bool {
		m := *w.body(r.msg, s)
		m.at = r.msg.at
		return m.holds(&d.Record)
	}); len(fits) == 0 {
		w.violated("I2 no phantom", "%s hands out %s/%d at %d as key %q, value %q, headers %v, of %v; it was published as %+v, and is %v",
			g.name, d.Topic, d.Partition, r.offset, d.Record.Key, d.Record.Value, d.Record.Headers, d.Record.Timestamp, *r.msg, r.states)
		return
	}
	length := d.ExpiresIn.Milliseconds()
	if until := w.wall() + length; d.ExpiresAt.UnixMilli() != until {
		w.violated("lease", "runs until %d by the wall clock, in %v; it is %d", d.ExpiresAt.UnixMilli(), d.ExpiresIn, w.wall())
	}
	if !w.unsure[g.name] {
		w.isolated(g, fits, together)
		w.inKeyOrder(g, r)
		if want := w.lengthOf(g, req); length != want {
			w.violated("lease", "runs for %d ms, want %d", length, want)
		}
	}
	h := &hand{id: w.nextHand(), delivery: int32(d.Deliveries), life: w.life, receipt: d.Receipt, rec: r, epoch: win.epoch}
	w.remember(g, h)
	w.change(r, each(fits, func(s state) state {
		s.phase, s.ended, s.hand, s.life, s.at, s.length = leased, running, h.id, w.life, now+length, length
		s.until = 0
		s.deliveries, s.loose = int32(d.Deliveries), false
		return s
	}))
	if r.before != nil && (d.Deliveries > 1 || fits[0].back > 0) { // a hand-out waits until what freed its record is durable
		r.before = slices.Clone(fits)
	}
}

// stray is a hand-out of a partition that a group was being given when the broker died.
type stray struct {
	group         *group
	topic         *topic
	index         int
	offset        int
	until, length int64
}

// haunted gives a window that turned out to be there the hand-outs that may have been made.
func (w *world) haunted(win *win) {
	for _, s := range w.strays {
		if r := win.at(s.offset); s.group == win.group && s.topic == win.part.topic && s.index == win.part.index && r != nil {
			given := state{phase: leased, hand: ghost, life: w.life - 1, deliveries: 1, at: s.until, length: s.length}
			w.change(r, union(slices.Clone(r.states), given.resume(w.now(), w.set)))
		}
	}
}

// given is called when a record appears that a lease may have handed out before anybody read it.
func (w *world) given(win *win, offset int) {
	for _, s := range w.early {
		if r := win.at(offset); s.group == win.group && s.topic == win.part.topic && s.index == win.part.index && s.offset == offset && r != nil {
			out := state{phase: leased, hand: ghost, life: w.life - 1, deliveries: 1, at: s.until, length: s.length}
			ended := out.pass(&win.group.rules, w.died, 0)
			w.change(r, union(slices.Clone(r.states), out.resume(w.now(), w.set), ended.resume(w.now(), w.set)))
		}
	}
}

// blame names the invariant that a hand-out breaks.
func blame(r *rec, d *queue.Delivery, now int64) string {
	switch {
	case r.is(func(s *state) bool { return s.phase == settled && s.outcome == acked }):
		return "I3 ack is final"
	case r.is(func(s *state) bool { return s.phase == settled || s.phase == dying }):
		return "I8 dead letter once"
	case r.is(isLeased):
		return "I4 exclusive lease"
	case r.is(func(s *state) bool { return s.phase == deferred && !s.free(now) }):
		return "I15 backoff"
	}
	return "I6 attempts"
}

// isolated checks that a record suspected of killing its workers goes alone at its last attempt.
func (w *world) isolated(g *group, fits []state, together int) {
	limit := int(g.rules.maxAttempts)
	if limit < 2 || together == 1 || w.armed {
		return
	}
	for _, s := range fits {
		if 2*int(s.expiries) < limit || int(s.failures) < limit-1 {
			return
		}
	}
	w.violated("poison", "the last attempt of a record that expired %d times goes with %d others", fits[0].expiries, together-1)
}

// inKeyOrder checks that a record's key lets it go, and learns from it.
func (w *world) inKeyOrder(g *group, r *rec) {
	if !r.msg.keyed || !g.ordered && !g.limited {
		return
	}
	open := r.win.keys[r.msg.key]
	for len(open) > 0 && open[0].is(isSettled) && open[0].before == nil && (!g.holding || open[0].freed || !open[0].is(func(s *state) bool { return s.outcome == dead })) {
		open = open[1:]
	}
	r.win.keys[r.msg.key] = open
	busy := 0
	for _, o := range open {
		switch {
		case g.ordered && o.offset > r.offset && o.is(isLeased): // r was redriven
			w.violated("I9 key order", "%s hands out %s/%d at %d of key %s while %d is leased: %v", g.name, r.win.part.topic.name, r.win.part.index, r.offset, r.msg.key, o.offset, o.states)
		case g.ordered && o.offset >= r.offset:
		case g.ordered:
			w.mustBeSettled(g, o, r)
		case o != r && o.is(isLeased):
			busy++
		}
	}
	if g.limited && busy >= g.config.KeyConcurrency {
		w.violated("key_concurrency", "key %s has %d leases besides this one, at most %d", r.msg.key, busy, g.config.KeyConcurrency)
	}
}

// mustBeSettled checks that a record lets a later one of its key go. One that is dying may have been buried since the call began: then its
// letter is there at rest.
func (w *world) mustBeSettled(g *group, o, r *rec) {
	done := only(o.states, func(s *state) bool { return s.phase == settled && !(g.holding && !o.freed && s.outcome == dead) })
	durable := len(done) > 0 && o.msg.ttl == 0 // a hand-out waits until what freed its key is durable, unless that can never come again
	if !g.holding {
		done = union(done, only(o.states, isDying)...)
	}
	if len(done) == 0 {
		w.violated("I9 key order", "%s hands out %s/%d at %d while %d of key %s is %v", g.name, r.win.part.topic.name, r.win.part.index, r.offset, o.offset, r.msg.key, o.states)
		return
	}
	if len(done) < len(o.states) {
		w.change(o, done)
	}
	if durable && o.before != nil {
		o.before = slices.Clone(done)
	}
}

// nextHand numbers hand-outs.
func (w *world) nextHand() int32 {
	w.hands++
	return w.hands
}

// remember keeps a hand-out for settles to come.
func (w *world) remember(g *group, h *hand) {
	if _, twice := w.receipts[h.receipt]; twice || h.receipt == "" || len(h.receipt) > 128 {
		w.violated("I5 fencing", "receipt %q was given before, or is none", h.receipt)
	}
	w.receipts[h.receipt] = struct{}{}
	g.hands = append(g.hands, h)
	if len(g.hands) > 400 {
		g.hands = slices.Clone(g.hands[200:])
	}
}

// Tokens of the rate.

func (g *group) burst() float64 {
	if g.config.RateBurst > 0 {
		return float64(g.config.RateBurst)
	}
	return max(1, g.config.RatePerSecond)
}

func (w *world) spend(g *group, n int) {
	if g.config.RatePerSecond == 0 {
		return
	}
	now := w.now()
	g.tokens = min(g.burst(), g.tokens+float64(now-g.tokensAt)*g.config.RatePerSecond/1000) - float64(n)
	g.tokensAt = now
	if g.tokens < -1e-6 {
		w.violated("rate", "%s hands out %v records more than %v a second allow", g.name, -g.tokens, g.config.RatePerSecond)
	}
}
