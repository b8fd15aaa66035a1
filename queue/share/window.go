package share

import (
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// window is a group's progress on one partition: the lease machine, its journal, and what the group remembers beside it. The
// group's lock guards it.
type window struct {
	machine *lease.Window
	part    *partition.Partition
	name    string // for Committer.Turn
	journal *journal.Journal

	freed   commit.Ticket // of the newest delta that made a record or a key available
	ready   bool          // in its lane
	filling bool          // somebody reads ahead for it
	filled  chan struct{} // closed when that is done
	slow    bool          // that takes long: leases pass the window over
	touched bool          // by the settle under way
	notes   []store.Note  // of the settle under way

	cuts     []store.Entry // deltas that are not enqueued yet
	sinceCut int           // settles since the last one
	closed   bool          // detached: nothing may be journaled any more

	counted tally    // of what the group's totals have of it
	reading *reading // of its topic
	thin    bool     // it is among the group's

	held      map[string]int // leases of each member, as they were counted last
	uncounted bool           // they may have changed since

	backs  backs // its redriven records
	stamps stamps

	burying   chan struct{} // one slot: held while its dead letters are made
	buries    bool          // somebody does so in the background
	buryRests bool          // some could not be made, and are left alone for a while

	rereads bool // somebody is to read its unread records again

	unread    error // of the last read ahead
	restUntil int64 // ms: the partition could not be read, and is left alone until then; 0 = it can
}

// stamps remember when the first records were appended that are not settled, that can be handed out, and that were redriven and are not settled.
type stamps struct{ left, ready, back partition.Stamp }

// restMillis is how long a partition that cannot be read, or a dead letter that cannot be written, rests.
const restMillis = 1000

func (w *window) durableEnd() record.Offset {
	_, end := w.part.Bounds()
	return end
}

// edit returns what a unit does to the window's log: its delta, if there is one, and the notes.
func (w *window) edit(notes ...store.Note) (commit.Part, bool) {
	p := commit.Part{Log: w.part.ID, Notes: notes}
	w.cut()
	p.Entries, w.cuts = w.cuts, nil
	return p, len(p.Entries)+len(notes) > 0
}

// cutEvery is how many settles the machine promises to fit into one delta.
const cutEvery = 1000

// cut ends a delta: a journal's entry has a limit.
func (w *window) cut() {
	w.sinceCut = 0
	if b := w.machine.TakeDelta(nil); len(b) > 0 {
		w.cuts = append(w.cuts, w.journal.Delta(b))
	}
}

// settled counts a settle towards the next cut.
func (w *window) settled() {
	if w.sinceCut++; w.sinceCut == cutEvery {
		w.cut()
	}
}

// Restored is a window being replayed; it implements journal.Machine.
type Restored struct {
	cfg     lease.Config
	epoch   uint32
	machine *lease.Window
}

// NewRestored begins the replay of a window attached at an epoch.
func NewRestored(cfg lease.Config, epoch uint32) *Restored {
	return &Restored{cfg: cfg, epoch: epoch, machine: lease.New(cfg, 0, epoch)}
}

// Restore implements journal.Machine.
func (r *Restored) Restore(checkpoint []byte) error {
	m, err := lease.Restore(r.cfg, checkpoint)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	r.machine = m
	return nil
}

// Replay implements journal.Machine.
func (r *Restored) Replay(delta []byte) error {
	if err := r.machine.Replay(delta); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// keyHash hashes a key for the machine: 64-bit FNV-1a, 0 for no key. Journals hold the hashes, so the function is fixed.
func keyHash(key []byte) uint64 {
	if key == nil {
		return 0
	}
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	if h == 0 {
		h = 1
	}
	return h
}
