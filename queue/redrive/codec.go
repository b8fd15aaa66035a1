package redrive

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
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
	add := func(d []byte) { b = append(binary.AppendUvarint(b, uint64(len(d))), d...) }
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
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return corrupt("a checkpoint is cut short")
		}
		if err := j.Replay(b[size:][:n]); err != nil {
			return err
		}
		b = b[size+int(n):]
	}
	return nil
}

func corrupt(why string) error { return fmt.Errorf("redrive: %s: %w", why, store.ErrCorrupt) }

// reader reads numbers; after damage it is bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Replay implements system.Machine.
func (j *Job) Replay(delta []byte) error {
	if len(delta) == 0 {
		return corrupt("an empty delta")
	}
	r := reader{b: delta[1:]}
	switch delta[0] {
	case opDefine:
		if err := json.Unmarshal(r.b, &j.Definition); err != nil {
			return corrupt(err.Error())
		}
	case opIDs:
		j.replayIDs(&r)
	case opReady:
		j.ready = true
	case opStep:
		j.replayStep(&r)
	case opNoted:
		j.replayNoted(&r)
	case opEnd:
		n := r.uint(uint64(len(states) - 1))
		at := r.int()
		if !r.bad {
			j.end(states[n], string(r.b), time.UnixMilli(at).UTC())
		}
	default:
		r.bad = true
	}
	if r.bad {
		return corrupt(fmt.Sprintf("a delta of kind %d is none", delta[0]))
	}
	return nil
}

func (j *Job) replayIDs(r *reader) {
	at := int64(0)
	for len(r.b) > 0 {
		log := r.uint(1<<64 - 1)
		at += r.int()
		if r.bad = r.bad || at < 0; r.bad {
			return
		}
		j.ids = append(j.ids, share.LetterID{Log: store.LogID(log), Offset: record.Offset(at)})
	}
}

func (j *Job) replayStep(r *reader) {
	var done []uint32
	for len(r.b) > 0 {
		done = append(done, uint32(r.uint(1<<32-1)))
	}
	if r.bad = r.bad || len(j.redrives)+len(done) > len(j.ids); !r.bad {
		j.step(done)
	}
}

func (j *Job) replayNoted(r *reader) {
	turn := 0
	for len(r.b) > 0 {
		turn += int(r.uint(1 << 40))
		if len(r.b) == 0 || turn >= len(j.fates) || j.redrives[turn] == 0 || share.Fate(r.b[0]) > share.Forgotten {
			r.bad = true
			return
		}
		j.note([]noted{{turn, share.Fate(r.b[0])}})
		r.b = r.b[1:]
	}
}
