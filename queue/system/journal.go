package system

import (
	"fmt"
	"sync"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/store"
)

// Machine is a state machine on the server's log. Open calls Restore and Replay; Part calls Checkpoint, under the lock that Part is called
// under: it returns the whole state, and the bytes are the journal's from then on. It must not call back.
type Machine interface {
	journal.Machine
	Checkpoint() []byte
}

// Journal is the journal of one machine. A step is written in this order, all of it under the machine's own lock:
//
//	m.mu.Lock()
//	m.apply(step)                                 // the machine is after the step
//	part := m.journal.Part(encode(step))          // may take a checkpoint of it
//	t := committer.Enqueue(commit.Unit{part})     // always, or the journal has a hole; other parts may stand beside it
//	m.mu.Unlock()
//	err := committer.Wait(ctx, t)                 // before anybody is told
type Journal struct {
	log  *Log
	name store.Journal

	mu      sync.Mutex // the last before the committer's
	machine Machine
	inner   *journal.Journal
	pending []store.Entry // a checkpoint whose delta may not be enqueued yet
	gone    bool
}

// MaxDelta is how many bytes one delta may have. A longer step is several deltas of one part.
const MaxDelta = store.MaxEntryBytes

// Name returns the journal's name.
func (j *Journal) Name() store.Journal { return j.name }

// Part returns the machine's next step, deltas of at most MaxDelta bytes each, as a part of a unit, with a checkpoint of the machine if one is due. A unit
// has one part of a journal.
func (j *Journal) Part(deltas ...[]byte) commit.Part {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone {
		panic(fmt.Sprintf("journal %s: a delta after it was forgotten", j.name))
	}
	if j.pending != nil { // the step before this one is enqueued by now: no piece may come before the delta it is a checkpoint of
		pieces := j.pending
		j.pending = nil
		nth := j.log.checkpoints.Add(1)
		j.log.work.Go(func() {
			j.log.committer.TurnOf(nth, "checkpoint of the server")
			j.write(pieces)
		})
	}
	part := commit.Part{Log: LogID}
	for _, d := range deltas {
		if len(d) > MaxDelta {
			panic(fmt.Sprintf("journal %s: a delta of %d bytes, at most %d", j.name, len(d), MaxDelta))
		}
		part.Entries = append(part.Entries, j.inner.Delta(d))
	}
	if !j.inner.Due() {
		return part
	}
	pieces := j.inner.Checkpoint(j.machine.Checkpoint())
	if len(pieces) == 2 { // one piece, and its end
		part.Entries = append(part.Entries, pieces...)
		j.inner.Written()
		return part
	}
	j.pending = pieces
	return part
}

// write brings a checkpoint to the disk, a piece a commit.
func (j *Journal) write(pieces []store.Entry) {
	for _, e := range pieces {
		j.mu.Lock()
		if j.gone {
			j.mu.Unlock()
			return
		}
		t := j.log.committer.Enqueue(commit.Unit{{Log: LogID, Entries: []store.Entry{e}}})
		j.mu.Unlock()
		if j.log.committer.Wait(j.log.ctx, t) != nil {
			return
		}
	}
	j.mu.Lock()
	j.inner.Written()
	j.mu.Unlock()
}

// Forget returns the part of a unit that deletes the journal; no Part may follow. A journal of the same name may Begin once that unit is enqueued.
func (j *Journal) Forget() commit.Part {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	return forget(j.name)
}

func forget(name store.Journal) commit.Part {
	return commit.Part{Log: LogID, Entries: []store.Entry{{Journal: name, Kind: store.Forget}}}
}
