package sim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// summary is what a trace shows of hand-outs.
type summary []queue.Delivery

func (ds summary) String() string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s/%d@%d#%d.%d ", d.Topic, d.Partition, d.Record.Offset, d.Attempt, d.Deliveries)
	}
	return b.String()
}

var queueVerbs = [...]queue.Action{ack: {Verb: queue.Ack}, nack: {Verb: queue.Nack}, release: {Verb: queue.Release}, reject: {Verb: queue.Reject}, extend: {Verb: queue.Extend}}

// settle sends verbs for hand-outs of one group: mostly the newest ones, sometimes old ones, sometimes with forged receipts among them.
func (w *world) settle(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || len(g.hands) == 0 {
		return
	}
	var acts []act
	n := 1 + rng.IntN(8)
	if rng.IntN(15) == 0 {
		n = 100
	}
	bias := rng.IntN(4)
	for range n {
		i := rng.IntN(len(g.hands))
		if recent := 3 * n; rng.IntN(8) > 0 && recent < len(g.hands) {
			i = len(g.hands) - 1 - rng.IntN(recent)
		}
		h := g.hands[i]
		if slices.ContainsFunc(acts, func(a act) bool { return a.hand == h }) {
			continue
		}
		acts = append(acts, newAct(rng, h, bias))
	}
	w.settleAll(g, acts, rng)
}

func newAct(rng *rand.Rand, h *hand, bias int) act {
	a := act{hand: h, delay: -1, for_: 1000 + int64(rng.IntN(20_000))}
	switch n := rng.IntN(20); {
	case n < 11 || bias == 0:
		a.verb = ack
	case n < 14 || bias == 1 && n < 18:
		a.verb = nack
		switch rng.IntN(4) {
		case 0:
			a.delay = 0
		case 1:
			a.delay = int64(rng.IntN(30_000))
		}
	case n < 16:
		a.verb = release
	case n < 18:
		a.verb = reject
	default:
		a.verb = extend
	}
	return a
}

// settleAll sends the actions, checks every answer against the model, and notes what it means.
func (w *world) settleAll(g *group, acts []act, rng *rand.Rand) {
	actions := w.actions(acts)
	forged := ""
	if rng.IntN(20) == 0 {
		forged = forge(rng, acts[0].hand.receipt)
		actions = append(actions, queue.Action{Receipt: forged, Verb: queue.Ack})
	}
	w.tally.calls++
	w.tally.verbs += len(actions)
	res, err := w.broker().Settle(w.ctx, g.name, actions)
	var none *queue.SettleError
	if errors.As(err, &none) {
		if res.Settled > 0 || len(none.Failed) != len(actions) {
			w.violated("settle", "%d settled and %d failed of %d, with an error that says none was", res.Settled, len(none.Failed), len(actions))
		}
		res.Failed, err = none.Failed, nil
	} else if err == nil && res.Settled == 0 {
		w.violated("settle", "none was settled, without an error")
	}
	if err != nil {
		w.failed("settle in "+g.name, err)
		if !refused(err) {
			w.maySettle(g, acts)
		}
		return
	}
	if res.Settled+len(res.Failed) != len(actions) {
		w.violated("settle", "%d settled and %d failed of %d", res.Settled, len(res.Failed), len(actions))
	}
	answers := map[string]answer{}
	for _, f := range res.Failed {
		answers[f.Receipt] = answerOf(f.Err)
	}
	for _, a := range acts {
		w.settled(g, a, answers[a.hand.receipt])
	}
	if forged != "" && answers[forged] != invalid {
		w.violated("I5 fencing", "a forged receipt is answered with %v", answers[forged])
	}
	w.certain()
}

// actions spells verbs out.
func (w *world) actions(acts []act) []queue.Action {
	actions := make([]queue.Action, 0, len(acts)+1)
	for _, a := range acts {
		q := queueVerbs[a.verb]
		q.Receipt = a.hand.receipt
		if a.verb == nack && a.delay >= 0 {
			d := time.Duration(a.delay) * time.Millisecond
			q.Delay = &d
		}
		if a.verb == nack || a.verb == reject {
			q.Error = &queue.WorkerError{Message: fmt.Sprintf("error of hand-out %d", a.hand.id)}
		}
		if a.verb == extend {
			q.For = time.Duration(a.for_) * time.Millisecond
		}
		actions = append(actions, q)
	}
	return actions
}

func answerOf(err error) answer {
	switch {
	case errors.Is(err, queue.ErrLeaseLost):
		return lost
	case errors.Is(err, queue.ErrAlreadySettled):
		return already
	default:
		return invalid
	}
}

// settled checks one answer.
func (w *world) settled(g *group, a act, got answer) {
	r, now := a.hand.rec, w.now()
	w.note("%v of hand-out %d of %s/%d@%d: %v", a.verb, a.hand.id, r.win.part.topic.name, r.win.part.index, r.offset, got)
	if r.win.gone {
		w.foreign(a, got)
		return
	}
	if a.hand.epoch != r.win.epoch { // from before a reset
		if got != lost && !r.may(func(s *state) bool { return (s.phase == settled || s.phase == dying) && s.settledAnswer(a.verb) == got }) {
			w.violated("I5 fencing", "%v with a receipt from before a reset is answered with %v; the record is %v", a.verb, got, r.states)
		}
		return
	}
	var next []state
	for _, s := range r.states {
		want, after := s.settle(a, &g.rules, w.life, now, w.over(r.msg))
		if want == okay && a.verb == extend && s.phase != leased { // its lease does not run any more: it cannot go on beside another one of its key
			may, must := w.keyTaken(g, r)
			if may && got == lost {
				next = union(next, s)
			}
			if must {
				continue
			}
		}
		if want == got {
			next = union(next, after)
		}
	}
	if len(next) == 0 {
		w.violated("I5 fencing", "%v with hand-out %d (delivery %d, life %d) of %s/%d at %d is answered with %v in life %d at %d; it is %v", a.verb, a.hand.id, a.hand.delivery, a.hand.life,
			r.win.part.topic.name, r.win.part.index, r.offset, got, w.life, now, r.states)
		return
	}
	if len(next) != 1 || len(r.states) != 1 || next[0] != r.states[0] {
		w.change(r, next)
	}
}

// keyTaken says whether key order may have, or must have, another record of r's key in flight.
func (w *world) keyTaken(g *group, r *rec) (may, must bool) {
	ordered := g.config.Ordering == catalog.OrderingKey
	if !r.msg.keyed || !ordered && !w.unsure[g.name] {
		return false, false
	}
	for _, o := range r.win.recs {
		if o == r || !o.msg.keyed || o.msg.key != r.msg.key {
			continue
		}
		may = may || o.may(func(s *state) bool { return s.phase == leased || s.phase == dying })
		must = must || g.ordered && !w.unsure[g.name] && o.is(isLeased)
	}
	return may, must
}

// foreign checks the answer to a receipt of a window that is detached: it can only be lost, or about a record of the same place that was
// settled since the topic was attached again.
func (w *world) foreign(a act, got answer) {
	win := a.hand.rec.win
	if got == lost {
		return
	}
	for _, now := range win.group.wins {
		if r := now.at(a.hand.rec.offset); now.part == win.part && r != nil {
			if r.may(func(s *state) bool { return (s.phase == settled || s.phase == dying) && s.settledAnswer(a.verb) == got }) {
				return
			}
		}
	}
	w.violated("I5 fencing", "%v with a receipt from before its topic was detached is answered with %v", a.verb, got)
}

// maySettle notes actions whose outcome is unknown.
func (w *world) maySettle(g *group, acts []act) {
	now := w.now()
	for _, a := range acts {
		r := a.hand.rec
		if r.win.gone || a.hand.epoch != r.win.epoch {
			continue
		}
		states := slices.Clone(r.states)
		for _, s := range r.states {
			if got, after := s.settle(a, &g.rules, w.life, now, w.over(r.msg)); got == okay {
				states = union(states, after)
			}
		}
		if len(states) > len(r.states) {
			w.change(r, states)
		}
	}
}

// forge makes a receipt that nobody gave.
func forge(rng *rand.Rand, receipt string) string {
	b, _ := base64.RawURLEncoding.DecodeString(receipt)
	switch rng.IntN(3) {
	case 0:
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	case 1:
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	default:
		b = b[:rng.IntN(len(b))]
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// forge sends receipts that are none, or another group's.
func (w *world) forge(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil {
		return
	}
	var receipts []string
	for _, o := range w.all() {
		if len(o.hands) == 0 {
			continue
		}
		h := o.hands[rng.IntN(len(o.hands))]
		receipts = append(receipts, forge(rng, h.receipt))
		if o != g {
			receipts = append(receipts, h.receipt)
		}
	}
	for _, receipt := range receipts {
		w.tally.calls++
		w.tally.verbs++
		verb := queueVerbs[rng.IntN(len(queueVerbs))].Verb
		_, err := w.broker().Settle(w.ctx, g.name, []queue.Action{{Receipt: receipt, Verb: verb}})
		if !errors.Is(err, queue.ErrInvalidReceipt) && !(w.armed && w.broken()) {
			w.violated("I5 fencing", "%s takes a receipt it never gave: %v", g.name, err)
		}
	}
}
