package keys

import (
	"encoding/binary"
	"fmt"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// Journal is the journal of a partition's index: what is in its notes, and how far compaction has come. Its notes are the index.
const Journal store.Journal = "keys"

// State says how far the partition is looked through. A delta holds all of it.
type State struct {
	Indexed record.Offset // records below are in the notes
	Clean   record.Offset // of records below, those superseded below are gone, except what Held tells
	Held    record.Offset // below it superseded records may be left that were not settled, 0 = none
	Oldest  int64         // ms: timestamp of the oldest tombstone, or record without key, left below Clean; 0 = none
}

func (s State) append(b []byte) []byte {
	for _, n := range []int64{int64(s.Indexed), int64(s.Clean), int64(s.Held), s.Oldest} {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func stateOf(b []byte) (State, error) {
	r := varint.NewReader(b)
	s := State{record.Offset(r.Int()), record.Offset(r.Int()), record.Offset(r.Int()), r.Int()}
	if r.Bad() || r.More() || s.Indexed < 0 || s.Clean < 0 || s.Clean > s.Indexed || s.Held < 0 {
		return State{}, fmt.Errorf("state of keys: %w", store.ErrCorrupt)
	}
	return s, nil
}

// Restore implements journal.Machine.
func (ix *Index) Restore(checkpoint []byte) error { return ix.Replay(checkpoint) }

// Replay implements journal.Machine.
func (ix *Index) Replay(delta []byte) (err error) {
	ix.state, err = stateOf(delta)
	return err
}

// Recover ends the replay: j is the journal that was replayed, nil if there was none.
func (ix *Index) Recover(j *journal.Journal) {
	if j == nil {
		j = journal.New(Journal)
	}
	ix.journal = j
	ix.next = ix.state.Indexed
}

// entries returns what makes a state durable. The turn is held.
func (ix *Index) entries(s State) []store.Entry {
	b := s.append(nil)
	out := []store.Entry{ix.journal.Delta(b)}
	if ix.journal.Due() {
		out = append(out, ix.journal.Checkpoint(b)...) // one piece, in the same unit
		ix.journal.Written()
	}
	return out
}
