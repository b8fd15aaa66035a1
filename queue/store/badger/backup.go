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

// Backup implements store.Backer. Everything is read at one commit sequence, which the store keeps readable until it returns.
func (s *Store) Backup(ctx context.Context, w io.Writer) (store.Backup, error) {
	info, err := s.backup(ctx, w)
	if err != nil {
		return info, fmt.Errorf("backup: %w", err)
	}
	return info, nil
}

func (s *Store) backup(ctx context.Context, w io.Writer) (info store.Backup, err error) {
	if err := s.catchUp(); err != nil {
		return info, err
	}
	m, err := s.beginRead(func() {})
	if err != nil {
		return info, err
	}
	seq := m.seq
	defer s.endRead(seq)
	info = store.Backup{Engine: "badger", Sequence: seq, Opens: s.opens, At: time.Now().UTC().Truncate(time.Millisecond), About: s.Health().Used}
	out, err := beginCopy(w, info)
	if err != nil {
		return info, err
	}
	var at []byte // the first key that is still to be copied
	for more := true; more; {
		if at, more, err = s.copyStretch(ctx, seq, at, out); err != nil {
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
		v, err := copyValue(it.Item())
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
