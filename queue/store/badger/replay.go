package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// Replay implements store.Log. Journals come in the order of their names.
func (l *log) Replay(ctx context.Context, fn func(store.Entry) error) error {
	if err := l.replay(ctx, fn); err != nil {
		return fmt.Errorf("replay log %d: %w", l.st.id, err)
	}
	return nil
}

func (l *log) replay(ctx context.Context, fn func(store.Entry) error) error {
	if err := l.s.catchUp(); err != nil {
		return err
	}
	var names []store.Journal
	seq, err := l.s.beginRead(func() { names = l.st.names() })
	if err != nil {
		return err
	}
	l.s.endRead(seq)
	for _, name := range names {
		r := replayer{ctx: ctx, log: l.st.id, name: name, fn: fn}
		// A second try goes on after the last entry that the first one has handed out.
		err := l.read(ctx, func(v *view) error {
			j := l.journal(name)
			if j == nil {
				return nil
			}
			return r.run(v.txn, j)
		})
		if err != nil {
			return fmt.Errorf("journal %q: %w", name, err)
		}
	}
	return nil
}

func (l *log) journal(name store.Journal) *journal {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.st.journals[name]
}

// replayer hands out one journal's live entries, each once.
type replayer struct {
	ctx   context.Context
	log   store.LogID
	name  store.Journal
	fn    func(store.Entry) error
	parts uint32 // pieces handed out
	seq   uint64 // the delta due; 0: pieces first
}

func (r *replayer) run(txn *badgerdb.Txn, j *journal) error {
	for r.parts < j.parts {
		key := pieceKey(r.log, j.id, j.round, j.checkpoint, r.parts)
		piece, err := readSealed(txn, key)
		if err != nil {
			return fmt.Errorf("piece %d of checkpoint %d: %w", r.parts, j.checkpoint, err)
		}
		if err := r.emit(store.Entry{Journal: r.name, Kind: store.Piece, Seq: j.checkpoint, Part: r.parts, Bytes: piece}); err != nil {
			return err
		}
		r.parts++
	}
	r.seq = max(r.seq, j.checkpoint+1)
	return r.deltas(txn, j)
}

func (r *replayer) emit(e store.Entry) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.fn(e)
}

// deltas hands out the deltas from r.seq to the journal's last.
func (r *replayer) deltas(txn *badgerdb.Txn, j *journal) error {
	if r.seq > j.last {
		return nil
	}
	key, sealed, err := lastBelow(txn, partKey(kindDeltas, r.log, j.id), deltasKey(r.log, j.id, r.seq))
	if err == nil && key == nil {
		err = errDamaged
	}
	for err == nil {
		var next uint64
		next, err = r.pack(key, sealed)
		if err != nil || next > j.last {
			break
		}
		if next != r.seq { // a pack that ends before what is due
			err = errDamaged
			break
		}
		key = deltasKey(r.log, j.id, next)
		if sealed, err = getValue(txn, key); err == nil && sealed == nil {
			err = errDamaged
		}
	}
	if errors.Is(err, errDamaged) {
		return fmt.Errorf("delta %d: %w", r.seq, err)
	}
	return err
}

// pack hands out the deltas of one pack that are due, and returns the sequence after it.
func (r *replayer) pack(key, sealed []byte) (next uint64, err error) {
	b, err := unseal(key, sealed)
	if err != nil {
		return 0, err
	}
	seq := lastNumber(key)
	_, err = splitFrames(b, func(d []byte) error {
		if seq == r.seq {
			if err := r.emit(store.Entry{Journal: r.name, Kind: store.Delta, Seq: seq, Bytes: bytes.Clone(d)}); err != nil {
				return err
			}
			r.seq++
		}
		seq++
		return nil
	})
	return seq, err
}

func readSealed(txn *badgerdb.Txn, key []byte) ([]byte, error) {
	sealed, err := getValue(txn, key)
	if err == nil && sealed == nil {
		err = errDamaged
	}
	if err != nil {
		return nil, err
	}
	return unseal(key, sealed)
}
