package schedule

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// FiringsJournal is the journal, on the log of a topic's delayed records, of when its schedules fired last.
const FiringsJournal store.Journal = "cron"

// Firings knows when the schedules of one topic fired last; it implements journal.Machine. A delta is a schedule's id (uvarint)
// and the time it fired for (varint, ms); a checkpoint is all of them. Its lock is the last before the committer's.
type Firings struct {
	mu      sync.Mutex
	last    map[uint64]int64
	journal *journal.Journal
}

// NewFirings returns one that knows of none.
func NewFirings() *Firings {
	return &Firings{last: map[uint64]int64{}, journal: journal.New(FiringsJournal)}
}

// Restore implements journal.Machine.
func (f *Firings) Restore(checkpoint []byte) error { return f.Replay(checkpoint) }

// Replay implements journal.Machine.
func (f *Firings) Replay(delta []byte) error {
	for r := varint.NewReader(delta); r.More(); {
		id, at := r.Uint(), r.Int()
		if r.Bad() {
			return fmt.Errorf("firings of schedules: %w", store.ErrCorrupt)
		}
		f.last[id] = at
	}
	return nil
}

// Recover gives it its journal, after a replay; nil if there is none.
func (f *Firings) Recover(j *journal.Journal) {
	if j != nil {
		f.journal = j
	}
}

// Of returns the time that a schedule fired for last.
func (f *Firings) Of(id uint64) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ms, ok := f.last[id]
	return time.UnixMilli(ms).UTC(), ok
}

// Lock is held around Noted and Fired.
func (f *Firings) Lock() { f.mu.Lock() }

// Unlock gives the lock back.
func (f *Firings) Unlock() { f.mu.Unlock() }

// Noted tells whether a schedule fired for a time, or a later one; the lock is held.
func (f *Firings) Noted(id uint64, at time.Time) bool { return f.last[id] >= at.UnixMilli() }

// Fired notes a firing and returns what goes into its unit. The lock is held until that is enqueued: the journal's order is the log's.
func (f *Firings) Fired(log store.LogID, id uint64, at time.Time) commit.Part {
	f.last[id] = at.UnixMilli()
	part := commit.Part{Log: log, Entries: []store.Entry{f.journal.Delta(appendFiring(nil, id, at.UnixMilli()))}}
	if f.journal.Due() {
		var b []byte
		for _, id := range slices.Sorted(maps.Keys(f.last)) {
			b = appendFiring(b, id, f.last[id])
		}
		part.Entries = append(part.Entries, f.journal.Checkpoint(b)...)
		f.journal.Written() // at most MaxSchedules of 16 bytes: they go into the same unit
	}
	return part
}

func appendFiring(b []byte, id uint64, ms int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(b, id), ms)
}
