package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holtmq/holt/queue/store"
)

// meta implements store.Meta.
type meta struct{ store *Store }

type definition struct {
	value []byte
	rev   uint64
}

// Get implements store.Meta.
func (m meta) Get(ctx context.Context, name string) ([]byte, uint64, error) {
	var def definition
	err := m.look(ctx, func(d *disk) error {
		var ok bool
		if def, ok = d.defs[name]; !ok {
			return store.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("get definition %q: %w", name, err)
	}
	return bytes.Clone(def.value), def.rev, nil
}

// List implements store.Meta.
func (m meta) List(ctx context.Context, prefix string) ([]store.Definition, error) {
	var out []store.Definition
	err := m.look(ctx, func(d *disk) error {
		for _, name := range slices.Sorted(maps.Keys(d.defs)) {
			if strings.HasPrefix(name, prefix) {
				def := d.defs[name]
				out = append(out, store.Definition{Name: name, Value: bytes.Clone(def.value), Revision: def.rev})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list definitions %q: %w", prefix, err)
	}
	return out, nil
}

// Put implements store.Meta. Revisions rise over all names and never come back, not after Delete either.
func (m meta) Put(ctx context.Context, name string, value []byte, rev uint64) (uint64, error) {
	var next uint64
	err := store.ValidateDefinition(name, value)
	if err == nil {
		value = bytes.Clone(value)
		err = m.change(ctx, func(d *disk) error {
			if d.defs[name].rev != rev {
				return store.ErrConflict
			}
			d.rev++
			next = d.rev
			d.used.Add(int64(len(value) - len(d.defs[name].value)))
			d.defs[name] = definition{value, next}
			return nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("put definition %q: %w", name, err)
	}
	return next, nil
}

// Delete implements store.Meta.
func (m meta) Delete(ctx context.Context, name string, rev uint64) error {
	err := m.change(ctx, func(d *disk) error {
		def, ok := d.defs[name]
		if !ok {
			return store.ErrNotFound
		}
		if def.rev != rev {
			return store.ErrConflict
		}
		d.used.Add(-int64(len(def.value)))
		delete(d.defs, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete definition %q: %w", name, err)
	}
	return nil
}

// look runs fn beside other readers, unless a fault fails the call.
func (m meta) look(ctx context.Context, fn func(*disk) error) error {
	fate, err := m.begin(ctx)
	if err != nil {
		return err
	}
	s := m.store
	if fate.Outcome != Pass || fate.Kill {
		s.disk.mu.Lock()
		defer s.disk.mu.Unlock()
		return m.end(fate, nil)
	}
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	if err := s.usable(); err != nil {
		return err
	}
	return fn(s.disk)
}

// change runs fn alone, as far as a fault lets it.
func (m meta) change(ctx context.Context, fn func(*disk) error) error {
	fate, err := m.begin(ctx)
	if err != nil {
		return err
	}
	s := m.store
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	switch fate.Outcome {
	case Pass, UnknownAll:
		err = fn(s.disk)
	case UnknownSome:
		if chance(^s.seed, s.disk.rev).Uint64()&1 == 0 {
			err = fn(s.disk)
		}
	}
	return m.end(fate, err)
}

func (m meta) begin(ctx context.Context) (fate Fate, err error) {
	if err := ctx.Err(); err != nil {
		return Fate{}, err
	}
	call := m.store.disk.metas.Add(1)
	if f := m.store.faults.Load().Meta; f != nil {
		fate = f(call)
	}
	return fate, nil
}

// end gives the error of a call that fate judges, err being the one it would have had. Under disk.mu.
func (m meta) end(fate Fate, err error) error {
	if fate.Kill {
		m.store.die(errKilled)
	}
	switch fate.Outcome {
	case Pass:
		return err
	case Fence:
		return fmt.Errorf("%w: injected", store.ErrFenced)
	default:
		return fmt.Errorf("%w: injected", store.ErrUnknown)
	}
}
