package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/record"
	topics "github.com/holtmq/holt/queue/topic"
)

// poll is one by a member, which may wait.
type poll struct {
	member *member
	req    queue.PollRequest
	named  map[*cursor]int // what it names, and from where it reads; queue.NoOffset = from where the group goes on
	waits  bool
	began  int64
	slow   bool // its client gives up later what it is to give up
	lost   bool // its client does not hear of the answer
	cancel context.CancelFunc

	done   atomic.Bool // the rest is written
	answer queue.PollAnswer
	err    error
	at     int64
}

// poll asks for records for a member whose client lives.
func (w *world) poll(rng *rand.Rand) {
	if m := w.anyMember(rng); m != nil {
		w.pollNow(m, rng)
	}
}

func (w *world) pollNow(m *member, rng *rand.Rand) {
	p := &poll{member: m, began: w.now(), slow: rng.IntN(2) == 0, lost: rng.IntN(10) == 0}
	p.req = queue.PollRequest{Member: m.name, Epoch: m.epoch, Max: 1 + rng.IntN(12), Batches: rng.IntN(5) == 0}
	p.req.Owned, p.named = m.owns()
	for i := range p.req.Owned {
		switch o := &p.req.Owned[i]; rng.IntN(40) {
		case 0:
			o.Offset = queue.NoOffset
		case 1:
			o.Offset += 50 // past the end, mostly
		case 2:
			o.Offset = max(0, o.Offset-queue.Offset(rng.IntN(10))) // again, from before
		default:
			continue
		}
		c := m.stream.cursor(p.req.Owned[i].Place)
		p.named[c] = int(p.req.Owned[i].Offset)
		m.owned[c] = p.named[c]
	}
	switch rng.IntN(8) {
	case 0:
		p.req.MaxBytes = int64(1 + rng.IntN(300))
	case 1:
		p.req.Max = 500
	}
	if p.waits = m.poll == nil && m.standing == present && rng.IntN(3) == 0; p.waits {
		p.req.Wait = time.Duration(1+rng.IntN(40)) * time.Second
	}
	w.send(p)
}

// send makes a poll; one that waits is judged when it has ended.
func (w *world) send(p *poll) {
	w.tally.calls++
	w.note("poll of %v, from %v on, at most %d records and %d bytes, waits %v, batches %v", p.member, p.from(), p.req.Max, p.req.MaxBytes, p.req.Wait, p.req.Batches)
	ctx, cancel := context.WithCancel(w.ctx)
	p.cancel = cancel
	b, name := w.b, p.member.stream.name
	call := func() {
		p.answer, p.err = b.Poll(ctx, name, p.req)
		p.at = time.Now().UnixMilli()
		p.done.Store(true)
	}
	if !p.waits {
		call()
		w.polled(p)
		return
	}
	p.member.poll = p
	w.polls = append(w.polls, p)
	go call()
}

// from is what a trace shows of the places that a poll names.
func (p *poll) from() (out []string) {
	for _, o := range p.req.Owned {
		out = append(out, fmt.Sprintf("%v@%d", o.Place, o.Offset))
	}
	return out
}

// answered takes the answers of polls that waited.
func (w *world) answered() (out []event) {
	w.polls = slices.DeleteFunc(w.polls, func(p *poll) bool {
		done := p.done.Load()
		if done {
			out = append(out, event{p.at, func() { w.polled(p) }})
		}
		return done
	})
	return out
}

// polled judges a poll, and has its client go on.
func (w *world) polled(p *poll) {
	p.cancel()
	m := p.member
	if m.poll == p {
		m.poll = nil
	}
	if w.streams[m.stream.name] != m.stream { // deleted while the call waited
		if p.err == nil && len(p.answer.Records)+len(p.answer.Batches) > 0 {
			w.violated("I16 progress", "a deleted group answers polls")
		}
		return
	}
	if m.standing == present {
		m.seen = w.now()
	}
	if p.waits && p.err == nil && m.standing == absent && m.ended == w.now() { // it was answered just before
		return
	}
	if errors.Is(p.err, context.Canceled) || !w.stands(m, "a poll", p.err) {
		return
	}
	records, err := unpack(&p.answer)
	if err != nil {
		w.violated("poll", "%v gets batches that cannot be read: %v", m, err)
		return
	}
	w.note("%v gets %v, is to give up %v, moved %v: %v", m, p.answer.Assignment, p.answer.Revoke, p.answer.Moved, extent(records))
	from, known := w.places(p)
	if !known || !w.told(m, p.named, p.moved(), &p.answer) || !w.inOrder(p, from, records) || p.lost {
		return
	}
	w.tally.polled += len(records)
	m.take(&p.answer, p.slow)
	for c, at := range from {
		if _, owns := m.owned[c]; owns {
			m.owned[c] = at
		}
	}
}

// moved says where an answer sends its member, by partition.
func (p *poll) moved() map[*cursor]int {
	out := map[*cursor]int{}
	for _, v := range p.answer.Moved {
		out[p.member.stream.cursor(v.Place)] = int(v.To)
	}
	return out
}

// extent is what a trace shows of records.
func extent(ds []ordered.Delivery) (out []string) {
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%v@%d", d.Place, d.Offset))
	}
	return out
}

// places returns from where on each partition that an answer assigns was read, and checks who was sent elsewhere. False: it tells of what the model does not know (yet).
func (w *world) places(p *poll) (map[*cursor]int, bool) {
	s, from := p.member.stream, map[*cursor]int{}
	for _, at := range p.answer.Assignment {
		c := s.cursor(at.Place)
		if c == nil {
			return nil, w.violates(!w.unsure[s.name], "poll", "%v is told of %v, which its group does not read", p.member, at.Place)
		}
		w.lookAt(c.part.topic)
		from[c] = s.next(c)
		if at, is := p.named[c]; is && at != int(queue.NoOffset) {
			from[c] = at
		}
	}
	moved := p.moved()
	for _, v := range p.answer.Moved {
		c := s.cursor(v.Place)
		lo, hi := startsAt(c.part, s.config.Start)
		at, inside := from[c], from[c] >= c.part.first && from[c] <= len(c.part.log)
		if w.at != 0 { // retention may have been there
			lo, hi, inside = 0, len(c.part.log), false
		}
		if at != int(v.From) || inside || int(v.To) < lo || int(v.To) > hi {
			w.violated("poll", "%v asks for %v from %d on, and is sent from %d to %d; it holds %d..%d, and start is %s, %d..%d", p.member, c, at, v.From, v.To, c.part.first, len(c.part.log), s.config.Start, lo, hi)
		}
	}
	for _, c := range s.cursors {
		at, asked := from[c]
		if to, is := moved[c]; is && asked {
			from[c] = to
		} else if asked && (at < c.part.first || at > len(c.part.log)) && w.at == 0 && !w.reading && !s.config.Paused {
			w.violated("poll", "%v asks for %v from %d on, and is not sent elsewhere; it holds %d..%d", p.member, c, at, c.part.first, len(c.part.log))
		}
	}
	return from, true
}

// violates is violated, if it is so.
func (w *world) violates(so bool, invariant, format string, args ...any) bool {
	if so {
		w.violated(invariant, format, args...)
	}
	return false
}

// inOrder checks that the records of an answer are those that follow in their partitions, and moves from on. False: some are not known to the model (yet).
func (w *world) inOrder(p *poll, from map[*cursor]int, records []ordered.Delivery) bool {
	s, size := p.member.stream, 0
	for i := range records {
		d := &records[i]
		c := s.cursor(d.Place)
		at, mine := from[c]
		if mine && int(d.Offset) >= len(c.part.log) && w.broken() { // it was appended just before the broker died, and nobody was told
			return false
		}
		if !mine || int(d.Offset) < at || int(d.Offset) >= len(c.part.log) {
			return w.violates(true, "poll", "%v gets %v@%d; it reads %v from %d on, which ends at %d", p.member, d.Place, d.Offset, mine, at, len(c.part.log))
		}
		if !w.skipped(c.part, at, int(d.Offset)) {
			return w.violates(true, "poll", "%v gets %v@%d, and was not given what is there from %d on", p.member, d.Place, d.Offset, at)
		}
		w.compare(c.part, c.part.log[d.Offset], &d.Record)
		from[c] = int(d.Offset) + 1
		size += len(d.Record.Key) + len(d.Record.Value)
	}
	if !p.req.Batches && (len(records) > p.req.Max || p.req.MaxBytes > 0 && size > int(p.req.MaxBytes) && len(records) > 1) {
		w.violated("poll", "%v gets %d records of %d bytes, asked for were %d of %d", p.member, len(records), size, p.req.Max, p.req.MaxBytes)
	}
	if s.config.Paused && len(records) > 0 && !w.unsure[s.name] {
		w.violated("pause", "%v gets records, and %s is paused", p.member, s.name)
	}
	// Batches may hold none that is wanted, where a rewrite took those: their client goes on behind them.
	if len(records) == 0 && len(p.answer.Batches) == 0 && !p.waits && w.sharp() && !s.config.Paused && !w.unsure[s.name] {
		for _, c := range s.cursors {
			if at, reads := from[c]; reads && c.holds(at) {
				w.violated("I16 progress", "%v gets nothing, and %v has records from %d on", p.member, c, at)
			}
		}
	}
	return true
}

// gap is an offset that was passed over a while ago: retention must have taken its record.
type gap struct {
	part   *part
	offset int
}

// skipped says whether offsets from..to hold no records. Of what happened a while ago that is found out at rest.
func (w *world) skipped(p *part, from, to int) bool {
	for ; from < to; from++ {
		if p.log[from].gone {
			continue
		}
		if w.at == 0 {
			return false
		}
		w.gaps = append(w.gaps, gap{p, from})
	}
	return true
}

// lookAt learns what retention did to a topic, unless the talk is of what was a while ago.
func (w *world) lookAt(t *topic) {
	if w.at == 0 {
		w.trimmed(t)
	}
}

// fill checks what was passed over.
func (w *world) fill() {
	for _, g := range w.gaps {
		if t := g.part.topic; w.topics[t.name] == t && !g.part.log[g.offset].gone {
			w.trimmed(t)
			w.violates(!g.part.log[g.offset].gone, "poll", "%s/%d at %d was passed over, and is there", t.name, g.part.index, g.offset)
		}
	}
	w.gaps = nil
}

// unpack returns the records of an answer, with those of its batches.
func unpack(a *queue.PollAnswer) ([]ordered.Delivery, error) {
	out := a.Records
	for _, s := range a.Batches {
		for _, piece := range s.Batches {
			for len(piece) > 0 {
				n := 12 + int(binary.BigEndian.Uint32(piece[8:])) // the length of what follows it stands behind the base offset
				r, err := record.NewReader(piece[:n])
				if err != nil {
					return nil, err
				}
				for r.Next() {
					if rec := r.Record(); rec.Offset >= s.From {
						rec.Headers = topics.Visible(rec.Headers)
						out = append(out, ordered.Delivery{Place: s.Place, Record: rec})
					}
				}
				if r.Err() != nil {
					return nil, r.Err()
				}
				piece = piece[n:]
			}
		}
	}
	return out, nil
}

// waiting checks that no poll waits for what is there, or longer than it may.
func (w *world) waiting() {
	for _, p := range w.polls {
		m, s, late := p.member, p.member.stream, w.now()-p.began
		switch {
		case w.streams[s.name] != s:
			w.violated("I16 progress", "a poll of %v waits, and its group is gone", m)
		case m.standing == absent:
			w.violated("I16 progress", "a poll of %v waits, and it is not in the group any more", m)
		case late > p.req.Wait.Milliseconds():
			w.violated("I16 progress", "a poll of %v waits for %d ms, asked for were %v", m, late, p.req.Wait)
		case late <= 1000 || s.config.Paused || !w.sharp() || w.unsure[s.name]: // with something to give up it ends within a second
			continue
		}
		r := w.roll(s)
		for _, c := range s.cursors {
			at, named := p.named[c]
			if !named && r != nil && r.holder[c] != m.name {
				continue
			}
			if !named || at == int(queue.NoOffset) {
				at = s.next(c)
			}
			if c.holds(at) {
				w.violated("I16 progress", "lost wake-up: a poll of %v waits since %d, and %v has records from %d on", m, p.began, c, at)
			}
		}
	}
}
