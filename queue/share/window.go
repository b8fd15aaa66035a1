package share

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// window is a group's progress on one partition: the lease machine, its journal, and what the group remembers beside it. The
// group's lock guards it.
type window struct {
	machine *lease.Window
	part    *partition.Partition
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

	buryAt    int64 // ms: their letters could not be written, and are tried again then
	unread    error // of the last read ahead
	restUntil int64 // ms: the partition could not be read, and is left alone until then; 0 = it can
}

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

// fillBytes is about how many bytes of records one read ahead looks at.
const fillBytes = 256 << 10

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

// minSkip is how many offsets without a record are worth a skip of their own.
const minSkip = 64

// readAhead describes the records of a partition from an offset on, as many as one Offer takes. There is none before first; without records, that is the
// end of what was looked at.
func readAhead(ctx context.Context, p *partition.Partition, from record.Offset) (first record.Offset, out []lease.Offered, err error) {
	start, end := p.Bounds()
	first = max(from, start) // retention may have been faster than the group
	next, size := first, 0
	err = p.Scan(ctx, first, fillBytes, func(r *record.Reader) error {
		if len(out) == 0 && r.Offset()-first >= minSkip {
			first, next = r.Offset(), r.Offset()
		}
		for ; next < r.Offset() && len(out) < lease.MaxOffer; next++ {
			out = append(out, lease.Offered{Gone: true})
		}
		if len(out) == lease.MaxOffer || size > fillBytes {
			return partition.Stop()
		}
		o := lease.Offered{Size: uint32(r.Size()), Key: keyHash(r.Key())}
		if rec := r.Record(); len(rec.Headers) > 0 {
			if ttl := topic.TTL(rec); ttl > 0 {
				o.Dies = rec.Timestamp.Add(ttl).UnixMilli()
			}
		}
		out = append(out, o)
		size += int(o.Size)
		next++
		return nil
	})
	if err == nil && len(out) == 0 {
		first = max(first, end)
	}
	return first, out, err
}
