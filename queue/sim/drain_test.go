package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// drain heals everything, settles every record of every group, and counts: published = acked + dead + dropped.
func (w *world) drain() {
	if w.armed {
		w.reopen(true, 0, nil)
	}
	w.stopJobs()
	w.rightClock()
	w.endDelays()
	for _, g := range w.all() {
		w.changeGroup(g, func(c *queue.GroupChange) {
			c.Config.Paused, c.Config.RatePerSecond, c.Config.MaxInflight, c.Config.KeyConcurrency, c.Config.MaxAttempts = false, 0, 10_000, 0, 0
			if !g.holding {
				c.Config.OnDead = catalog.OnDeadSkip
			}
		})
	}
	w.rest()
	for _, g := range w.all() {
		w.drainGroup(g)
		w.redriveAll(g)
		w.drainGroup(g)
	}
	for _, s := range w.allStreams() {
		w.redefine(s.name, func(c *queue.GroupChange) { c.Config.Paused = false }, w.streamIs)
		w.drainStream(s)
	}
	w.check()
	for _, g := range w.all() {
		for _, win := range g.wins {
			for _, r := range win.recs {
				if !r.may(isSettled) {
					w.violated("I7 conservation", "at rest %s/%d at %d is %v in %s", win.part.topic.name, win.part.index, r.offset, r.states, g.name)
				}
			}
		}
	}
	w.readLogs()
}

// drainGroup acks everything there is until nothing is left; every record comes within the longest lease, backoff or delay.
func (w *world) drainGroup(g *group) {
	for began := w.now(); w.now() < began+3*60_000; {
		if w.err != nil {
			return
		}
		info, err := w.broker().Group(w.ctx, g.name)
		if err != nil || info.Totals.Lag == 0 {
			return
		}
		if g.holding { // keys go on when the letters that hold them are purged
			w.purgeChosen(g, dlq.Choice{All: true, Filter: letter.Filter{State: letter.Open}}, g.opened())
		}
		ds := w.leaseNow(g, queue.LeaseRequest{Max: 1000, Member: "drain"})
		if len(ds) > 0 && w.err == nil {
			var acts []act
			for _, h := range g.hands[len(g.hands)-min(len(ds), len(g.hands)):] {
				acts = append(acts, act{hand: h, verb: ack})
			}
			w.settleAll(g, acts, rand.New(rand.NewPCG(1, 1)))
		} else {
			w.releaseLong(g)
			w.wait(time.Second)
		}
		w.rest()
	}
	w.violated("I16 progress", "%s is not drained after three minutes", g.name)
}

// releaseLong makes what may be deferred for long available, because the wall clock was set back.
func (w *world) releaseLong(g *group) {
	for _, r := range slices.Clone(g.live) {
		if (!r.msg.gone || r.is(func(s *state) bool { return s.back > 0 })) && r.may(func(s *state) bool { return s.phase == deferred && s.until > w.now()+60_000 }) {
			w.place(r, release)
		}
	}
}

// gather has the members whose clients live give up what they are to, and the others leave: then none has two more than another one that could have one of them.
func (w *world) gather(s *stream) {
	for _, m := range slices.Clone(s.members) {
		if m.standing == present && m.silent {
			w.leaveNow(m, m.epoch)
		}
	}
	load := map[*member]int{}
	for range 3 { // told, given up, given
		for _, m := range s.members {
			if m.standing == present {
				list, named := m.owns()
				a, err := w.broker().Heartbeat(w.ctx, s.name, m.name, m.epoch, list)
				w.beaten(m, named, a, err)
				m.take(&a, false)
				load[m] = len(a.Assignment)
			}
		}
	}
	for _, c := range s.cursors {
		for _, m := range s.members {
			if _, is := load[m]; !is {
				continue
			}
			if has := s.owner(c); has != nil && m.reads(c.part.topic) && load[has] > load[m]+1 {
				w.violated("balance", "%v has %d partitions, %v among them, which %v wants, who has %d", has, load[has], c, m, load[m])
			}
		}
	}
}

// drainStream has a new member read everything that is left: the sessions of the others run out.
func (w *world) drainStream(s *stream) {
	w.turns.rest() // some of those that wait may just get something
	for _, p := range w.polls {
		p.cancel()
	}
	w.rest()
	if len(s.cursors) == 0 {
		return
	}
	w.gather(s)
	req := queue.JoinRequest{Member: "drain", Session: time.Minute}
	j, _, err := w.broker().Join(w.ctx, s.name, req)
	if err != nil {
		w.violated("I16 progress", "join %s: %v", s.name, err)
		return
	}
	w.joined(s, &req, j, nil)
	m := s.present("drain")
	for began := w.now(); w.now() < began+3*60_000 && w.err == nil; {
		p := &poll{member: m, req: queue.PollRequest{Member: m.name, Epoch: m.epoch, Max: 500}}
		p.req.Owned, p.named = m.owns()
		w.send(p)
		list := []queue.Committed{}
		for _, o := range p.req.Owned {
			list = append(list, queue.Committed{Place: o.Place, Offset: queue.Offset(m.owned[s.cursor(o.Place)])})
		}
		w.commitNow(m, list)
		if r := w.roll(s); r != nil && r.Totals.Lag == 0 && len(m.owned) == len(s.cursors) {
			return
		}
		w.wait(time.Second)
		w.rest()
	}
	if w.err == nil {
		w.violated("I16 progress", "%s is not drained after three minutes", s.name)
	}
}
