package sim

import (
	"bytes"
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
		m.body = fmt.Appendf(nil, "%d/%s/%s", m.uid, m.key, strings.Repeat("x", rng.IntN(40)))
		w.msgs = append(w.msgs, m)
		req.msgs = append(req.msgs, m)
		msgs[i] = queue.Message{Value: m.body, TTL: time.Duration(m.ttl) * time.Millisecond, Headers: headersOf(m)}
		if m.keyed {
			msgs[i].Key = []byte(m.key)
		}
		switch rng.IntN(8) {
		case 0:
			p := rng.IntN(len(t.parts))
			msgs[i].Partition = &p
		case 1:
			p := rng.IntN(t.lanes)
			msgs[i].Priority = &p
		}
	}
	w.tally.calls++
	places, _, err := w.b.Publish(w.ctx, t.name, msgs, 0)
	if err != nil {
		w.failed("publish to "+t.name, err)
		if !refused(err) {
			w.unknown = append(w.unknown, req)
		}
		return
	}
	w.note("published %d to %s: %v", n, t.name, places)
	if len(places) != n {
		w.violated("I1 no loss", "%d places for %d records", len(places), n)
		return
	}
	w.certain()
	for i, at := range places {
		w.append(t, at, req.msgs[i])
	}
	w.tally.records += n
}

func headersOf(m *msg) []record.Header {
	if m.uid%3 != 0 {
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
	m.at = at.Timestamp.UnixMilli()
	if n := len(p.log); n > 0 && p.log[n-1].at > m.at {
		w.violated("I12 offsets", "time goes back in %s/%d at %d", t.name, p.index, at.Offset)
	}
	p.log = append(p.log, m)
	for _, name := range groupNames {
		if g := w.groups[name]; g != nil {
			for _, win := range g.wins {
				if win.part == p {
					win.sync()
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
	for _, req := range w.unknown {
		if w.topics[req.topic.name] == req.topic && req.found != 0 && req.found != len(req.msgs) {
			w.violated("I1 no loss", "%d of %d records of one publish are stored", req.found, len(req.msgs))
		}
	}
	w.unknown = nil
}

func (w *world) readLog(p *part) {
	next := 0
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
	if next != len(p.log) {
		w.violated("I1 no loss", "%s/%d holds %d records, %d were answered for", p.topic.name, p.index, next, len(p.log))
	}
}

// discover finds a record that was published with an unknown outcome.
func (w *world) discover(p *part, r *queue.Record) {
	uid, _, _ := strings.Cut(string(r.Value), "/")
	n, err := strconv.Atoi(uid)
	if err != nil || n >= len(w.msgs) {
		w.violated("I2 no phantom", "%s/%d at %d holds %q", p.topic.name, p.index, r.Offset, r.Value)
		return
	}
	m := w.msgs[n]
	for _, req := range w.unknown {
		if req == m.req && req.topic == p.topic && m.at == 0 {
			req.found++
			w.tally.records++
			w.append(p.topic, queue.Place{Partition: p.index, Offset: r.Offset, Timestamp: r.Timestamp}, m)
			return
		}
	}
	w.violated("I2 no phantom", "%s/%d at %d holds %q, which was answered for elsewhere or refused", p.topic.name, p.index, r.Offset, r.Value)
}

// compare checks that a record is what was published.
func (w *world) compare(p *part, m *msg, r *queue.Record) {
	want := headersOf(m)
	ok := bytes.Equal(r.Value, m.body) && (r.Key != nil) == m.keyed && string(r.Key) == m.key && len(r.Headers) == len(want) && r.Timestamp.UnixMilli() == m.at
	for i := range want {
		ok = ok && r.Headers[i].Name == want[i].Name && bytes.Equal(r.Headers[i].Value, want[i].Value)
	}
	if !ok {
		w.violated("I2 no phantom", "%s/%d at %d is key %q, value %q, headers %v, at %v; published was key %q, value %q at %d",
			p.topic.name, p.index, r.Offset, r.Key, r.Value, r.Headers, r.Timestamp, m.key, m.body, m.at)
	}
}
