package redrive

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// A delta is a byte and what follows; numbers are uvarints. A checkpoint is all of a job in this order: definition, letters, ready, steps, fates, end; each with its length before it.
const (
	opDefine byte = 1 + iota // the definition as JSON
	opIDs                    // letters: log, and the offset as a signed difference to the one before
	opReady                  // it has all its letters
	opStep                   // for each of the next letters its redrives, 0 = skipped
	opNoted                  // turn, as the difference to the one before, and fate
	opEnd                    // state, milliseconds, and the rest is why
)

// maxIDs is how many letters one delta holds.
const maxIDs = 3000

var states = []State{Running, Done, Cancelled, Failed}

func encodeIDs(ids []share.LetterID) []byte {
	b, base := []byte{opIDs}, record.Offset(0)
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id.Log))
		b = binary.AppendVarint(b, int64(id.Offset-base))
		base = id.Offset
	}
	return b
}

func encodeStep(done []uint32) []byte {
	b := []byte{opStep}
	for _, n := range done {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func encodeNoted(some []noted) []byte {
	b, base := []byte{opNoted}, 0
	for _, n := range some {
		b = append(binary.AppendUvarint(b, uint64(n.turn-base)), byte(n.fate))
		base = n.turn
	}
	return b
}

// maxDetail is how many bytes of a reason are kept.
const maxDetail = 1000

func encodeEnd(s State, detail string, at time.Time) []byte {
	b := []byte{opEnd, 0}
	for i := range states {
		if states[i] == s {
			b[1] = byte(i)
		}
	}
	return append(binary.AppendVarint(b, at.UnixMilli()), detail...)
}

// Checkpoint implements system.Machine; the lock is held.
func (j *Job) Checkpoint() []byte {
	var b []byte
	add := func(d []byte) { b = varint.AppendString(b, d) }
	def, _ := json.Marshal(j.Definition) // it has only strings and numbers
	add(append([]byte{opDefine}, def...))
	add(encodeIDs(j.ids))
	if !j.ready {
		return b
	}
	add([]byte{opReady})
	add(encodeStep(j.redrives))
	var known []noted
	for turn, f := range j.fates {
		if f != share.Waits && j.redrives[turn] != 0 && !j.ToTopic {
			known = append(known, noted{turn, f})
		}
	}
	add(encodeNoted(known))
	if j.state != Running {
		add(encodeEnd(j.state, j.detail, j.finished))
	}
	return b
}

// Restore implements system.Machine.
func (j *Job) Restore(b []byte) error {
	for r := varint.NewReader(b); r.More(); {
		delta := r.Bytes()
		if r.Bad() {
			return corrupt("a checkpoint is cut short")
		}
		if err := j.Replay(delta); err != nil {
			return err
		}
	}
	return nil
}

func corrupt(why string) error { return fmt.Errorf("redrive: %s: %w", why, store.ErrCorrupt) }

// Replay implements system.Machine.
func (j *Job) Replay(delta []byte) error {
	if len(delta) == 0 {
		return corrupt("an empty delta")
	}
	r := varint.NewReader(delta[1:])
	switch delta[0] {
	case opDefine:
		if err := json.Unmarshal(r.Rest(), &j.Definition); err != nil {
			return corrupt(err.Error())
		}
	case opIDs:
		j.replayIDs(r)
	case opReady:
		j.ready = true
	case opStep:
		j.replayStep(r)
	case opNoted:
		j.replayNoted(r)
	case opEnd:
		n := r.UintTo(uint64(len(states) - 1))
		at := r.Int()
		if !r.Bad() {
			j.end(states[n], string(r.Rest()), time.UnixMilli(at).UTC())
		}
	default:
		r.Fail()
	}
	if r.Bad() {
		return corrupt(fmt.Sprintf("a delta of kind %d is none", delta[0]))
	}
	return nil
}

func (j *Job) replayIDs(r *varint.Reader) {
	at := int64(0)
	for r.More() {
		log := r.Uint()
		at += r.Int()
		if r.Bad() || at < 0 {
			r.Fail()
			return
		}
		j.ids = append(j.ids, share.LetterID{Log: store.LogID(log), Offset: record.Offset(at)})
	}
}

func (j *Job) replayStep(r *varint.Reader) {
	var done []uint32
	for r.More() {
		done = append(done, uint32(r.UintTo(math.MaxUint32)))
	}
	if r.Bad() || len(j.redrives)+len(done) > len(j.ids) {
		r.Fail()
		return
	}
	j.step(done)
}

func (j *Job) replayNoted(r *varint.Reader) {
	turn := 0
	for r.More() {
		turn += int(r.UintTo(1 << 40))
		fate := share.Fate(r.Byte())
		if r.Bad() || turn >= len(j.fates) || j.redrives[turn] == 0 || fate > share.Forgotten {
			r.Fail()
			return
		}
		j.took([]noted{{turn, fate}})
	}
}
