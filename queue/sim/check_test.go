package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
)

// letterbox is what was read of a group's dead-letter topic.
type letterbox struct {
	id   string // of the topic's incarnation
	next queue.Offset
}

// event is something that happened while a step was carried out.
type event struct {
	at   int64
	note func()
}

// readLetters reads the dead letters that were written since the last time. Each has an origin that was given up, and comes once.
func (w *world) readLetters() []event {
	var out []event
	for _, g := range w.all() {
		for _, l := range w.lettersOf(g) {
			out = append(out, event{w.diedAt(&l), func() { w.letter(g, &l) }})
		}
	}
	return out
}

func (w *world) lettersOf(g *group) (out []queue.Record) {
	box := w.letters[g.name]
	if box == nil {
		info, err := w.broker().Topic(w.ctx, g.name+".dlq")
		if errors.Is(err, queue.ErrTopicNotFound) {
			return nil
		}
		box = &letterbox{id: incarnation(info.Tag)}
		w.letters[g.name] = box
	}
	for w.err == nil {
		res, err := w.b.Read(w.ctx, queue.ReadRequest{Topic: g.name + ".dlq", From: queue.Position{Offset: box.next}, Max: 500})
		if err != nil && !w.reading {
			w.violated("I8 dead letter once", "read letters of %s: %v", g.name, err)
		}
		if err != nil || len(res.Records) == 0 {
			return out
		}
		out = append(out, res.Records...)
		box.next = res.Next
	}
	return out
}

// diedAt is when a letter was written, by the time that passes.
func (w *world) diedAt(l *queue.Record) int64 {
	for _, h := range l.Headers {
		if at, err := time.Parse(time.RFC3339Nano, string(h.Value)); h.Name == letter.HeaderAt && err == nil {
			return w.passed(at.UnixMilli())
		}
	}
	return w.passed(l.Timestamp.UnixMilli())
}

// letter checks one dead letter.
func (w *world) letter(g *group, l *queue.Record) {
	w.tally.letters++
	head := map[string]string{}
	plain := *l
	plain.Headers = nil
	for _, h := range l.Headers {
		if _, twice := head[h.Name]; twice {
			w.violated("I8 dead letter once", "header %s twice", h.Name)
		}
		head[h.Name] = string(h.Value)
		if len(h.Name) < len(letter.Prefix) || h.Name[:len(letter.Prefix)] != letter.Prefix {
			plain.Headers = append(plain.Headers, h)
		}
	}
	if w.unsure[g.name] && g.window(head[letter.HeaderTopic], atoi(head[letter.HeaderPartition])) == nil { // attached, as far as one knows
		w.late = append(w.late, func() { w.letter(g, l) })
		w.tally.letters--
		return
	}
	index, err1 := strconv.Atoi(head[letter.HeaderPartition])
	offset, err2 := strconv.Atoi(head[letter.HeaderOffset])
	win := g.window(head[letter.HeaderTopic], index)
	if err1 != nil || err2 != nil || head[letter.HeaderGroup] != g.name || win == nil || win.at(offset) == nil {
		w.violated("I8 dead letter once", "a letter of %s without an origin: %v", g.name, head)
		return
	}
	r := win.at(offset)
	plain.Timestamp = time.UnixMilli(r.msg.at)
	attempts, _ := strconv.Atoi(head[letter.HeaderAttempts])
	given := union(slices.Clone(r.states), r.before...) // a fault may strike: what was given up may be known to the model as the step before
	fits := only(each(given, func(s state) state { return w.doomed(r, s) }), func(s *state) bool {
		m := *w.body(r.msg, s)
		m.at = r.msg.at
		return s.phase == dying && int(s.failures) == attempts && s.reason == head[letter.HeaderReason] && s.back >= r.lives && m.holds(&plain)
	})
	if len(fits) == 0 {
		w.violated("I8 dead letter once", "%s/%d at %d has a letter %v; it is %v; letters before: %d", win.part.topic.name, index, offset, head, r.states, r.lives)
		return
	}
	w.note("letter of %s: %s/%d@%d", g.name, win.part.topic.name, index, offset)
	byPlace := head[letter.HeaderReason] == reasonRejected && fits[0].ended != running // perhaps nobody held it when an operator rejected it
	if head[letter.HeaderMember] == "" && !byPlace && head[letter.HeaderReason] != reasonTTL && fits[0].life == w.life && fits[0].hand > 0 && r.is(isDying) && w.sharp() {
		w.violated("I8 dead letter once", "%s/%d at %d has a letter without a member: %v", win.part.topic.name, index, offset, head)
	}
	w.change(r, each(fits, func(s state) state {
		s.phase, s.outcome = settled, dead
		return s
	}))
	r.before = nil // the letter is durable, and so is the end of the record
	r.lives, r.freed = r.states[0].back+1, false
	w.opens(g, r, l.Offset)
	w.touched = slices.DeleteFunc(w.touched, func(o *rec) bool { return o == r })
}

// opens notes that a letter of a record is open (again).
func (w *world) opens(g *group, r *rec, pos queue.Offset) {
	at := origin{r.win.part, r.offset}
	l := g.letters[at]
	if l == nil {
		l = &deadLetter{at: at, msg: r.msg}
		g.letters[at] = l
	}
	if back := r.states[0].back; back == l.redrives+1 { // by a job or an unknown call, and it died again at once
		if j := w.jobOver(g, l); j != nil || l.maybe {
			l.redrives++
			w.tally.redrives++
			if j != nil {
				j.seen++
				j.turned(l)
			}
		}
	}
	l.pos, l.state, l.was = pos, letter.Open, slices.Clone(r.states)
	for _, a := range w.afresh {
		if a.at == at && !a.found {
			a.msg = w.copyOf(l)
		}
	}
	w.widen()
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// sharp says that no fault blurs what the group remembers of a record's attempts.
func (w *world) sharp() bool { return !w.armed && w.now() >= w.restless && !w.reading }

// doomed gives a record up that is over its time to live, which the group may have found on its own.
func (w *world) doomed(r *rec, s state) state {
	if dies := w.over(r.msg); dies != 0 && dies <= w.now() && s.free(w.now()) && s.back == 0 {
		s.die(&r.win.group.rules, reasonTTL)
	}
	return s
}

// noDying checks that what was given up has its letter.
func (w *world) noDying() {
	for _, g := range w.all() {
		for _, r := range g.live {
			if !r.may(isDying) {
				continue
			}
			rest := only(r.states, func(s *state) bool { return s.phase != dying })
			if len(rest) == 0 {
				w.violated("I8 dead letter once", "%s/%d at %d was given up in %s and has no letter: %v", r.win.part.topic.name, r.win.part.index, r.offset, g.name, r.states)
				return
			}
			w.change(r, rest)
		}
		g.tidy()
	}
}

// deleteLetters deletes a group's dead-letter topic.
func (w *world) deleteLetters(name string, rng *rand.Rand) {
	g := w.groups[name]
	if g == nil || w.letters[name] == nil || w.armed {
		return
	}
	w.tally.calls++
	force := rng.IntN(2) == 0
	err := w.broker().DeleteTopic(w.ctx, name+".dlq", force, queue.Condition{})
	needed := 0
	for _, l := range g.letters {
		if r := l.rec(g); l.state == letter.Open || l.state == letter.Redriven && r != nil && r.may(func(s *state) bool { return s.back > 0 && s.phase != settled }) {
			needed++
		}
	}
	if err != nil {
		w.failed("delete the letters of "+name, err)
		if !errors.Is(err, queue.ErrTopicInUse) || force || needed == 0 {
			w.violated("definitions", "delete the letters of %s, %d needed, force %v: %v", name, needed, force, err)
		}
		return
	}
	delete(w.letters, name)
	for _, l := range g.inOrder() {
		was, r := l.state, l.rec(g)
		l.state = letter.Purged // for whoever still knows it
		if r == nil {
			continue
		}
		r.freed = true
		lost := each(r.states, func(s state) state { // what was redriven from there is given up
			if s.back > 0 && s.phase != settled && was == letter.Redriven {
				s.phase, s.outcome = settled, dropped
			}
			return s
		})
		if !r.is(isSettled) {
			w.change(r, lost)
		}
	}
	clear(g.letters)
}

// span is a count that is known to lie between two bounds.
type span struct{ lo, hi int64 }

func (s *span) add(r *rec, f func(*state) bool) {
	if r.may(f) {
		s.hi++
		if r.is(f) {
			s.lo++
		}
	}
}

func (s span) holds(n int64) bool { return s.lo <= n && n <= s.hi }

// counts are what a group's description must say of one partition. A record that was rejected by its place before the group reached it, at end, counts as available until
// its letter is written.
type counts struct{ lag, leased, deferred span }

func (w *win) counts(now int64, end int) counts {
	var c counts
	for _, r := range w.recs {
		c.lag.add(r, func(s *state) bool { return s.phase != settled })
		if r.offset >= end && r.may(isDying) {
			c.leased.hi++
		} else {
			c.leased.add(r, func(s *state) bool { return s.phase == leased || s.phase == dying })
		}
		if r.is(func(s *state) bool { return s.phase == deferred && s.at > now }) {
			c.deferred.lo++
		}
		if r.may(func(s *state) bool { return s.phase == deferred && s.until > now }) {
			c.deferred.hi++
		}
	}
	return c
}

// open describes the records that are not known to be settled or untouched.
func (w *win) open() (out []string) {
	for _, r := range w.recs {
		if r.msg.ttl > 0 || !r.is(isSettled) && !r.is(isFresh) {
			out = append(out, fmt.Sprintf("%d, dies %d: %v", r.offset, r.msg.dies(), r.states))
		}
	}
	return out
}

// check compares all groups' descriptions with the model.
func (w *world) check() {
	if w.armed || w.reading || w.broken() {
		return
	}
	w.tally.checks++
	if w.now() >= w.restless {
		w.punctual()
	}
	for _, name := range topicNames {
		if t := w.topics[name]; t != nil {
			w.trimmed(t)
		}
	}
	for _, g := range w.all() {
		w.outlive(g)
		w.checkGroup(g)
	}
	for _, s := range w.allStreams() {
		w.checkStream(s)
	}
}

func (w *world) checkGroup(g *group) {
	w.tally.calls++
	info, err := w.broker().Group(w.ctx, g.name)
	if err != nil {
		w.violated("I7 conservation", "describe %s: %v", g.name, err)
		return
	}
	if len(info.Partitions) != len(g.wins) {
		w.violated("I7 conservation", "%s reads %d partitions, want %d", g.name, len(info.Partitions), len(g.wins))
	}
	var sum queue.GroupTotals
	for _, p := range info.Partitions {
		win := g.window(p.Topic, p.Partition)
		if win == nil {
			w.violated("I7 conservation", "%s reads %s/%d", g.name, p.Topic, p.Partition)
			return
		}
		c := win.counts(w.now(), int(p.End))
		if p.Lag != p.Available+p.Leased+p.Deferred || !c.lag.holds(p.Lag) || !c.leased.holds(p.Leased) || !c.deferred.holds(p.Deferred) || int(p.LogEnd) != len(win.part.log) ||
			p.Start > p.End || p.End > p.LogEnd || int(p.Start) < win.start {
			w.violated("I7 conservation", "%s on %s/%d is %+v; lag must be in %v, leased in %v, deferred in %v, the log's end %d; its records: %v", g.name, p.Topic, p.Partition, p, c.lag, c.leased, c.deferred, len(win.part.log), win.open())
		}
		for _, r := range win.recs[:min(len(win.recs), max(0, int(p.Start)-win.start))] {
			if !r.may(goes) {
				w.violated("I7 conservation", "%s on %s/%d starts at %d, and %d is %v", g.name, p.Topic, p.Partition, p.Start, r.offset, r.states)
			}
		}
		sum.Lag += p.Lag
		sum.Available += p.Available
		sum.Leased += p.Leased
		sum.Deferred += p.Deferred
	}
	sum.DeadLetters = int64(len(g.opened()))
	if info.Totals != sum {
		w.violated("I7 conservation", "%s totals %+v, want %+v", g.name, info.Totals, sum)
	}
	if brief, err := w.b.GroupSummary(w.ctx, g.name); err != nil || brief.Totals != sum {
		w.violated("I7 conservation", "%s summary %+v, %v, want %+v", g.name, brief.Totals, err, sum)
	}
}
