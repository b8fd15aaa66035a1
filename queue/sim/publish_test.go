package sim

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
)

// publish sends a few records to one topic.
func (w *world) publish(rng *rand.Rand) {
	t := w.anyTopic(rng)
	if t == nil {
		return
	}
	n := 1 + rng.IntN(6)
	if rng.IntN(12) == 0 {
		n = 40
	}
	req, msgs := w.compose(t, n, rng)
	w.tally.calls++
	places, _, err := w.broker().Publish(w.ctx, t.name, msgs, 0)
	if errors.Is(err, queue.ErrBacklogFull) {
		w.full(t, err)
		return
	}
	if err != nil {
		w.failed("publish to "+t.name, err)
		if !refused(err) {
			w.unknown = append(w.unknown, req)
		}
		return
	}
	w.hasRoom(t)
	w.published(req, places)
	w.certain()
}

// compose makes records for a topic.
func (w *world) compose(t *topic, n int, rng *rand.Rand) (*request, []queue.Message) {
	req := &request{topic: t}
	msgs := make([]queue.Message, n)
	keys := 1 + rng.IntN(6)
	for i := range msgs {
		m := &msg{uid: len(w.msgs), req: req}
		if rng.IntN(3) > 0 {
			m.key, m.keyed = "k"+strconv.Itoa(rng.IntN(keys)), true
		}
		if rng.IntN(25) == 0 {
			m.ttl = int64(100 + rng.IntN(20_000))
		}
		if rng.IntN(8) == 0 {
			m.id = w.sureID(t, "i"+strconv.Itoa(rng.IntN(30)))
		}
		m.body = fmt.Appendf(nil, "%d/%s/%s", m.uid, m.key, strings.Repeat("x", rng.IntN(40)))
		w.msgs = append(w.msgs, m)
		req.msgs = append(req.msgs, m)
		msgs[i] = queue.Message{Value: m.body, ID: m.id, TTL: time.Duration(m.ttl) * time.Millisecond, Headers: headersOf(m)}
		if m.keyed {
			msgs[i].Key = []byte(m.key)
		}
		switch rng.IntN(16) {
		case 0, 1:
			p := rng.IntN(len(t.parts))
			msgs[i].Partition = &p
		case 2, 3:
			p := rng.IntN(t.lanes)
			msgs[i].Priority = &p
		case 4:
			if t.age > 0 { // it might go before anybody looked
				break
			}
			msgs[i].Delay = time.Duration(1+rng.IntN(40_000)) * time.Millisecond
			m.due = w.wall() + msgs[i].Delay.Milliseconds()
		}
		m.twice = w.like(req, i) != nil
	}
	return req, msgs
}

// sureID returns an id, or none if the wall clock has been past its window and is back in it: it may be forgotten, or one before it count again.
func (w *world) sureID(t *topic, id string) string {
	if o := t.ids[id]; o != nil && o.at != 0 && w.wall() < o.at+t.window && w.highest(o.since) >= o.at+t.window {
		return ""
	}
	if o := t.ids[id]; o != nil && o.at == 0 && w.wall() < w.highest(0) {
		return ""
	}
	return id
}

// like returns the record that a record's id names already, which may stand before it in its request.
func (w *world) like(req *request, i int) *msg {
	m, t := req.msgs[i], req.topic
	if m.id == "" || t.window == 0 {
		return nil
	}
	if o := t.ids[m.id]; o != nil && (o.at == 0 || w.wall() < o.at+t.window) {
		return o
	}
	for _, o := range req.msgs[:i] {
		if o.id == m.id {
			return o
		}
	}
	return nil
}

// published notes where the records of a request went.
func (w *world) published(req *request, places []queue.Place) {
	t := req.topic
	w.note("published %d to %s: %v", len(req.msgs), t.name, places)
	if len(places) != len(req.msgs) {
		w.violated("I1 no loss", "%d places for %d records", len(places), len(req.msgs))
		return
	}
	for i, at := range places {
		m := req.msgs[i]
		like := w.like(req, i)
		if at.Duplicate != (like != nil) {
			w.violated("I10 dedupe", "record %d with id %q of %s went to %+v; the one before it is %+v", m.uid, m.id, t.name, at, like)
			return
		}
		if like != nil {
			if want := like.place; want.Partition != at.Partition || want.Offset != at.Offset || want.Scheduled != at.Scheduled || !want.Timestamp.Equal(at.Timestamp) {
				w.violated("I10 dedupe", "the duplicate of id %q of %s is said to be at %+v, it is at %+v", m.id, t.name, at, want)
			}
			continue
		}
		m.place = at
		if (at.Scheduled != "") != (m.due > w.wall()) || at.Scheduled != "" && at.Timestamp.UnixMilli() != m.due {
			w.violated("I15 delay", "record %d of %s is due at %d, and went to %+v at %d", m.uid, t.name, m.due, at, w.wall())
		}
		if at.Scheduled != "" {
			w.delay(t, m)
		} else {
			w.append(t, at, m)
		}
	}
	for i, m := range req.msgs {
		if m.id != "" && !places[i].Duplicate {
			t.ids[m.id] = m
		}
	}
	w.tally.records += len(places)
}

func headersOf(m *msg) []record.Header {
	if m.edited {
		return m.head
	}
	if m.uid%3 != 0 || m.bare {
		return nil
	}
	return []record.Header{{Name: "uid", Value: []byte(strconv.Itoa(m.uid))}}
}

// append notes where a record was stored.
func (w *world) append(t *topic, at queue.Place, m *msg) {
	if at.Partition < 0 || at.Partition >= len(t.parts) {
		w.violated("I12 offsets", "published to partition %d of %s, which has %d", at.Partition, t.name, len(t.parts))
		return
	}
	p := t.parts[at.Partition]
	if int(at.Offset) != len(p.log) {
		w.violated("I12 offsets", "%s/%d gave offset %d, next is %d", t.name, p.index, at.Offset, len(p.log))
	}
	m.at, m.place, m.since = at.Timestamp.UnixMilli(), at, w.begun
	if n := len(p.log); n > 0 && p.log[n-1].at > m.at {
		w.violated("I12 offsets", "time goes back in %s/%d at %d", t.name, p.index, at.Offset)
	}
	p.log = append(p.log, m)
	for _, name := range groupNames {
		if g := w.groups[name]; g != nil {
			for _, win := range g.wins {
				if win.part == p {
					win.sync()
					w.given(win, int(at.Offset))
				}
			}
		}
	}
}

func (w *world) anyTopic(rng *rand.Rand) *topic {
	first := rng.IntN(len(topicNames))
	for i := range topicNames {
		if t := w.topics[topicNames[(first+i)%len(topicNames)]]; t != nil {
			return t
		}
	}
	return nil
}

// readLogs reads all partitions to their ends: what was answered for stands where it was said to stand, and what is unknown is there
// wholly or not at all.
func (w *world) readLogs() {
	for _, name := range topicNames {
		if t := w.topics[name]; t != nil {
			for _, p := range t.parts {
				w.readLog(p)
			}
		}
	}
	for _, name := range topicNames {
		if t := w.topics[name]; t != nil {
			w.readScheduled(t)
		}
	}
	for _, req := range w.unknown {
		w.resolve(req)
	}
	w.unknown = nil
}

// resolve judges a request whose outcome was unknown: it happened wholly or not at all.
func (w *world) resolve(req *request) {
	n := req.stored()
	if w.topics[req.topic.name] != req.topic || n == 0 {
		return
	}
	if req.found != 0 && req.found != n {
		w.violated("I1 no loss", "%d of %d records of one publish are stored", req.found, n)
	}
	if req.found == n {
		for _, m := range req.msgs {
			if m.id != "" && !m.twice {
				req.topic.ids[m.id] = m
			}
		}
	}
	for i, a := range req.acts {
		r := a.hand.rec
		if a.verb != ack || r.win.gone || a.hand.epoch != r.win.epoch || !req.open[i] {
			continue
		}
		fits := only(r.states, func(s *state) bool { return (s.phase == settled && s.outcome == acked) == (req.found > 0) })
		if len(fits) == 0 {
			w.violated("I11 atomic", "%d of %d records were published with an ack of %s/%d at %d, which is %v", req.found, n, r.win.part.topic.name, r.win.part.index, r.offset, r.states)
			return
		}
		if len(fits) < len(r.states) {
			w.change(r, fits)
		}
	}
}

func (w *world) readLog(p *part) {
	w.trimmed(p.topic)
	next := p.first
	for w.err == nil {
		res, err := w.b.Read(w.ctx, queue.ReadRequest{Topic: p.topic.name, Partition: p.index, From: queue.Position{Offset: queue.Offset(next)}, Max: 500})
		w.tally.calls++
		if err != nil {
			w.violated("I12 offsets", "read %s/%d at %d: %v", p.topic.name, p.index, next, err)
			return
		}
		if len(res.Records) == 0 {
			break
		}
		for i := range res.Records {
			r := &res.Records[i]
			for next < len(p.log) && p.log[next].gone {
				next++
			}
			if int(r.Offset) != next {
				w.violated("I12 offsets", "read %s/%d: %d comes after %d", p.topic.name, p.index, r.Offset, next-1)
				return
			}
			if next == len(p.log) {
				w.discover(p, r)
			}
			if next < len(p.log) {
				w.compare(p, p.log[next], r)
			}
			next++
		}
	}
	for next < len(p.log) && p.log[next].gone {
		next++
	}
	if next != len(p.log) {
		w.violated("I1 no loss", "%s/%d holds %d records, %d were answered for", p.topic.name, p.index, next, len(p.log))
	}
}

// discover finds a record that was published with an unknown outcome.
func (w *world) discover(p *part, r *queue.Record) {
	if w.fired(p, r) {
		return
	}
	m := w.msgOf(r)
	if m == nil {
		w.violated("I2 no phantom", "%s/%d at %d holds %q", p.topic.name, p.index, r.Offset, r.Value)
		return
	}
	for _, req := range w.unknown {
		if req == m.req && req.topic == p.topic && m.at == 0 && m.place.Scheduled == "" && !m.twice {
			req.found++
			w.tally.records++
			w.append(p.topic, queue.Place{Partition: p.index, Offset: r.Offset, Timestamp: r.Timestamp}, m)
			return
		}
	}
	w.violated("I2 no phantom", "%s/%d at %d holds %q, which was answered for elsewhere or refused", p.topic.name, p.index, r.Offset, r.Value)
}

// holds says whether a stored record is what was published; its timestamp is m's.
func (m *msg) holds(r *queue.Record) bool {
	want := headersOf(m)
	ok := bytes.Equal(r.Value, m.body) && (r.Key != nil) == m.keyed && string(r.Key) == m.key && len(r.Headers) == len(want) && r.Timestamp.UnixMilli() == m.at
	for i := range want {
		ok = ok && r.Headers[i].Name == want[i].Name && bytes.Equal(r.Headers[i].Value, want[i].Value)
	}
	return ok
}

// compare checks that a record is what was published.
func (w *world) compare(p *part, m *msg, r *queue.Record) {
	if !m.holds(r) {
		w.violated("I2 no phantom", "%s/%d at %d is key %q, value %q, headers %v, at %v; published was key %q, value %q at %d",
			p.topic.name, p.index, r.Offset, r.Key, r.Value, r.Headers, r.Timestamp, m.key, m.body, m.at)
	}
}
