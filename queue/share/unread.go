package share

import (
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Records that a window comes to and that cannot be read, because their batch is damaged, do not stop it there: it takes in their offsets, of which it knows no
// more, and hands out none. Those that it has already, and that turn out to be damaged when they are handed out, are as they. After a minute they are read once more.
// What can be read then is available as any other record; the rest is given up.

// maxUnread is how many offsets of a damaged batch are taken in under one hold of the group's lock.
const maxUnread = 10 * lease.MaxOffer

// takeUnread takes damage at a window's end in; the lock is held.
func (g *Group) takeUnread(w *window, d *store.Damage) {
	end := min(d.Last+1, w.durableEnd())
	from, before := record.Offset(w.machine.End()), w.machine.Counts().Unread
	due := g.env.Clock.Now() + damagedMillis
	for at := from; at < min(end, from+maxUnread) && !w.machine.Full(); at = record.Offset(w.machine.End()) {
		if past := min(w.part.PastGap(at), end); past > at { // there was nothing to be read
			if w.machine.SkipTo(lease.Offset(past)); w.machine.End() > lease.Offset(at) {
				continue
			}
		}
		w.machine.OfferUnread(lease.Offset(at), int(min(end-at, lease.MaxOffer)), due)
	}
	if n := w.machine.Counts().Unread - before; n > 0 {
		g.counters.Unread += uint64(n)
		g.env.Logger.Error("records cannot be read; they are passed over, and given up in a minute", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index,
			"offset", from, "records", n, "error", d)
	}
	g.rereadBehind(w)
}

// losses gathers what of a parcel damage takes.
type losses struct {
	g      *Group
	on     *window
	damage *store.Damage // met on it last; nil = none
	lost   []*grant      // to that
}

// known takes a grant that the damage met last takes, too, without reading it again.
func (l *losses) known(gr *grant) bool {
	if l.damage == nil || l.on != gr.window || gr.Redriven || !l.damage.Takes(record.Offset(gr.Offset)) {
		return false
	}
	l.lost = append(l.lost, gr)
	return true
}

// met takes a grant whose body cannot be read, if that is for damage whose extent is known.
func (l *losses) met(gr *grant, err error) bool {
	d, known := store.DamageAt(err, record.Offset(gr.Offset))
	if !known || gr.Redriven {
		return false
	}
	l.passOver()
	l.on, l.damage, l.lost = gr.window, d, []*grant{gr}
	return true
}

// passOver ends what was gathered.
func (l *losses) passOver() {
	if len(l.lost) > 0 {
		l.g.passOver(l.on, l.lost, l.damage)
	}
	l.lost = nil
}

// passOver has records wait that were handed out and turned out to be damaged, and what else is available of their batch, uncounted.
func (g *Group) passOver(w *window, lost []*grant, d *store.Damage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.closed {
		return
	}
	before, due := w.machine.Counts().Unread, g.env.Clock.Now()+damagedMillis
	for _, gr := range lost {
		if v := w.machine.View(gr.Offset); v.State == lease.Leased && uint32(v.Deliveries) == gr.Delivery && w.machine.Epoch() == gr.Epoch {
			w.machine.Unread(gr.Offset, due)
			w.settled()
		}
	}
	others, _, _ := w.machine.Views(lease.Offset(d.From), lease.Available, maxUnread, maxUnread, nil)
	for _, v := range others {
		if d.Takes(record.Offset(v.Offset)) && !v.Redriven {
			w.machine.Unread(v.Offset, due)
			w.settled()
		}
	}
	n := w.machine.Counts().Unread - before
	if n == 0 {
		return
	}
	g.counters.Unread += uint64(n)
	g.env.Logger.Error("records cannot be read; they are passed over, and given up in a minute", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index,
		"offset", d.From, "records", n, "error", d)
	g.free(w, g.journal(w))
	g.rereadBehind(w)
	g.serve()
}

// rereadBehind reads a window's unread records again when it is time, in the background; the lock is held.
func (g *Group) rereadBehind(w *window) {
	if w.rereads || w.machine.Counts().Unread == 0 || g.ending || w.closed {
		return
	}
	w.rereads = true
	g.background("unread records of "+w.name, func() { g.rereadAll(w) })
}

// rereadAll goes through a window's unread records again and again, until there are none.
func (g *Group) rereadAll(w *window) {
	for g.unreadLeft(w) {
		wait, err := g.rereadDue(w)
		if err != nil {
			g.env.Logger.Error("records that could not be read are not given up yet; trying again", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index, "error", err)
		}
		if !g.pause(w, max(wait, restMillis)) {
			return
		}
	}
}

// rereadDue reads those again that are due, and returns when more are (ms from now).
func (g *Group) rereadDue(w *window) (wait int64, err error) {
	wait = damagedMillis
	for at := record.Offset(0); ; {
		some := g.views(w, lease.Unread, at, maxBuryRecords)
		if len(some) == 0 {
			return wait, nil
		}
		now := g.env.Clock.Now()
		for _, v := range some {
			if at = record.Offset(v.Offset) + 1; v.Due <= now || v.Due > now+damagedMillis { // the clock was set back while the server was down
				at, err = g.rereadAt(w, record.Offset(v.Offset))
				break
			}
			wait = min(wait, v.Due-now)
		}
		if err != nil {
			return 0, err
		}
	}
}

// unreadLeft tells whether a window has unread records that are to be read again; else the work on it ends.
func (g *Group) unreadLeft(w *window) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.rereads = w.machine.Counts().Unread > 0 && !w.closed && !g.closed && !g.ending
	return w.rereads
}

// pause waits, and returns false if the group closes before.
func (g *Group) pause(w *window, ms int64) bool {
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		g.env.Committer.Turn(g.name, "unread records of", w.name)
		return true
	case <-g.ctx.Done():
		return false
	}
}

// rereadAt reads unread records again, the first of which is at an offset, and returns where to go on.
func (g *Group) rereadAt(w *window, at record.Offset) (next record.Offset, err error) {
	again, err := readAhead(g.ctx, w.part, at)
	if err != nil {
		return at, err
	}
	next = again.first + record.Offset(len(again.recs))
	g.readable(w, at, again)
	if d := again.damage; d != nil && again.first == d.From {
		next = d.Last + 1
		err = g.giveUpUnread(w, d)
	}
	return max(next, at+1), err
}

// readable has unread records from an offset on be as any other: what lies before the first that is found is holes.
func (g *Group) readable(w *window, at record.Offset, f found) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.closed {
		return
	}
	for holes := g.unreadIn(w, at, f.first-1); len(holes) > 0; holes = g.unreadIn(w, at, f.first-1) {
		for _, v := range holes {
			w.machine.Found(v.Offset, lease.Offered{Gone: true})
			w.settled()
		}
	}
	for i, o := range f.recs {
		w.machine.Found(lease.Offset(f.first)+lease.Offset(i), o)
		w.settled()
	}
	g.free(w, g.journal(w))
	g.serve()
}

// unreadIn lists some unread records of [from, last]; the lock is held.
func (g *Group) unreadIn(w *window, from, last record.Offset) []lease.View {
	if from > last {
		return nil
	}
	some, _, _ := w.machine.Views(lease.Offset(from), lease.Unread, maxBuryRecords, maxUnread, nil)
	for i, v := range some {
		if record.Offset(v.Offset) > last {
			return some[:i]
		}
	}
	return some
}

// giveUpUnread gives up the unread records that damage takes: dead letters say where they were, or they are dropped.
func (g *Group) giveUpUnread(w *window, d *store.Damage) error {
	dead, dropped := 0, 0
	defer func() {
		if dead+dropped > 0 {
			g.env.Logger.Error("records are given up, as they cannot be read", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index,
				"offset", d.From, "dead_lettered", dead, "dropped", dropped, "error", d)
		}
	}()
	for {
		if !g.turnToBury(g.ctx, w) {
			return g.ctx.Err()
		}
		deaths, gone := g.rejectUnread(w, d)
		err := g.buryUnread(w, deaths)
		g.endTurn(w)
		dead, dropped = dead+len(deaths), dropped+gone
		if err == nil {
			err = g.env.Committer.Wait(g.ctx, g.env.Committer.Last()) // letters come no faster than they are written
		}
		if len(deaths)+gone == 0 || err != nil {
			return err
		}
	}
}

// rejectUnread rejects some of the unread records that damage takes, and returns those that are dying of it; gone is how many were dropped.
func (g *Group) rejectUnread(w *window, d *store.Damage) (deaths []lease.Death, gone int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.closed || g.closed || g.ending {
		return nil, 0
	}
	now := g.now()
	for _, v := range g.unreadIn(w, d.From, d.Last) {
		r := w.machine.SettleAt(now, v.Offset, lease.Reject)
		w.settled()
		if r.Dropped {
			gone++
		} else if death, dying := w.machine.DyingAt(v.Offset); dying {
			deaths = append(deaths, death)
		}
	}
	g.free(w, g.journal(w))
	g.serve()
	return deaths, gone
}

// buryUnread buries records that are known to be damaged, in its turn. Those for which there can be no letter now are for the background.
func (g *Group) buryUnread(w *window, deaths []lease.Death) error {
	without := func(lease.Offset, error) bool { return true }
	var err error
	for len(deaths) > 0 && err == nil {
		deaths, err = g.bury(g.ctx, w, deaths, without)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buryBehind(w)
	return err
}
