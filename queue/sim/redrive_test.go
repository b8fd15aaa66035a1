package sim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/redrive"
)

// deadLetter is a letter as it must be.
type deadLetter struct {
	at       origin
	msg      *msg
	id       string // "" = not seen in a list yet
	pos      queue.Offset
	state    letter.State
	redrives int32
	was      []state  // those its record may have died in
	maybe    bool     // an unknown call may have redriven or purged it
	req      *request // of such a call, the publish that goes with it
}

// origin is the place of a record that died: a letter's identity.
type origin struct {
	part   *part
	offset int
}

// body is what a hand-out or a letter of a record holds in a state: the record as it was published, or as it was edited.
func (w *world) body(m *msg, s *state) *msg {
	if s.edit == 0 {
		return m
	}
	return w.edits[s.edit-1]
}

// rec returns the record that died, in the window that is there; nil = its topic is not attached.
func (l *deadLetter) rec(g *group) *rec {
	for _, win := range g.wins {
		if win.part == l.at.part {
			win.reach(l.at.offset)
			return win.at(l.at.offset)
		}
	}
	return nil
}

// reach lets a window begin earlier: what was before it counts as settled.
func (w *win) reach(offset int) {
	for i := w.start - 1; i >= offset; i-- {
		w.recs = slices.Insert(w.recs, 0, &rec{win: w, offset: i, msg: w.part.log[i], states: []state{{phase: settled}}})
		w.start = i
	}
}

// requeue puts a record back among those of its key.
func (w *win) requeue(r *rec) {
	if !r.msg.keyed {
		return
	}
	all := w.keys[r.msg.key]
	i, there := slices.BinarySearchFunc(all, r.offset, func(o *rec, at int) int { return cmp.Compare(o.offset, at) })
	if !there {
		w.keys[r.msg.key] = slices.Insert(all, i, r)
	}
}

// redriven returns the states that a redrive makes of those a record may be in: a new life at the first attempt, whose receipts of before are lost.
func (w *world) redriven(l *deadLetter, r *rec, delay int64, edit int32) (out []state) {
	for _, s := range r.states {
		for _, was := range l.was {
			n := state{phase: available, ended: placed, life: w.life, deliveries: was.deliveries, back: l.redrives + 1, edit: cmp.Or(edit, was.edit)}
			if s.phase != settled {
				n.deliveries = max(n.deliveries, s.deliveries)
			}
			n.loose = s.phase == settled && s.outcome != dead
			if delay > 0 {
				n.phase, n.at, n.until = deferred, w.now()+delay, w.now()+delay
			}
			out = union(out, n)
		}
	}
	return out
}

// inOrder returns a group's letters in order of death, as far as they are known.
func (g *group) inOrder() []*deadLetter {
	return slices.SortedFunc(maps.Values(g.letters), func(a, b *deadLetter) int { return cmp.Compare(a.pos, b.pos) })
}

// opened returns those that are open.
func (g *group) opened() []*deadLetter {
	return slices.DeleteFunc(g.inOrder(), func(l *deadLetter) bool { return l.state != letter.Open })
}

// job is a redrive at work.
type job struct {
	id      string
	group   *group
	covers  []origin // those that have not had their turn; a record that comes again after a reset, and dies, has its old letter's name
	toTopic bool
	fuzzy   bool // an unknown call may have had letters of it
	seen    int  // letters it is known to have redriven
}

// afresh is a record that a job may publish again.
type afresh struct {
	topic string
	at    origin
	msg   *msg
	found bool
}

// again does something with dead letters: one of them, or many, is redriven or purged.
func (w *world) again(rng *rand.Rand) {
	g := w.anyGroup(rng)
	if g == nil || w.reading || w.broken() || w.now() < w.restless || w.unsure[g.name] || len(g.letters) == 0 {
		return
	}
	if !w.armed {
		w.readList(g)
	}
	open := slices.DeleteFunc(g.opened(), func(l *deadLetter) bool { return l.id == "" || l.maybe })
	if len(open) == 0 || w.err != nil {
		return
	}
	l := open[rng.IntN(len(open))]
	switch rng.IntN(10) {
	case 0, 1, 2:
		w.redriveOne(g, l, rng)
	case 3, 4:
		w.redriveToTopic(g, l, rng)
	case 5:
		w.purge(g, open, rng)
	default:
		w.startJob(g, open, rng)
	}
}

// refusedLetter says that a call about a letter changed nothing.
func refusedLetter(err error) bool {
	return errors.Is(err, dlq.ErrLetterNotFound) || errors.Is(err, queue.ErrUnavailable) || refused(err)
}

// redriveOne delivers a letter to its group again.
func (w *world) redriveOne(g *group, l *deadLetter, rng *rand.Rand) {
	r, edit, how := l.rec(g), int32(0), dlq.Edit{Delay: time.Duration(rng.IntN(3)*rng.IntN(4000)) * time.Millisecond}
	if rng.IntN(3) == 0 && l.msg.uid >= 0 {
		m := *l.msg
		m.body, m.ttl, m.head, m.edited = fmt.Appendf(nil, "%d/%s/edit %d", m.uid, m.key, len(w.edits)), 0, []record.Header{{Name: "edit", Value: []byte(strconv.Itoa(len(w.edits)))}}, true
		w.edits = append(w.edits, &m)
		edit = int32(len(w.edits))
		how.SetValue, how.Value, how.SetHeaders, how.Headers = true, m.body, true, m.head
	}
	w.tally.calls++
	out, err := w.desk().Redrive(w.ctx, g.name, l.id, how)
	w.note("redrive of letter %s of %s, %s/%d@%d, delay %v, edit %d: %v", l.id, g.name, l.at.part.topic.name, l.at.part.index, l.at.offset, how.Delay, edit, err)
	switch {
	case err == nil:
		w.tally.redrives++
		if l.redrives++; out.Redrives != int(l.redrives) || r == nil {
			w.violated("I8 dead letter once", "letter %s of %s was redriven %d times, it says %d; its record is %+v", l.id, g.name, l.redrives, out.Redrives, r)
			return
		}
		l.redrives--
		next := w.redriven(l, r, how.Delay.Milliseconds(), edit)
		l.redrives++
		l.state, r.freed = letter.Redriven, false
		w.change(r, next)
		r.win.requeue(r)
		w.certain()
	case errors.Is(err, queue.ErrTopicNotFound):
		if r != nil {
			w.violated("I8 dead letter once", "letter %s of %s: %v; its topic is attached", l.id, g.name, err)
		}
	case errors.Is(err, dlq.ErrLetterNotFound) && !w.isCovered(l):
		w.violated("I8 dead letter once", "letter %s of %s: %v; it is open", l.id, g.name, err)
	case !refusedLetter(err):
		w.failed("redrive in "+g.name, err)
		w.doubt(l)
		if r != nil {
			w.change(r, union(slices.Clone(r.states), w.redriven(l, r, how.Delay.Milliseconds(), edit)...))
			r.win.requeue(r)
		}
	}
}

// doubt notes that an unknown call was about a letter.
func (w *world) doubt(l *deadLetter) {
	l.maybe = true
	for _, j := range w.jobs {
		j.fuzzy = j.fuzzy || slices.Contains(j.covers, l.at)
	}
}

// isCovered says that a job may redrive a letter.
func (w *world) isCovered(l *deadLetter) bool {
	return slices.ContainsFunc(w.jobs, func(j *job) bool { return slices.Contains(j.covers, l.at) })
}

// redriveToTopic publishes a letter's record for all to see, with another body, so that it can be told from the first one.
func (w *world) redriveToTopic(g *group, l *deadLetter, rng *rand.Rand) {
	t := w.topics[l.at.part.topic.name]
	if t == nil || w.unsure[t.name] || l.msg.uid < 0 {
		return
	}
	m := &msg{uid: len(w.msgs), key: l.msg.key, keyed: l.msg.keyed}
	m.body = fmt.Appendf(nil, "%d/%s/again", m.uid, m.key)
	m.req = &request{topic: t, msgs: []*msg{m}}
	w.msgs = append(w.msgs, m)
	how := dlq.Edit{ToTopic: true, SetValue: true, Value: m.body, SetHeaders: true, Headers: headersOf(m)}
	if rng.IntN(4) == 0 && t.age == 0 {
		how.Delay = time.Duration(1+rng.IntN(20_000)) * time.Millisecond
		m.due = w.wall() + how.Delay.Milliseconds()
	}
	w.tally.calls++
	out, err := w.desk().Redrive(w.ctx, g.name, l.id, how)
	w.note("redrive of letter %s of %s to %s: %+v, %v", l.id, g.name, t.name, out, err)
	switch {
	case err == nil:
		w.tally.redrives++
		l.redrives++
		l.state = letter.Redriven
		if r := l.rec(g); r != nil {
			r.freed = true
		}
		at := queue.Place{Partition: out.Partition, Offset: out.Offset, Scheduled: out.Scheduled, Timestamp: out.DeliverAt}
		if at.Scheduled == "" {
			res, err := w.b.Read(w.ctx, queue.ReadRequest{Topic: t.name, Partition: at.Partition, From: queue.Position{Offset: at.Offset}, Max: 1})
			if err != nil || len(res.Records) != 1 {
				w.violated("I8 dead letter once", "letter %s of %s went to %+v: %v", l.id, g.name, out, err)
				return
			}
			at.Timestamp = res.Records[0].Timestamp
		}
		w.published(m.req, []queue.Place{at})
		w.certain()
	case errors.Is(err, dlq.ErrLetterNotFound) && !w.isCovered(l):
		w.violated("I8 dead letter once", "letter %s of %s: %v; it is open", l.id, g.name, err)
	case !refusedLetter(err):
		w.failed("redrive of "+g.name, err)
		w.doubt(l)
		l.req = m.req
		w.unknown = append(w.unknown, m.req)
	}
}

// purge gives letters up for good.
func (w *world) purge(g *group, open []*deadLetter, rng *rand.Rand) {
	c, chosen := w.choice(g, open, rng)
	w.purgeChosen(g, c, chosen)
}

func (w *world) purgeChosen(g *group, c dlq.Choice, chosen []*deadLetter) {
	w.tally.calls++
	n, err := w.desk().Purge(w.ctx, g.name, c)
	w.note("purge of %d letters of %s: %d, %v", len(chosen), g.name, n, err)
	if err != nil {
		if !refusedLetter(err) {
			w.failed("purge in "+g.name, err)
			for _, l := range chosen {
				w.doubt(l)
				w.free(g, l)
			}
		}
		return
	}
	if n != len(chosen) {
		w.violated("I8 dead letter once", "%d letters of %s are purged, %d were open", n, g.name, len(chosen))
	}
	for _, l := range chosen {
		l.state = letter.Purged
		w.free(g, l)
	}
	w.certain()
}

// free lets the key of a letter's record go.
func (w *world) free(g *group, l *deadLetter) {
	if r := l.rec(g); r != nil {
		r.freed = true
	}
}

// choice chooses some of the open letters: named, or the oldest ones.
func (w *world) choice(g *group, open []*deadLetter, rng *rand.Rand) (c dlq.Choice, chosen []*deadLetter) {
	n := 1 + rng.IntN(len(open))
	if all := g.opened(); rng.IntN(2) == 0 && !w.armed {
		n = min(n, len(all))
		return dlq.Choice{All: true, Filter: letter.Filter{State: letter.Open}, Limit: n}, all[:n]
	}
	chosen = open[:n]
	for _, l := range chosen {
		c.IDs = append(c.IDs, l.id)
	}
	c.Filter.State = letter.Open
	return c, chosen
}

// startJob lets a job redrive letters; one at a time in a group.
func (w *world) startJob(g *group, open []*deadLetter, rng *rand.Rand) {
	if w.armed || slices.ContainsFunc(w.jobs, func(j *job) bool { return j.group == g }) {
		return
	}
	p := dlq.Plan{ToTopic: rng.IntN(3) == 0, Rate: []float64{0, 0, 1, 5}[rng.IntN(4)], Ramp: rng.IntN(4) == 0}
	c, chosen := w.choice(g, open, rng)
	if p.ToTopic { // what schedules publish is all the same, and cannot be told apart; what is short-lived might go before anybody looked
		chosen = slices.DeleteFunc(slices.Clone(open), func(l *deadLetter) bool {
			t := w.topics[l.at.part.topic.name]
			return l.msg.uid < 0 || t == nil || t.age > 0
		})
		c.All, c.Limit, c.IDs = false, 0, []string{}
		for _, l := range chosen {
			c.IDs = append(c.IDs, l.id)
		}
		if len(chosen) == 0 {
			return
		}
	}
	w.start(&job{group: g, toTopic: p.ToTopic}, chosen, c, p)
}

// start sets a job to work.
func (w *world) start(j *job, chosen []*deadLetter, c dlq.Choice, p dlq.Plan) {
	g := j.group
	w.tally.calls++
	made, err := w.desk().Start(w.ctx, g.name, c, p)
	w.note("job over %d letters of %s, %+v: %v", len(chosen), g.name, p, err)
	if err != nil {
		w.failed("redrive in "+g.name, err)
		return
	}
	if made.Matched != len(chosen) {
		w.violated("I8 dead letter once", "a job has %d letters of %s, %d were chosen", made.Matched, g.name, len(chosen))
	}
	j.id = made.ID
	for _, l := range chosen {
		j.covers = append(j.covers, l.at)
		if j.toTopic {
			w.afresh = append(w.afresh, &afresh{topic: l.at.part.topic.name, at: l.at, msg: w.copyOf(l)})
		}
	}
	w.jobs = append(w.jobs, j)
	w.widen()
}

// copyOf returns what a job publishes for a letter.
func (w *world) copyOf(l *deadLetter) *msg {
	m := *w.body(l.msg, &l.was[0])
	m.head, m.edited, m.id, m.ttl, m.due, m.req, m.gone, m.at = headersOf(&m), true, "", 0, 0, nil, false, 0
	return &m
}

// widen lets the records of all letters that a job may redrive in what follows be redriven, perhaps.
func (w *world) widen() {
	for _, j := range w.jobs {
		for _, at := range j.covers {
			l := j.group.letters[at]
			if l == nil {
				continue
			}
			r := l.rec(j.group)
			if j.toTopic && r != nil && l.state == letter.Open {
				r.freed = true // perhaps: it need not hold its key any more
			}
			if j.toTopic {
				continue
			}
			if r == nil || l.state != letter.Open || r.may(func(s *state) bool { return s.back > l.redrives }) {
				continue
			}
			w.change(r, union(slices.Clone(r.states), w.redriven(l, r, 0, 0)...))
			r.win.requeue(r)
		}
	}
}

// narrow learns what jobs and unknown calls have done to letters.
func (w *world) narrow() {
	if w.broken() || w.reading || w.blurred || w.err != nil {
		return
	}
	for _, g := range w.all() {
		doubtful := slices.ContainsFunc(w.jobs, func(j *job) bool { return j.group == g })
		for _, l := range g.letters {
			doubtful = doubtful || l.maybe
		}
		if doubtful && !w.unsure[g.name] {
			w.readList(g)
		}
	}
	w.jobs = slices.DeleteFunc(w.jobs, w.ended)
}

// readList compares the list of a group's letters with the model.
func (w *world) readList(g *group) {
	seen := map[*deadLetter]bool{}
	for _, st := range []letter.State{letter.Open, letter.Redriven, letter.Purged} {
		for from := (dlq.Mark{}); ; {
			w.tally.calls++
			page, err := w.desk().List(w.ctx, g.name, letter.Filter{State: st}, from, 300)
			if err != nil {
				if !w.armed {
					w.violated("I8 dead letter once", "the %s letters of %s: %v", st, g.name, err)
				}
				return
			}
			for i := range page.Items {
				w.learn(g, &page.Items[i], seen)
			}
			if page.Next == nil || w.err != nil {
				break
			}
			from = *page.Next
		}
	}
	for _, l := range g.inOrder() {
		if !seen[l] && w.err == nil {
			w.violated("I8 dead letter once", "%s does not list the letter of %s/%d at %d, which is %s", g.name, l.at.part.topic.name, l.at.part.index, l.at.offset, l.state)
		}
	}
}

// letterOf returns the letter that a listed one is, or nil.
func (g *group) letterOf(it *dlq.Letter) *deadLetter {
	uid, _, _ := strings.Cut(string(it.Value), "/")
	var first *deadLetter // of those that it may be
	for at, l := range g.letters {
		if l.id == it.ID {
			return l
		}
		if l.id == "" && at.offset == int(it.Offset) && at.part.index == it.Partition && at.part.topic.name == it.Topic && (l.msg.uid < 0 || strconv.Itoa(l.msg.uid) == uid) &&
			(first == nil || l.pos < first.pos) {
			first = l
		}
	}
	return first
}

// learn takes note of one letter of the list.
func (w *world) learn(g *group, it *dlq.Letter, seen map[*deadLetter]bool) {
	l := g.letterOf(it)
	if l == nil || seen[l] {
		w.violated("I8 dead letter once", "%s lists %+v, twice %v", g.name, *it, l != nil)
		return
	}
	seen[l] = true
	l.id = it.ID
	r := l.rec(g)
	was, redrives := l.state, l.redrives
	j := w.jobOver(g, l)
	if l.maybe && j != nil && (l.req != nil && l.req.found > 0 || j.toTopic && !w.isFound(l)) {
		j = nil // it was the call
	}
	if int32(it.Redrives) == redrives+1 && (l.maybe || j != nil) {
		l.redrives++
		if l.state == letter.Open { // else it died again in this step
			l.state = letter.Redriven
		}
		w.tally.redrives++
		if j != nil {
			j.seen++
		}
		w.redrivenBy(j, l, r)
	}
	if l.maybe && it.State == letter.Purged && l.state == letter.Open {
		l.state = letter.Purged
	}
	if l.req != nil && j == nil && (l.redrives > redrives) != (l.req.found > 0) && w.topics[l.req.topic.name] == l.req.topic {
		w.violated("I8 dead letter once", "letter %s of %s is %s, and %d records were published with that", it.ID, g.name, it.State, l.req.found)
	}
	if int32(it.Redrives) != l.redrives || it.State != l.state {
		w.violated("I8 dead letter once", "letter %s of %s, %s/%d at %d, is %s after %d redrives; it was %s after %d, in doubt %v; its record is %v",
			it.ID, g.name, it.Topic, it.Partition, it.Offset, it.State, it.Redrives, was, redrives, l.maybe, statesOf(r))
		return
	}
	l.maybe, l.req = false, nil
	if r == nil {
		return
	}
	live := func(s *state) bool { return s.back > 0 && s.back == l.redrives && s.phase != settled }
	fits := only(r.states, func(s *state) bool { return s.back <= l.redrives && live(s) == it.Pending })
	if len(fits) == 0 {
		w.violated("I8 dead letter once", "letter %s of %s is %s after %d redrives, pending %v; its record is %v", it.ID, g.name, it.State, it.Redrives, it.Pending, r.states)
		return
	}
	if len(fits) < len(r.states) {
		w.change(r, fits)
	}
}

func statesOf(r *rec) []state {
	if r == nil {
		return nil
	}
	return r.states
}

// jobOver returns the job that may have redriven a letter.
func (w *world) jobOver(g *group, l *deadLetter) *job {
	for _, j := range w.jobs {
		if j.group == g && slices.Contains(j.covers, l.at) {
			return j
		}
	}
	return nil
}

// redrivenBy takes note that a job, or an unknown call, redrove a letter.
func (w *world) redrivenBy(j *job, l *deadLetter, r *rec) {
	toTopic := l.req != nil
	if j != nil {
		toTopic = j.toTopic
	}
	if r != nil {
		r.freed = toTopic
		if !toTopic && l.state == letter.Redriven {
			w.change(r, only(r.states, func(s *state) bool { return s.back == l.redrives }))
		}
	}
	if j == nil {
		return
	}
	j.turned(l)
	if !j.toTopic {
		return
	}
	var own, other *afresh
	for _, a := range w.afresh {
		if a.at == l.at {
			own = a
		}
	}
	for _, a := range w.afresh { // a record may have been published before, and died of that, too: then there are two with the same body
		if own != nil && a.found && a.topic == own.topic && string(a.msg.body) == string(own.msg.body) {
			other = a
		}
	}
	if other == nil {
		w.violated("I8 dead letter once", "letter %s was redriven to its topic, and there is no record of it", l.id)
		return
	}
	other.at, own.at = own.at, other.at // whichever it was, this one is accounted for
	w.afresh = slices.DeleteFunc(w.afresh, func(a *afresh) bool { return a == other })
}

// ended checks a job; true if it is over.
func (w *world) ended(j *job) bool {
	if w.groups[j.group.name] != j.group {
		w.afresh = slices.DeleteFunc(w.afresh, func(a *afresh) bool { return slices.Contains(j.covers, a.at) })
		return true
	}
	if w.unsure[j.group.name] {
		return false
	}
	w.tally.calls++
	info, err := w.desk().Job(w.ctx, j.id, 0)
	if err != nil {
		if !w.armed {
			w.violated("I8 dead letter once", "job %s of %s: %v", j.id, j.group.name, err)
		}
		return false
	}
	if info.Redriven != j.seen && !j.fuzzy || info.Redriven+info.Skipped > info.Matched || info.Succeeded+info.DiedAgain > info.Redriven ||
		info.State == redrive.Done && info.Redriven+info.Skipped != info.Matched {
		w.violated("I8 dead letter once", "job %s of %s is %+v; %d letters were redriven", j.id, j.group.name, info.Progress, j.seen)
	}
	if info.State == redrive.Running {
		return false
	}
	w.note("job of %s: %+v", j.group.name, info.Progress)
	for _, a := range w.afresh {
		if slices.Contains(j.covers, a.at) && a.found {
			w.violated("I8 dead letter once", "a record of the letter of %s/%d at %d in %s was published, and the letter is %+v", a.topic, a.at.part.index, a.at.offset, j.group.name, j.group.letters[a.at])
		}
	}
	w.afresh = slices.DeleteFunc(w.afresh, func(a *afresh) bool { return slices.Contains(j.covers, a.at) })
	for _, at := range j.covers { // those that it skipped
		l := j.group.letters[at]
		if l == nil {
			continue
		}
		if r := l.rec(j.group); r != nil && r.may(func(s *state) bool { return s.back > l.redrives }) {
			w.change(r, only(r.states, func(s *state) bool { return s.back <= l.redrives }))
		}
	}
	return true
}

// isFound says that a record was found that a job may have published for a letter.
func (w *world) isFound(l *deadLetter) bool {
	i := slices.IndexFunc(w.afresh, func(a *afresh) bool { return a.at == l.at })
	return i >= 0 && slices.ContainsFunc(w.afresh, func(a *afresh) bool {
		return a.found && a.topic == w.afresh[i].topic && string(a.msg.body) == string(w.afresh[i].msg.body)
	})
}

// turned notes that a letter had its turn.
func (j *job) turned(l *deadLetter) {
	j.covers = slices.DeleteFunc(j.covers, func(at origin) bool { return at == l.at })
}

// isAfresh says whether a record may be one that a job published.
func (w *world) isAfresh(topic string, r *queue.Record) *afresh {
	for _, a := range w.afresh {
		if !a.found && a.topic == topic && string(a.msg.body) == string(r.Value) {
			return a
		}
	}
	for _, m := range w.edits { // it was edited, and died again just before: the model may hear of that later
		for _, a := range w.afresh {
			if !a.found && a.topic == topic && a.msg.uid == m.uid && string(m.body) == string(r.Value) {
				a.msg.body, a.msg.head = m.body, m.head
				return a
			}
		}
	}
	return nil
}

// redriveAll redrives what is dead to the group.
func (w *world) redriveAll(g *group) {
	open := g.opened()
	if len(open) == 0 || w.err != nil {
		return
	}
	w.start(&job{group: g}, open, dlq.Choice{All: true, Filter: letter.Filter{State: letter.Open}}, dlq.Plan{})
	w.rest()
	if len(w.jobs) > 0 && w.err == nil {
		w.violated("I8 dead letter once", "a job over all letters of %s does not end", g.name)
	}
}

// awaited says that a job may publish to a topic.
func (w *world) awaited(topic string) bool {
	return slices.ContainsFunc(w.afresh, func(a *afresh) bool { return a.topic == topic })
}

// stopJobs ends all jobs.
func (w *world) stopJobs() {
	for _, j := range w.jobs {
		if err := w.desk().Cancel(w.ctx, j.id); err != nil {
			w.violated("I8 dead letter once", "cancel job %s: %v", j.id, err)
		}
	}
	w.rest()
	if len(w.jobs) > 0 && w.err == nil {
		w.violated("I8 dead letter once", "%d jobs go on after they were cancelled", len(w.jobs))
	}
}
