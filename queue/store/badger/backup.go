package badger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// stretchBytes is how much a backup reads with one iterator: an iterator keeps tables from being deleted.
const stretchBytes = 64 << 20

var _ store.Backer = (*Store)(nil)

// snapshot is what the store keeps readable at one commit sequence. It implements store.Snapshot.
type snapshot struct {
	s    *Store
	info store.Backup
}

// Snapshot implements store.Backer.
func (s *Store) Snapshot(ctx context.Context) (store.Snapshot, error) {
	err := ctx.Err()
	if err == nil {
		err = s.beginCall()
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	defer s.calls.Done()
	if err := s.catchUp(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	s.mu.Lock()
	seq := s.inBadger
	s.readers.begin(seq)
	s.mu.Unlock()
	return &snapshot{s, store.Backup{
		Engine: "badger", Sequence: seq, Opens: s.opens, At: time.Now().UTC().Truncate(time.Millisecond), About: s.Health().Used,
	}}, nil
}

// Info implements store.Snapshot.
func (p *snapshot) Info() store.Backup { return p.info }

// Close implements store.Snapshot.
func (p *snapshot) Close() {
	p.s.mu.Lock()
	p.s.readers.end(p.info.Sequence)
	p.s.mu.Unlock()
}

// Copy implements store.Snapshot.
func (p *snapshot) Copy(ctx context.Context, w io.Writer, from int64) (store.Backup, error) {
	info := p.info
	err := p.s.beginCall()
	if err == nil {
		defer p.s.calls.Done()
		skip := &skipping{w: w, left: from}
		if info, err = p.copy(ctx, skip); err == nil && skip.left > 0 {
			err = invalid("there are %d bytes fewer than %d", skip.left, from)
		}
	}
	if err != nil {
		return info, fmt.Errorf("backup: %w", err)
	}
	return info, nil
}

// skipping leaves the first bytes out.
type skipping struct {
	w    io.Writer
	left int64
}

func (s *skipping) Write(b []byte) (int, error) {
	n := int(min(s.left, int64(len(b))))
	s.left -= int64(n)
	if n == len(b) {
		return n, nil
	}
	m, err := s.w.Write(b[n:])
	return n + m, err
}

func (p *snapshot) copy(ctx context.Context, w io.Writer) (info store.Backup, err error) {
	info = p.info
	out, err := beginCopy(w, info)
	if err != nil {
		return info, err
	}
	var at []byte // the first key that is still to be copied
	for more := true; more; {
		if at, more, err = p.s.copyStretch(ctx, info.Sequence, at, out); err != nil {
			return info, err
		}
	}
	info.Keys, info.Bytes = out.end.Keys, out.end.Bytes
	return info, out.finish()
}

// copyStretch copies keys from one on, and says where to go on.
func (s *Store) copyStretch(ctx context.Context, seq uint64, from []byte, out *copyWriter) (next []byte, more bool, err error) {
	txn := s.db.NewTransactionAt(seq, false)
	defer txn.Discard()
	it := txn.NewIterator(badgerdb.IteratorOptions{})
	defer it.Close()
	size := 0
	for it.Seek(from); it.Valid(); it.Next() {
		if err := s.mayGoOn(ctx); err != nil {
			return nil, false, err
		}
		key := it.Item().KeyCopy(nil)
		if size >= stretchBytes {
			return key, true, nil
		}
		if !isCopied(key) {
			continue
		}
		v, err := s.copyValue(it.Item())
		if err == nil {
			err = checkStored(key, v)
		}
		if err != nil { // it may have been moved to another file meanwhile
			v, err = s.valueAgain(seq, key)
		}
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", describe(key), corruptIf(err))
		}
		size += len(key) + len(v)
		if err := out.add(key, v); err != nil {
			return nil, false, err
		}
	}
	return nil, false, nil
}

// copyValue returns a copy of an item's value, unchecked.
func (s *Store) copyValue(item *badgerdb.Item) (v []byte, err error) {
	if s.bypass.read(item, nil, func(n int) []byte {
		v = make([]byte, n)
		return v
	}) {
		return v, nil
	}
	return copyValue(item)
}

// mayGoOn tells whether the caller, or the store's end, wants long work to stop.
func (s *Store) mayGoOn(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return store.ErrClosed
	case <-s.dead:
		return died(s.cause())
	default:
		return nil
	}
}

// valueAgain reads a value once more, in a transaction of its own.
func (s *Store) valueAgain(seq uint64, key []byte) ([]byte, error) {
	txn := s.db.NewTransactionAt(seq, false)
	defer txn.Discard()
	v, err := getValue(txn, key)
	if err == nil && v == nil {
		err = errDamaged
	}
	if err == nil {
		err = checkStored(key, v)
	}
	return v, err
}

// isCopied tells whether a key belongs into a copy: not what says which commits there were, nor padding.
func isCopied(key []byte) bool {
	return len(key) > 0 && key[0] != kindSequence && key[0] != kindPadding
}

// checkStored says whether a stored value is as it was written.
func checkStored(key, value []byte) error {
	if key[0] != kindBatch {
		_, err := unseal(key, value)
		return err
	}
	if len(key) != 17 {
		return errDamaged
	}
	b, err := parseBatch(key, value)
	if err != nil || len(b.Bytes) == 0 {
		return err
	}
	if _, err := record.Check(b.Bytes); err != nil {
		return errors.Join(errDamaged, err)
	}
	return nil
}
