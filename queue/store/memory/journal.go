package memory

import (
	"fmt"
	"maps"

	"github.com/holtmq/holt/queue/store"
)

// journal is one journal of a log.
type journal struct {
	sequence
	deltas  [][]byte // those at (last − len, last]
	pieces  [][]byte // of the complete checkpoint
	pending [][]byte // of the incomplete one

	notes map[store.Offset][]byte
	sweep int // notes at which those below start are looked for
}

// sequence is the part of a journal that decides what may come next.
type sequence struct {
	last    uint64 // newest delta
	at      uint64 // complete checkpoint
	pending uint64 // checkpoint under way; 0: none
	parts   uint32 // pieces of it
}

// step checks that e may come next, and moves on.
func (q *sequence) step(e *store.Entry) error {
	switch e.Kind {
	case store.Delta:
		if e.Seq != q.last+1 {
			return fmt.Errorf("delta %d after %d", e.Seq, q.last)
		}
		q.last = e.Seq
	case store.Piece:
		if e.Seq <= q.at || e.Seq > q.last {
			return fmt.Errorf("piece at %d, want one after %d and up to %d", e.Seq, q.at, q.last)
		}
		if e.Part == 0 {
			q.pending, q.parts = e.Seq, 0
		}
		if e.Seq != q.pending || e.Part != q.parts {
			return fmt.Errorf("piece %d of %d, while piece %d of %d is due", e.Part, e.Seq, q.parts, q.pending)
		}
		q.parts++
	case store.Checkpoint:
		if e.Seq != q.pending || e.Part != q.parts {
			return fmt.Errorf("checkpoint %d of %d pieces, while there are %d of %d", e.Seq, e.Part, q.parts, q.pending)
		}
		q.at, q.pending, q.parts = e.Seq, 0, 0
	case store.Forget:
		*q = sequence{}
	}
	return nil
}

// enter adds a checked entry that is not Forget, and returns by how much the journal grew.
func (j *journal) enter(e *store.Entry) int64 {
	grown := int64(len(e.Bytes))
	switch e.Kind {
	case store.Delta:
		j.deltas = append(j.deltas, e.Bytes)
	case store.Piece:
		if e.Part == 0 {
			grown -= sum(j.pending)
			j.pending = nil
		}
		j.pending = append(j.pending, e.Bytes)
	case store.Checkpoint:
		first := j.last - uint64(len(j.deltas)) + 1
		gone := j.deltas[:e.Seq+1-first]
		grown -= sum(j.pieces) + sum(gone)
		clear(gone)
		j.deltas = j.deltas[len(gone):]
		j.pieces, j.pending = j.pending, nil
	}
	if err := j.step(e); err != nil {
		panic("entry was checked: " + err.Error())
	}
	return grown
}

// abandon forgets the checkpoint under way. Its bytes stay counted until the next one begins, as they would on a disk.
func (j *journal) abandon() {
	j.sequence.pending, j.parts = 0, 0
}

// note puts or removes a note, and returns by how much the journal grew. Notes below start are not kept.
func (j *journal) note(at store.Offset, b []byte, start store.Offset) int64 {
	grown := -int64(len(j.notes[at]))
	if len(b) == 0 || at < start {
		delete(j.notes, at)
		return grown
	}
	if len(j.notes) >= j.sweep {
		grown -= j.sweepNotes(start)
	}
	if j.notes == nil {
		j.notes = map[store.Offset][]byte{}
	}
	j.notes[at] = b
	return grown + int64(len(b))
}

// sweepNotes removes notes below start; it runs again when twice as many are there, so that its cost per note stays constant.
func (j *journal) sweepNotes(start store.Offset) (freed int64) {
	maps.DeleteFunc(j.notes, func(at store.Offset, b []byte) bool {
		if at < start {
			freed += int64(len(b))
		}
		return at < start
	})
	j.sweep = max(64, 2*len(j.notes))
	return freed
}

func (j *journal) size() int64 {
	n := sum(j.deltas) + sum(j.pieces) + sum(j.pending)
	for _, b := range j.notes {
		n += int64(len(b))
	}
	return n
}

func sum(bs [][]byte) int64 {
	n := 0
	for _, b := range bs {
		n += len(b)
	}
	return int64(n)
}
