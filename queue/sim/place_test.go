package sim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/share"
)

// anyWin returns one of a group's windows that has records, or nil.
func (w *world) anyWin(g *group, rng *rand.Rand) *win {
	if g == nil || len(g.wins) == 0 {
		return nil
	}
	win := g.wins[rng.IntN(len(g.wins))]
	if len(win.part.log) <= win.part.first {
		return nil
	}
	return win
}

func (r *rec) at() queue.GroupPlace {
	return queue.GroupPlace{Topic: r.win.part.topic.name, Partition: r.win.part.index, Offset: queue.Offset(r.offset)}
}

// settleAt settles a record by place.
func (w *world) settleAt(rng *rand.Rand) {
	g := w.anyGroup(rng)
	win := w.anyWin(g, rng)
	if win == nil {
		return
	}
	r := win.at(max(win.start, win.part.first) + rng.IntN(max(1, len(win.part.log)-max(win.start, win.part.first))))
	if open := slices.DeleteFunc(slices.Clone(g.live), func(r *rec) bool { return r.win.gone || r.is(isSettled) }); len(open) > 0 && rng.IntN(3) > 0 {
		r = open[rng.IntN(len(open))]
	}
	if r == nil || r.msg.gone {
		return
	}
	w.place(r, []verb{ack, reject, release}[rng.IntN(3)])
}

// place settles one record by place.
func (w *world) place(r *rec, v verb) {
	g := r.win.group
	w.tally.calls++
	w.tally.verbs++
	err := w.broker().SettleAt(w.ctx, g.name, r.at(), queueVerbs[v].Verb)
	if err != nil && !errors.Is(err, queue.ErrAlreadySettled) {
		w.failed("settle by place in "+g.name, err)
		if !refused(err) {
			states := slices.Clone(r.states)
			for _, s := range r.states {
				next, _ := s.byPlace(v, &g.rules)
				states = union(states, next)
			}
			w.change(r, states)
		}
		return
	}
	w.note("%v by place of %s/%d@%d in %s: %v", v, r.win.part.topic.name, r.win.part.index, r.offset, g.name, err)
	var states []state
	for _, s := range r.states {
		if next, refused := s.byPlace(v, &g.rules); refused == (err != nil) {
			states = union(states, next)
		}
	}
	if len(states) == 0 {
		w.violated("settle by place", "%v of %v in %s: %v; it is %v", v, r.at(), g.name, err, r.states)
		return
	}
	w.change(r, states)
	w.certain()
}

// lists maps states to those of the model: may a record in this state be listed, must it.
var lists = map[queue.RecordState]struct {
	may, must func(s *state, now int64) bool
}{
	queue.Available: {func(s *state, now int64) bool { return s.free(now) }, func(s *state, _ int64) bool { return s.phase == available }},
	queue.Leased:    {func(s *state, _ int64) bool { return s.phase == leased }, func(s *state, _ int64) bool { return s.phase == leased }},
	queue.Deferred:  {func(s *state, now int64) bool { return s.phase == deferred && s.until > now }, func(s *state, now int64) bool { return s.phase == deferred && s.at > now }},
}

// list reads the operators' lists of a group, and looks at one record.
func (w *world) list(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || w.armed || w.reading || w.now() < w.restless || w.unsure[g.name] {
		return
	}
	for _, t := range g.topics {
		w.trimmed(t)
	}
	w.outlive(g)
	now := w.now()
	for _, st := range []queue.RecordState{queue.Available, queue.Leased, queue.Deferred} {
		listed := map[*rec]bool{}
		for from := (queue.GroupPlace{}); ; {
			w.tally.calls++
			page, next, err := w.broker().GroupRecords(w.ctx, g.name, st, from, 1+rng.IntN(50))
			if err != nil {
				w.violated("lists", "%v records of %s: %v", st, g.name, err)
				return
			}
			for i := range page {
				e := &page[i]
				win := g.window(e.Topic, e.Partition)
				if win == nil || win.at(int(e.Offset)) == nil {
					w.violated("lists", "%s lists %v", g.name, e.Place)
					return
				}
				r := win.at(int(e.Offset))
				fits := r.may(func(s *state) bool {
					return lists[st].may(s, now) && int(s.failures)+1 == e.Attempt && (int(s.deliveries) == e.Deliveries || s.loose && int(s.deliveries) < e.Deliveries)
				})
				if !fits || listed[r] {
					w.violated("lists", "%s lists %+v in state %v, twice %v; it is %v", g.name, *e, st, listed[r], r.states)
				}
				listed[r] = true
			}
			if next == nil {
				break
			}
			from = *next
		}
		for _, win := range g.wins {
			for _, r := range win.recs {
				if !listed[r] && r.is(func(s *state) bool { return lists[st].must(s, now) }) {
					w.violated("lists", "%s does not list %v in state %v; it is %v", g.name, r.at(), st, r.states)
				}
			}
		}
	}
	if win := w.anyWin(g, rng); win != nil {
		w.why(g, win.at(len(win.part.log)-1-rng.IntN(len(win.part.log)-max(win.part.first, min(win.start, len(win.part.log)-1)))))
	}
}

// why checks what a record is said to wait for.
func (w *world) why(g *group, r *rec) {
	if r == nil || r.msg.gone {
		return
	}
	w.tally.calls++
	d, err := w.broker().GroupRecord(w.ctx, g.name, r.at())
	if err != nil {
		w.violated("why", "%v in %s: %v", r.at(), g.name, err)
		return
	}
	now := w.now()
	may := func(f func(*state) bool) bool { return r.may(f) }
	ok := false
	switch d.Why.Code {
	case share.WaitsNothing:
		ok = may(func(s *state) bool { return s.free(now) })
	case share.WaitsLease:
		ok = may(func(s *state) bool { return s.phase == leased || s.phase == dying })
	case share.WaitsBackoff:
		ok = may(func(s *state) bool { return s.phase == deferred && s.until > now })
	case share.WaitsKey:
		ok = r.msg.keyed && (g.config.Ordering == "key" || g.config.KeyConcurrency > 0)
	case share.WaitsRate:
		ok = g.config.RatePerSecond > 0
	case share.WaitsPaused:
		ok = g.config.Paused
	case share.WaitsInflight:
		ok = g.config.MaxInflight < 10_000
	case share.IsSettled:
		ok = may(isSettled)
	}
	if !ok || len(d.History) > 10 {
		w.violated("why", "%v in %s waits for %+v, with %d attempts; it is %v", r.at(), g.name, d.Why, len(d.History), r.states)
	}
}

// reset moves a group, or says what it would do.
func (w *world) reset(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || w.armed || w.reading || w.now() < w.restless || len(g.wins) == 0 || w.unsure[g.name] {
		return
	}
	req, want := w.anyTarget(rng)
	for _, t := range g.topics {
		w.trimmed(t)
	}
	dying := slices.ContainsFunc(g.live, func(r *rec) bool { return r.may(isDying) })
	w.tally.calls++
	moves, err := w.broker().Reset(w.ctx, g.name, req)
	if err != nil {
		w.failed("reset "+g.name, err)
		return
	}
	w.note("reset %s to %+v, dry %v: %v", g.name, req.To, req.DryRun, moves)
	if len(moves) != len(g.wins) {
		w.violated("reset", "%s: %d moves, it reads %d partitions", g.name, len(moves), len(g.wins))
		return
	}
	if dying { // else letters are of what came again, and died at once
		w.happen(w.readLetters())
	}
	for _, m := range moves {
		win := g.window(m.Topic, m.Partition)
		if win == nil {
			w.violated("reset", "%s is moved on %s/%d, which it does not read", g.name, m.Topic, m.Partition)
			return
		}
		w.target(g.name, win.part, &req, want, m)
		if !req.DryRun {
			w.moved(win, int(m.To))
		}
	}
	w.certain()
}

// anyTarget is where a group is to go: want says which offset of a partition that is.
func (w *world) anyTarget(rng *rand.Rand) (req queue.ResetRequest, want func(*part) int) {
	req = queue.ResetRequest{DryRun: rng.IntN(3) == 0}
	want = func(p *part) int { return 0 }
	switch rng.IntN(4) {
	case 0:
		req.To.Earliest = true
	case 1:
		req.To.Latest = true
		want = func(p *part) int { return len(p.log) }
	case 2:
		req.To.Offset = queue.Offset(rng.IntN(60))
		want = func(*part) int { return int(req.To.Offset) }
	case 3:
		at := w.wall() - int64(rng.IntN(60_000))
		req.To.Time = time.UnixMilli(at)
		want = func(p *part) int { return p.since(at) }
	}
	return req, want
}

// target checks where a reset goes on one partition.
func (w *world) target(name string, p *part, req *queue.ResetRequest, want func(*part) int, m queue.ResetMove) {
	to := min(max(want(p), p.first), len(p.log))
	for !req.To.Time.IsZero() && to > int(m.To) && p.log[to-1].gone { // a place in the hole before it will do
		to--
	}
	if int(m.To) != to {
		w.violated("reset", "%s on %s/%d goes to %d, want %d", name, m.Topic, m.Partition, m.To, to)
	}
}

// moved begins a window anew.
func (w *world) moved(win *win, to int) {
	g := win.group
	win.epoch++
	for i := win.start - 1; i >= to; i-- { // it began later than it goes now
		win.recs = slices.Insert(win.recs, 0, &rec{win: win, offset: i, msg: win.part.log[i], states: []state{begin(win.part.log[i])}})
		win.start = i
	}
	for _, r := range win.recs {
		switch {
		case r.offset >= to:
			if fresh := begin(r.msg); !r.is(func(s *state) bool { return *s == fresh }) {
				w.change(r, []state{fresh})
			}
			r.lives = 0
		case !r.is(isSettled):
			w.change(r, only(append(each(r.states, func(s state) state {
				if s.back > 0 && s.phase != settled { // it stays, its lease lost
					if s.phase == leased {
						s.phase, s.ended = available, placed
					}
					return s
				}
				if s.phase != settled {
					s.phase, s.outcome = settled, none
				}
				return s
			}), state{}), goes))
		}
		r.before, r.freed = nil, r.freed && r.offset < to
	}
	for at, l := range g.letters {
		if at.part == win.part && at.offset >= to && l.state != letter.Purged {
			l.state = letter.Purged // for whoever still knows it
			delete(g.letters, at)
		}
	}
	g.live = slices.DeleteFunc(g.live, func(r *rec) bool {
		fresh := r.win == win && r.is(isFresh)
		r.listed = r.listed && !fresh
		return fresh
	})
	g.ttls = slices.DeleteFunc(g.ttls, func(r *rec) bool { return r.win == win })
	clear(win.keys)
	for _, r := range win.recs {
		if r.msg.ttl > 0 && !r.is(isSettled) {
			g.ttls = append(g.ttls, r)
		}
		if r.msg.keyed {
			win.keys[r.msg.key] = append(win.keys[r.msg.key], r)
		}
	}
}
