package roster

import (
	"encoding/binary"
	"math"

	"github.com/holtmq/holt/queue/varint"
)

// A delta is operations one after the other, each a byte and its fields (uvarints; strings with their length): it says what became of a member or
// a partition, whatever was before. A checkpoint is the operations that make the roster from nothing.
const (
	opEpoch  = 1 // the last epoch given
	opMember = 2 // name, epoch, session (ms), 0 = reads all topics or their count + 1, the topics' ids
	opGone   = 3 // name
	opPart   = 4 // log, epoch of the member that is to hold it or 0, epoch of the one that holds it or 0
)

// maxDelta is how many bytes a delta has, about, before the next one begins.
const maxDelta = 32 << 10

// writer gathers what changed.
type writer struct {
	done [][]byte
	b    []byte
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) string(s string) { w.b = varint.AppendString(w.b, s) }

func (w *writer) end() {
	if len(w.b) >= maxDelta {
		w.done = append(w.done, w.b)
		w.b = nil
	}
}

func (w *writer) last(epoch int64) {
	w.b = append(w.b, opEpoch)
	w.uint(uint64(epoch))
}

func (w *writer) member(m *member) {
	w.b = append(w.b, opMember)
	w.string(m.name)
	w.uint(uint64(m.epoch))
	w.uint(uint64(m.session))
	if m.topics == nil {
		w.uint(0)
	} else {
		w.uint(uint64(len(m.topics)) + 1)
		for _, id := range m.topics {
			w.uint(id)
		}
	}
	w.end()
}

func (w *writer) gone(m *member) {
	w.b = append(w.b, opGone)
	w.string(m.name)
	w.end()
}

func (w *writer) part(p *part) {
	w.b = append(w.b, opPart)
	w.uint(uint64(p.log))
	for _, m := range []*member{p.target, p.holder} {
		if m == nil {
			w.uint(0)
		} else {
			w.uint(uint64(m.epoch))
		}
	}
	w.end()
}

// TakeDeltas returns what changed since the last call, in order; none if nothing did.
func (r *Roster) TakeDeltas() [][]byte {
	out := r.log.done
	if len(r.log.b) > 0 {
		out = append(out, r.log.b)
	}
	r.log = writer{}
	return out
}

// Checkpoint returns the whole roster, as after the last delta.
func (r *Roster) Checkpoint() (b []byte) {
	var w writer
	w.last(r.epoch)
	for _, m := range r.members {
		w.member(m)
	}
	for _, p := range r.parts {
		if p.target != nil || p.holder != nil {
			w.part(p)
		}
	}
	for _, d := range append(w.done, w.b) {
		b = append(b, d...)
	}
	return b
}

// Restore implements journal.Machine.
func (r *Roster) Restore(checkpoint []byte) error { return r.Replay(checkpoint) }

// Replay implements journal.Machine. SetTopics ends a replay, then Resume.
func (r *Roster) Replay(delta []byte) error {
	d := varint.NewReader(delta)
	for d.More() {
		switch d.Byte() {
		case opEpoch:
			r.epoch = d.Natural()
		case opMember:
			r.replayMember(d)
		case opGone:
			if m := r.byName[d.String()]; m != nil {
				r.replayGone(m)
			}
		case opPart:
			r.replayPart(d)
		default:
			d.Fail()
		}
	}
	if d.Bad() {
		return ErrCorrupt
	}
	return nil
}

func (r *Roster) replayMember(d *varint.Reader) {
	name, epoch, session := d.String(), d.Natural(), d.Natural()
	var topics []uint64
	if n := d.Uint(); n > 0 {
		topics = []uint64{}
		for range n - 1 {
			if d.Bad() {
				break
			}
			topics = append(topics, d.Uint())
		}
	}
	if d.Bad() || epoch == 0 {
		d.Fail()
		return
	}
	m := r.byName[name]
	if m == nil {
		m = &member{name: name}
		r.add(m)
	}
	r.rename(m, epoch)
	r.epoch = max(r.epoch, epoch)
	m.session, m.topics = session, topics
}

func (r *Roster) replayGone(m *member) {
	for _, p := range r.restored {
		if p.target == m {
			p.target = nil
		}
	}
	r.remove(m)
	r.log, r.changed = writer{}, nil
}

func (r *Roster) replayPart(d *varint.Reader) {
	log, target, holder := Log(d.Uint()), d.Natural(), d.Natural()
	if d.Bad() {
		return
	}
	p := r.restored[log]
	if p == nil {
		p = &part{log: log, ordinal: math.MaxInt}
		r.restored[log] = p
	}
	p.target = r.byEpoch[target] // nil if a checkpoint knows already that the member has gone
	r.hold(p, r.byEpoch[holder])
	r.log, r.changed = writer{}, nil
}
