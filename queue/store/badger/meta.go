package badger

import (
	"context"
	"encoding/binary"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// meta implements store.Meta. A definition's revision is the sequence of the commit that wrote it, so that one made
// again never bears a revision it had before.
type meta struct{ s *Store }

// Get implements store.Meta.
func (m meta) Get(ctx context.Context, name string) ([]byte, uint64, error) {
	var d *store.Definition
	err := m.s.look(ctx, func(txn *badgerdb.Txn) (err error) {
		d, err = getDefinition(txn, name)
		return err
	})
	if err == nil && d == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("get definition %q: %w", name, err)
	}
	return d.Value, d.Revision, nil
}

// List implements store.Meta.
func (m meta) List(ctx context.Context, prefix string) ([]store.Definition, error) {
	var out []store.Definition
	err := m.s.look(ctx, func(txn *badgerdb.Txn) error {
		out = nil
		it := forward(txn, metaKey(prefix))
		defer it.Close()
		for it.Seek(metaKey(prefix)); it.Valid(); it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := it.Item().KeyCopy(nil)
			v, err := copyValue(it.Item())
			if err != nil {
				return err
			}
			d, err := parseDefinition(key, v)
			if err != nil {
				return err
			}
			out = append(out, *d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list definitions %q: %w", prefix, err)
	}
	return out, nil
}

// Put implements store.Meta.
func (m meta) Put(ctx context.Context, name string, value []byte, rev uint64) (uint64, error) {
	err := store.ValidateDefinition(name, value)
	if err == nil {
		rev, err = m.change(ctx, name, func(old *store.Definition) ([]op, error) {
			if (old == nil) != (rev == 0) || (old != nil && old.Revision != rev) {
				return nil, store.ErrConflict
			}
			key := metaKey(name)
			v := make([]byte, 0, 8+len(value)+sumLen)
			v = binary.BigEndian.AppendUint64(v, m.s.next())
			return []op{{key, seal(key, append(v, value...))}}, nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("put definition %q: %w", name, err)
	}
	return rev, nil
}

// Delete implements store.Meta.
func (m meta) Delete(ctx context.Context, name string, rev uint64) error {
	_, err := m.change(ctx, name, func(old *store.Definition) ([]op, error) {
		if old == nil {
			return nil, store.ErrNotFound
		}
		if old.Revision != rev {
			return nil, store.ErrConflict
		}
		return []op{{metaKey(name), nil}}, nil
	})
	if err != nil {
		return fmt.Errorf("delete definition %q: %w", name, err)
	}
	return nil
}

// change writes what fn makes of the stored definition, and returns the commit's sequence.
func (m meta) change(ctx context.Context, name string, fn func(old *store.Definition) ([]op, error)) (uint64, error) {
	s := m.s
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	var old *store.Definition
	err := s.look(ctx, func(txn *badgerdb.Txn) (err error) {
		old, err = getDefinition(txn, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	ops, err := fn(old)
	if err != nil {
		return 0, err
	}
	if err := s.write(ops); err != nil {
		return 0, err
	}
	s.publish(nil, nil)
	return s.seq, nil
}

func getDefinition(txn *badgerdb.Txn, name string) (*store.Definition, error) {
	key := metaKey(name)
	v, err := getValue(txn, key)
	if err != nil || v == nil {
		return nil, err
	}
	return parseDefinition(key, v)
}

func parseDefinition(key, sealed []byte) (*store.Definition, error) {
	v, err := unseal(key, sealed)
	if err != nil {
		return nil, err
	}
	if len(v) < 8 {
		return nil, errDamaged
	}
	return &store.Definition{Name: string(key[1:]), Value: v[8:], Revision: binary.BigEndian.Uint64(v)}, nil
}
