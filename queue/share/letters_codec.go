package share

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// A delta is a byte, then what follows for each letter; numbers are uvarints, times varints. Places are the log and offset of the record that died.
const (
	opBareLetter  = 1 // place, letter: opened, as the first version kept it
	opCloseLetter = 2 // place: forgotten
	opCloseFrom   = 3 // one place: the open and redriven ones of its log from there on are forgotten
	opOpenLetter  = 4 // an entry: opened, in place of what the record had
	opRedriven    = 5 // place, 1 + offset of the edited record (0 = the letter's): delivered again
	opPurged      = 6 // place
	opAllLetters  = 7 // of a checkpoint: entry, state, 1 + offset of the edited record
)

// isBare marks an entry whose letter's version did not keep more.
const isBare = 1 << 7

// Limits of one delta.
const (
	maxOpened = 500  // letters opened by one
	maxClosed = 1500 // letters another step is about
)

// Restore implements journal.Machine.
func (l *Letters) Restore(checkpoint []byte) error {
	*l = *NewLetters(l.part)
	return l.Replay(checkpoint)
}

// Replay implements journal.Machine.
func (l *Letters) Replay(delta []byte) error {
	if len(delta) == 0 || delta[0] < opBareLetter || delta[0] > opAllLetters {
		return fmt.Errorf("dead letters: %w", store.ErrCorrupt)
	}
	r := varint.NewReader(delta[1:])
	for r.More() {
		l.replay(delta[0], r)
	}
	if r.Bad() {
		return fmt.Errorf("dead letters: %w", store.ErrCorrupt)
	}
	return nil
}

func (l *Letters) replay(op byte, r *varint.Reader) {
	switch op {
	case opOpenLetter:
		e := readEntry(r)
		e.state = letter.Open
		if !r.Bad() {
			l.put(e)
		}
		return
	case opAllLetters:
		e := readEntry(r)
		state := r.Byte()
		e.state, e.bare = letter.State(state&^isBare), state&isBare != 0
		edited := record.Offset(r.Uint()) - 1
		if r.Bad() || e.state < letter.Open || e.state > letter.Purged || l.by[e.place] != nil {
			r.Fail()
			return
		}
		l.put(e)
		if edited >= 0 {
			l.edits[e.place] = edited
		}
		return
	}
	at := place{store.LogID(r.Uint()), lease.Offset(r.Uint())}
	e := l.by[at]
	switch op {
	case opBareLetter:
		e := &entry{place: at, letter: record.Offset(r.Uint()), state: letter.Open, bare: true}
		if !r.Bad() {
			l.put(e)
		}
	case opCloseLetter:
		if e != nil {
			l.take(e)
		}
	case opCloseFrom:
		if !r.Bad() {
			l.closeFrom(at)
		}
	case opRedriven:
		edited := record.Offset(r.Uint()) - 1
		if e == nil {
			r.Fail()
		}
		if !r.Bad() {
			l.redriven(e, edited)
		}
	case opPurged:
		if e == nil {
			r.Fail()
		}
		if !r.Bad() {
			l.move(e, letter.Purged)
		}
	}
}

func appendPlace(b []byte, at place) []byte {
	b = binary.AppendUvarint(b, uint64(at.log))
	return binary.AppendUvarint(b, uint64(at.at))
}

func (e *entry) append(b []byte) []byte {
	b = appendPlace(b, e.place)
	b = binary.AppendUvarint(b, uint64(e.letter))
	b = binary.AppendVarint(b, e.born)
	b = binary.LittleEndian.AppendUint64(b, e.key)
	for _, v := range [...]uint32{e.size, e.deliveries, e.redrives} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func readEntry(r *varint.Reader) *entry {
	e := &entry{place: place{store.LogID(r.Uint()), lease.Offset(r.Natural())}}
	e.letter, e.born = record.Offset(r.Natural()), r.Int()
	if key := r.Take(8); key != nil {
		e.key = binary.LittleEndian.Uint64(key)
	}
	for _, v := range [...]*uint32{&e.size, &e.deliveries, &e.redrives} {
		*v = uint32(r.UintTo(math.MaxUint32))
	}
	return e
}

// encodeOpened encodes letters that were opened.
func encodeOpened(dead []*entry) (out [][]byte) {
	for some := range slices.Chunk(dead, maxOpened) {
		b := []byte{opOpenLetter}
		for _, e := range some {
			b = e.append(b)
		}
		out = append(out, b)
	}
	return out
}

// encodePlaces encodes a step about letters that are known.
func encodePlaces(op byte, places []place) (out [][]byte) {
	for some := range slices.Chunk(places, maxClosed) {
		b := []byte{op}
		for _, at := range some {
			b = appendPlace(b, at)
		}
		out = append(out, b)
	}
	return out
}

// encodeRedriven encodes letters whose records are delivered again; edited is where the new body of a single one is, −1 if it has none.
func encodeRedriven(places []place, edited record.Offset) (out [][]byte) {
	for some := range slices.Chunk(places, maxClosed) {
		b := []byte{opRedriven}
		for _, at := range some {
			b = binary.AppendUvarint(appendPlace(b, at), uint64(edited+1))
		}
		out = append(out, b)
	}
	return out
}

// entryBytes is about what a letter takes in a checkpoint.
const entryBytes = 40

// checkpoint encodes all letters.
func (l *Letters) checkpoint() []byte {
	b := append(make([]byte, 0, 1+len(l.rows)*entryBytes), opAllLetters)
	for _, e := range l.rows {
		if e.gone {
			continue
		}
		state := byte(e.state)
		if e.bare {
			state |= isBare
		}
		edited, any := l.edits[e.place]
		if !any {
			edited = -1
		}
		b = binary.AppendUvarint(append(e.append(b), state), uint64(edited+1))
	}
	return b
}
