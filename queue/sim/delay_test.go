package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/queue"
)

// cronBody is the value of what schedules publish.
const cronBody = "cron"

// msgOf returns the record that a stored one claims to be, or nil.
func (w *world) msgOf(r *queue.Record) *msg {
	uid, _, _ := strings.Cut(string(r.Value), "/")
	n, err := strconv.Atoi(uid)
	if err != nil || n >= len(w.msgs) {
		return nil
	}
	return w.msgs[n]
}

// delay notes a record that is to be appended later.
func (w *world) delay(t *topic, m *msg) { t.delayed = append(t.delayed, m) }

// readFired reads what was appended since the last time without a call: delayed records and firings of schedules.
func (w *world) readFired() []event {
	return w.readNew(func(p *part, r *queue.Record) {
		if !w.fired(p, r) {
			w.violated("I2 no phantom", "%s/%d at %d holds %q, which nobody was told of", p.topic.name, p.index, r.Offset, r.Value)
		}
	})
}

// readNew reads the logs of topics that records may be appended to without a call.
func (w *world) readNew(note func(*part, *queue.Record)) []event {
	var out []event
	f := w.faults
	f.Read = nil
	w.st.SetFaults(f) // what follows is the model's own reading
	defer w.st.SetFaults(w.faults)
	for _, name := range topicNames {
		t := w.topics[name]
		if t == nil || len(t.delayed) == 0 && t.cron == nil && !w.awaited(name) {
			continue
		}
		for _, p := range t.parts {
			out = append(out, w.readTail(p, note)...)
		}
	}
	return out
}

// readTail reads what was appended to a partition. Its times do not go back: of a record with that of the one before it, only the order is known.
func (w *world) readTail(p *part, note func(*part, *queue.Record)) (out []event) {
	at, before := w.clock, int64(math.MinInt64)
	if n := len(p.log); n > 0 {
		before = p.log[n-1].at
	}
	for next := queue.Offset(len(p.log)); ; {
		res, err := w.b.Read(w.ctx, queue.ReadRequest{Topic: p.topic.name, Partition: p.index, From: queue.Position{Offset: next}, Max: 500})
		if err != nil || len(res.Records) == 0 {
			return out
		}
		for i := range res.Records {
			r := &res.Records[i]
			if ms := r.Timestamp.UnixMilli(); ms != before {
				at, before = w.passed(ms), ms
			}
			out = append(out, event{at, func() { note(p, r) }})
		}
		next = res.Next
	}
}

// fired notes a record that was appended because its time had come; false if it is none.
func (w *world) fired(p *part, r *queue.Record) bool {
	at := queue.Place{Partition: p.index, Offset: r.Offset, Timestamp: r.Timestamp}
	ms := r.Timestamp.UnixMilli()
	if string(r.Value) == cronBody {
		w.cronFired(p, at, ms)
		return true
	}
	if a := w.isAfresh(p.topic.name, r); a != nil {
		w.note("a job published record %d again, to %s/%d@%d", a.msg.uid, p.topic.name, p.index, r.Offset)
		a.found = true
		w.append(p.topic, at, a.msg)
		return true
	}
	m := w.msgOf(r)
	i := slices.Index(p.topic.delayed, m)
	if m == nil || i < 0 {
		return false
	}
	if ms < m.due && !m.early {
		w.violated("I15 delay", "record %d of %s was due at %d and appended at %d", m.uid, p.topic.name, m.due, ms)
	}
	p.topic.delayed = slices.Delete(p.topic.delayed, i, i+1)
	w.note("record %d, due at %d, fired to %s/%d@%d", m.uid, m.due, p.topic.name, p.index, r.Offset)
	m.doubt = false
	w.append(p.topic, at, m)
	return true
}

// readScheduled compares the list of delayed records with the model, and learns what became of unknown publishes and cancellations.
func (w *world) readScheduled(t *topic) {
	listed := map[string]bool{}
	for from := ""; ; {
		all, next, err := w.broker().Scheduled(w.ctx, t.name, from, 7)
		if err != nil {
			w.violated("I15 delay", "the delayed records of %s: %v", t.name, err)
			return
		}
		for i := range all {
			listed[all[i].ID] = true
			w.listed(t, &all[i])
		}
		if from = next; next == "" {
			break
		}
	}
	t.delayed = slices.DeleteFunc(t.delayed, func(m *msg) bool {
		switch {
		case listed[m.place.Scheduled]:
			m.doubt = false
			return false
		case !m.doubt:
			w.violated("I1 no loss", "record %d of %s, due at %d, is neither stored nor scheduled", m.uid, t.name, m.due)
		}
		w.freed(t, m)
		return true
	})
}

// listed checks one delayed record of the list.
func (w *world) listed(t *topic, l *queue.ScheduledRecord) {
	m := w.msgOf(&l.Record)
	if m != nil && !slices.Contains(t.delayed, m) {
		for _, req := range w.unknown {
			if req == m.req && req.topic == t && m.at == 0 && !m.twice && m.due > 0 {
				req.found++
				m.place = queue.Place{Scheduled: l.ID, Timestamp: l.DeliverAt}
				w.delay(t, m)
			}
		}
	}
	if m == nil || !slices.Contains(t.delayed, m) || m.place.Scheduled != l.ID || l.DeliverAt.UnixMilli() != m.due {
		w.violated("I2 no phantom", "%s lists the delayed record %q %s, due at %v: %+v", t.name, l.Record.Value, l.ID, l.DeliverAt, m)
	}
}

// freed notes that a record was cancelled: its id is free.
func (w *world) freed(t *topic, m *msg) {
	if t.ids[m.id] == m {
		delete(t.ids, m.id)
	}
}

// cancel takes a delayed record back.
func (w *world) cancel(rng *rand.Rand) {
	t := w.anyTopic(rng)
	if t == nil || len(t.delayed) == 0 {
		return
	}
	m := t.delayed[rng.IntN(len(t.delayed))]
	w.tally.calls++
	if rng.IntN(2) == 0 {
		w.runNow(t, m)
		return
	}
	err := w.broker().CancelScheduled(w.ctx, t.name, m.place.Scheduled)
	if err != nil {
		w.failed("cancel "+m.place.Scheduled+" of "+t.name, err)
		if errors.Is(err, queue.ErrRecordNotFound) && m.due > w.wall() {
			w.violated("I15 delay", "record %d of %s, due at %d, cannot be cancelled at %d: %v", m.uid, t.name, m.due, w.wall(), err)
		}
		m.doubt = !refused(err)
		return
	}
	w.note("cancelled record %d of %s", m.uid, t.name)
	t.delayed = slices.DeleteFunc(t.delayed, func(o *msg) bool { return o == m })
	w.freed(t, m)
	w.certain()
}

// runNow lets a delayed record go before its time.
func (w *world) runNow(t *topic, m *msg) {
	early := m.early
	m.early = true
	at, err := w.broker().RunScheduled(w.ctx, t.name, m.place.Scheduled)
	if err != nil {
		w.failed("run "+m.place.Scheduled+" of "+t.name, err)
		if errors.Is(err, queue.ErrRecordNotFound) && m.due > w.wall() {
			w.violated("I15 delay", "record %d of %s, due at %d, cannot be run at %d: %v", m.uid, t.name, m.due, w.wall(), err)
		}
		m.early = early || !refused(err)
		return
	}
	w.note("ran record %d of %s", m.uid, t.name)
	w.happen(w.readFired())
	if m.place.Partition != at.Partition || m.place.Offset != at.Offset || m.place.Scheduled != "" {
		w.violated("I15 delay", "record %d of %s ran to %d@%d, and is at %+v", m.uid, t.name, at.Partition, at.Offset, m.place)
	}
	w.certain()
}

// punctual checks that what was due is appended.
func (w *world) punctual() {
	for _, name := range topicNames {
		t := w.topics[name]
		if t == nil || w.unsure[name] || w.now() < t.slow {
			continue
		}
		for _, m := range t.delayed {
			if m.due <= w.wall() {
				w.violated("I15 delay", "record %d of %s was due at %d, it is %d", m.uid, name, m.due, w.wall())
			}
		}
		if c := t.cron; c != nil && minute(c.since) < minute(w.wall()) && c.last < minute(w.wall()) {
			w.violated("I15 delay", "the schedule of %s fired last for minute %d, it is %d", name, c.last, minute(w.wall()))
		}
	}
}

// postponed is called while reads fail: due records that cannot be read rest for a minute.
func (w *world) postponed() {
	for _, t := range w.topics {
		t.slow = max(t.slow, w.now()+62_000)
	}
}

func minute(ms int64) int64 { return ms / 60_000 }

// schedule makes a topic's schedule, or ends it.
func (w *world) schedule(rng *rand.Rand) {
	t := w.anyTopic(rng)
	if t == nil || w.armed || t.age > 0 {
		return
	}
	w.tally.calls++
	if t.cron != nil {
		if err := w.broker().DeleteSchedule(w.ctx, t.name, queue.Condition{}); err != nil {
			w.failed("delete schedule "+t.name, err)
			return
		}
		w.happen(w.readFired())
		t.cron = nil
		w.note("no schedule of %s", t.name)
		return
	}
	_, created, err := w.broker().PutSchedule(w.ctx, t.name, queue.Condition{}, func(c queue.ScheduleConfig, _ bool) (queue.ScheduleConfig, error) {
		c.Cron, c.Topic, c.Record = "* * * * *", t.name, queue.ScheduleRecord{Value: []byte(cronBody)}
		return c, nil
	})
	if err != nil || !created {
		w.failed("put schedule "+t.name, err)
		if err == nil {
			w.violated("definitions", "schedule %s was there", t.name)
		}
		return
	}
	t.cron = &cron{since: w.wall()}
	w.note("schedule of %s", t.name)
}

// cronFired notes a firing: once for each minute of the wall clock, however often that shows it.
func (w *world) cronFired(p *part, at queue.Place, ms int64) {
	c := p.topic.cron
	if c == nil {
		w.violated("I15 delay", "%s/%d at %d was fired at %d, and there is no schedule", p.topic.name, p.index, at.Offset, ms)
		return
	}
	of := minute(ms)
	if n := len(p.log); n > 0 && p.log[n-1].at == ms { // the timestamp tells nothing if the clock was set back
		of = min(of, c.next())
	}
	if of <= c.last || of <= minute(c.since) || of > minute(w.highest(w.begun)) {
		w.violated("I15 delay", "the schedule of %s, made at %d, fired at %d, and for minute %d before; it is %d", p.topic.name, c.since, ms, c.last, w.wall())
	}
	c.last = of
	w.append(p.topic, at, &msg{uid: -1, body: []byte(cronBody), bare: true})
}

// next is the first minute for which the schedule has not fired.
func (c *cron) next() int64 { return max(c.last, minute(c.since)) + 1 }

// cronsFired asks for which minutes schedules fired last, which timestamps do not always tell.
func (w *world) cronsFired() {
	for _, name := range topicNames {
		t := w.topics[name]
		if t == nil || t.cron == nil || w.unsure[name] {
			continue
		}
		info, err := w.broker().Schedule(w.ctx, name)
		if err != nil || info.LastAt.IsZero() {
			continue
		}
		last := minute(info.LastAt.UnixMilli())
		if last < t.cron.last || last > minute(w.highest(w.begun)) && last != t.cron.last {
			w.violated("I15 delay", "the schedule of %s says that it fired last for minute %d, it fired for %d; it is %d", name, last, t.cron.last, w.wall())
		}
		t.cron.last = last
	}
}

// adoptSchedules checks that schedules are there as they must be.
func (w *world) adoptSchedules() {
	for _, name := range topicNames {
		t := w.topics[name]
		_, err := w.broker().Schedule(w.ctx, name)
		if w.unsure[name] && t != nil && err != nil { // its topic was about to be deleted
			t.cron = nil
		}
		if there := err == nil; there != (t != nil && t.cron != nil) {
			w.violated("definitions", "schedule %s: %v; the topic is %+v", name, err, t)
		}
	}
}

// full checks that a publish was refused for its topic's backlog.
func (w *world) full(t *topic, err error) {
	w.note("publish to %s: %v", t.name, err)
	if n := w.backlog(t); t.limit == 0 || n.hi < t.limit {
		w.violated("max_backlog", "%v; the slowest group has %v records before it, at most %d", err, n, t.limit)
	}
}

// hasRoom checks that a publish was rightly taken.
func (w *world) hasRoom(t *topic) {
	if n := w.backlog(t); t.limit > 0 && n.lo >= t.limit && len(w.unsure) == 0 {
		w.violated("max_backlog", "a publish to %s was taken; the slowest group has %v records before it, at most %d", t.name, n, t.limit)
	}
}

// backlog is how many records are unsettled by the slowest group.
func (w *world) backlog(t *topic) (most span) {
	for _, g := range w.all() {
		var n span
		for _, win := range g.wins {
			if win.part.topic == t {
				c := win.counts(w.now(), 0)
				n.lo += c.lag.lo
				n.hi += c.lag.hi
			}
		}
		most.lo, most.hi = max(most.lo, n.lo), max(most.hi, n.hi)
	}
	return most
}

// trimmed learns what retention let go of: only what is old, and settled by all.
func (w *world) trimmed(t *topic) {
	if t.age == 0 || w.broken() {
		return
	}
	info, err := w.broker().Topic(w.ctx, t.name)
	if err != nil {
		return
	}
	for i := range min(len(info.Partitions), len(t.parts)) {
		p, start := t.parts[i], int(info.Partitions[i].Start)
		if start < p.first || start > len(p.log) {
			w.violated("I12 offsets", "%s/%d starts at %d, it started at %d and ends at %d", t.name, i, start, p.first, len(p.log))
			return
		}
		for ; p.first < start; p.first++ {
			w.letGo(p, p.first)
		}
		w.holes(p)
	}
}

// holes finds what interior retention let go of.
func (w *world) holes(p *part) {
	for next := p.first; next < len(p.log); {
		res, err := w.b.Read(w.ctx, queue.ReadRequest{Topic: p.topic.name, Partition: p.index, From: queue.Position{Offset: queue.Offset(next)}, Max: 1000})
		if err != nil {
			return
		}
		for i := range res.Records {
			for ; next < int(res.Records[i].Offset) && next < len(p.log); next++ {
				w.letGo(p, next)
			}
			next++
		}
		if len(res.Records) == 0 {
			for ; next < min(int(res.End), len(p.log)); next++ {
				w.letGo(p, next)
			}
			return
		}
	}
}

// letGo checks that one record may go.
func (w *world) letGo(p *part, offset int) {
	if p.log[offset].gone {
		return
	}
	p.log[offset].gone = true
	if at := p.log[offset].at; at+p.topic.age > w.highest(p.log[offset].since) {
		w.violated("I13 retention", "%s/%d at %d is of %d and gone, kept are %d ms", p.topic.name, p.index, offset, at, p.topic.age)
	}
	for _, g := range w.all() {
		for _, win := range g.wins {
			if win.part != p || w.unsure[g.name] {
				continue
			}
			if r := win.at(offset); r != nil && !r.may(goes) {
				w.violated("I13 retention", "%s/%d at %d is gone, in %s it is %v", p.topic.name, p.index, offset, g.name, r.states)
			} else if r != nil && !r.is(goes) {
				w.change(r, only(r.states, goes))
			}
		}
	}
}

// endDelays ends all schedules and waits until everything delayed is appended.
func (w *world) endDelays() {
	for _, name := range topicNames {
		t := w.topics[name]
		if t == nil {
			continue
		}
		if t.cron != nil {
			if err := w.broker().DeleteSchedule(w.ctx, name, queue.Condition{}); err != nil && !errors.Is(err, queue.ErrScheduleNotFound) {
				w.violated("definitions", "delete schedule %s: %v", name, err)
			}
			w.happen(w.readFired())
			t.cron = nil
		}
		for began := w.now(); len(t.delayed) > 0 && w.err == nil; w.rest() {
			if w.now() > began+120_000 {
				w.violated("I15 delay", "%d delayed records of %s are not appended after two minutes", len(t.delayed), name)
			}
			w.wait(time.Second)
		}
	}
	w.rest()
}
