package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/holtmq/holt/queue"
)

// whole settles and publishes in one call: both or neither.
func (w *world) whole(rng *rand.Rand) {
	g, t := w.anyGroup(rng), w.anyTopic(rng)
	if g == nil || t == nil || len(g.hands) == 0 {
		return
	}
	var acts []act
	for range 1 + rng.IntN(3) {
		h := g.hands[len(g.hands)-1-rng.IntN(min(len(g.hands), 12))]
		if !slices.ContainsFunc(acts, func(a act) bool { return a.hand.rec == h.rec }) { // of two forgotten hand-outs of a record, either may be believed
			acts = append(acts, newAct(rng, h, 0))
		}
	}
	req, msgs := w.compose(t, 1+rng.IntN(3), rng)
	req.group, req.acts, req.events = g, acts, g.events
	req.call = queue.SettleRequest{Actions: w.actions(acts), Publish: []queue.TopicMessages{{Topic: t.name, Messages: msgs}}}
	if rng.IntN(2) == 0 && len(g.wins) > 0 {
		req.call.Request = fmt.Sprintf("request %d", req.msgs[0].uid)
	}
	for _, a := range acts {
		req.open = append(req.open, a.hand.rec.is(func(s *state) bool { return s.phase != settled }) && a.hand.rec.before == nil)
	}
	w.tally.calls++
	w.tally.verbs += len(acts)
	res, err := w.broker().SettleAndPublish(w.ctx, g.name, req.call)
	var none *queue.SettleError
	switch {
	case errors.As(err, &none):
		w.notWhole(g, acts, none.Failed)
	case err != nil:
		w.failed("settle with records in "+g.name, err)
		if !refused(err) {
			w.maySettle(g, acts)
			w.unknown = append(w.unknown, req)
		}
	default:
		w.wholly(g, req, res)
	}
}

// wholly notes a settle that published.
func (w *world) wholly(g *group, req *request, res queue.SettleResult) {
	if res.Settled != len(req.acts) || len(res.Failed) > 0 || len(res.Places) != 1 {
		w.violated("I11 atomic", "%d settled and %d failed of %d, with records", res.Settled, len(res.Failed), len(req.acts))
		return
	}
	for _, a := range req.acts {
		if r := a.hand.rec; r.is(func(s *state) bool { return w.refuses(g, a, r, *s) }) {
			w.violated("I11 atomic", "%v of hand-out %d of %s/%d at %d is taken with records; it is %v", a.verb, a.hand.id, r.win.part.topic.name, r.win.part.index, r.offset, r.states)
		}
		w.settled(g, a, okay)
	}
	w.published(req, res.Places[0])
	w.certain()
	if req.call.Request != "" {
		req.found, req.at, req.since = req.stored(), w.wall(), w.now()
		g.keyed = append(g.keyed, req)
	}
}

// refuses tells whether a verb is refused in a state when there are records with it: a repeat is, too.
func (w *world) refuses(g *group, a act, r *rec, s state) bool {
	if a.hand.epoch != r.win.epoch || r.win.gone {
		return true
	}
	got, after := s.settle(a, &g.rules, w.life, w.now(), w.over(r.msg))
	return got != okay || after == s && a.verb != extend
}

// notWhole checks why a settle with records was refused: nothing changes.
func (w *world) notWhole(g *group, acts []act, failed []queue.Failure) {
	if len(failed) == 0 {
		w.violated("I11 atomic", "a settle with records is refused for nothing")
	}
	for _, a := range acts {
		r := a.hand.rec
		i := slices.IndexFunc(failed, func(f queue.Failure) bool { return f.Receipt == a.hand.receipt })
		if r.win.gone || a.hand.epoch != r.win.epoch {
			if i < 0 {
				w.violated("I5 fencing", "%v of hand-out %d, which is from before a reset or a detachment, is not refused", a.verb, a.hand.id)
			}
			continue
		}
		may, must := w.keyTaken(g, r)
		possible := r.may(func(s *state) bool {
			refused := w.refuses(g, a, r, *s)
			late := a.verb == extend && s.phase != leased
			if i >= 0 {
				return refused || late && may
			}
			return !refused && !(late && must)
		})
		if !possible {
			w.violated("I5 fencing", "%v of hand-out %d of %s/%d at %d with records is judged %v; it is %v", a.verb, a.hand.id, r.win.part.topic.name, r.win.part.index, r.offset, failed, r.states)
		}
	}
}

// rememberedFor is how long answers to request keys are repeated, ms.
const rememberedFor = 10 * 60_000

// repeat makes a settle with a request key again: it gets the same answer, and nothing happens.
func (w *world) repeat(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || len(g.keyed) == 0 || w.armed || w.reading {
		return
	}
	i := rng.IntN(len(g.keyed))
	req := g.keyed[i]
	if req.at == 0 || w.highest(req.since) >= req.at+rememberedFor || req.events != g.events || w.unsure[g.name] {
		g.keyed = slices.Delete(g.keyed, i, i+1)
		return
	}
	w.tally.calls++
	res, err := w.broker().SettleAndPublish(w.ctx, g.name, req.call)
	if err != nil || res.Settled != len(req.acts) || len(res.Places) != 1 || len(res.Places[0]) != len(req.msgs) {
		w.violated("I11 atomic", "the repeat of %q in %s: %+v, %v", req.call.Request, g.name, res, err)
		return
	}
	for j, m := range req.msgs {
		if got := res.Places[0][j]; !m.twice && m.due == 0 && (got.Partition != m.place.Partition || got.Offset != m.place.Offset) {
			w.violated("I11 atomic", "the repeat of %q in %s says %+v of record %d, it is at %+v", req.call.Request, g.name, got, m.uid, m.place)
		}
	}
}
