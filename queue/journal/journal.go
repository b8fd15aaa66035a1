package journal

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/store"
)

// MinCheckpoint is how many bytes of deltas are written before a checkpoint is worth its own bytes.
const MinCheckpoint = 256 << 10

// Journal numbers the entries of one state machine on one log. Its owner's lock guards it.
type Journal struct {
	name    store.Journal
	seq     uint64 // of the last delta
	since   int    // bytes of deltas since the last checkpoint was encoded
	size    int    // bytes of that checkpoint
	writing bool   // a checkpoint is on its way
}

// New returns the journal of a new state machine.
func New(name store.Journal) *Journal { return &Journal{name: name} }

// Name returns the journal's name.
func (j *Journal) Name() store.Journal { return j.name }

// Deltas returns how many deltas were numbered so far.
func (j *Journal) Deltas() uint64 { return j.seq }

// Delta returns the entry of the next step.
func (j *Journal) Delta(b []byte) store.Entry {
	j.seq++
	j.since += len(b)
	return store.Entry{Journal: j.name, Kind: store.Delta, Seq: j.seq, Bytes: b}
}

// Due tells that a checkpoint should be written: the deltas since the last one take more than it did.
func (j *Journal) Due() bool { return !j.writing && j.since > max(MinCheckpoint, j.size) }

// Checkpoint cuts a checkpoint of the state after the last delta into pieces and the entry that completes it. They are to be
// committed in order; it is under way until Written.
func (j *Journal) Checkpoint(b []byte) []store.Entry { return j.CheckpointAt(j.Begin(), b) }

// Begin says that a checkpoint of the state after the last delta is under way, for who encodes it later: the delta's number goes to CheckpointAt.
func (j *Journal) Begin() (seq uint64) {
	j.writing, j.since = true, 0
	return j.seq
}

// CheckpointAt is Checkpoint of the state that was there at Begin.
func (j *Journal) CheckpointAt(seq uint64, b []byte) []store.Entry {
	j.size = len(b)
	var out []store.Entry
	for part := uint32(0); ; part++ {
		n := min(len(b), store.MaxEntryBytes)
		out = append(out, store.Entry{Journal: j.name, Kind: store.Piece, Seq: seq, Part: part, Bytes: b[:n]})
		if b = b[n:]; len(b) == 0 {
			return append(out, store.Entry{Journal: j.name, Kind: store.Checkpoint, Seq: seq, Part: part + 1})
		}
	}
}

// Written says that the checkpoint under way is durable.
func (j *Journal) Written() { j.writing = false }

// Machine is a state machine being restored: Restore once, if there is a checkpoint, then Replay for each delta after it.
type Machine interface {
	Restore(checkpoint []byte) error
	Replay(delta []byte) error
}

// Replay restores the state machines of a log. machine returns the one of a journal, or nil for a journal that nobody
// owns any more; those are returned as stray. Errors: the log's and the machines', with the journal's name.
func Replay(ctx context.Context, log store.Log, machine func(store.Journal) Machine) (journals map[store.Journal]*Journal, stray []store.Journal, err error) {
	r := &replayer{journals: map[store.Journal]*Journal{}}
	err = log.Replay(ctx, func(e store.Entry) error {
		if r.current == nil || r.current.name != e.Journal {
			if err := r.begin(e.Journal, machine(e.Journal)); err != nil {
				return err
			}
			if r.machine == nil {
				stray = append(stray, e.Journal)
			}
		}
		return r.entry(e)
	})
	if err == nil {
		err = r.restore()
	}
	if err != nil {
		return nil, nil, err
	}
	return r.journals, stray, nil
}

// replayer follows one journal after the other.
type replayer struct {
	journals map[store.Journal]*Journal
	current  *Journal
	machine  Machine
	pieces   []byte
	restored bool
}

func (r *replayer) begin(name store.Journal, m Machine) error {
	if err := r.restore(); err != nil {
		return err
	}
	r.current, r.machine, r.pieces, r.restored = New(name), m, nil, true
	if m != nil {
		r.journals[name] = r.current
	}
	return nil
}

func (r *replayer) entry(e store.Entry) error {
	if e.Kind == store.Piece {
		r.pieces = append(r.pieces, e.Bytes...)
		r.current.seq, r.restored = e.Seq, false
		return nil
	}
	if err := r.restore(); err != nil {
		return err
	}
	r.current.seq = e.Seq
	r.current.since += len(e.Bytes)
	if r.machine == nil {
		return nil
	}
	if err := r.machine.Replay(e.Bytes); err != nil {
		return fmt.Errorf("journal %s, delta %d: %w", e.Journal, e.Seq, err)
	}
	return nil
}

// restore gives the machine the checkpoint gathered so far, once.
func (r *replayer) restore() error {
	if r.restored || r.current == nil {
		return nil
	}
	r.restored = true
	r.current.size = len(r.pieces)
	if r.machine == nil {
		return nil
	}
	if err := r.machine.Restore(r.pieces); err != nil {
		return fmt.Errorf("journal %s, checkpoint %d: %w", r.current.name, r.current.seq, err)
	}
	return nil
}
