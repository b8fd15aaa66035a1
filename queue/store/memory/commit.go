package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/holtmq/holt/queue/store"
)

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, units []store.Unit) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	if err := store.Validate(units); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	call, err := s.begin(units)
	if err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	defer s.end(call, units)

	f := s.faults.Load()
	var fate Fate
	if f.Commit != nil {
		fate = f.Commit(call)
	}
	if f.BeforeDurable != nil {
		f.BeforeDurable(call)
	}
	n, err := s.apply(call, own(units), fate)
	if f.AfterDurable != nil {
		f.AfterDurable(call)
	}
	if s.crashed() {
		n, err = 0, fmt.Errorf("%w: %w", store.ErrUnknown, errCrashed)
	}
	if err != nil {
		return n, fmt.Errorf("commit: %w", err)
	}
	return n, nil
}

// crashed says whether the answer to a call would find nobody.
func (s *Store) crashed() bool {
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	return errors.Is(s.cause, errCrashed)
}

// begin takes the logs of a call, which it numbers, or none of them.
func (s *Store) begin(units []store.Unit) (call uint64, err error) {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	for _, u := range units {
		for i := range u {
			l := d.logs[u[i].Log]
			if l == nil || !l.opened {
				return 0, fmt.Errorf("%w: log %d is not open", store.ErrInvalid, u[i].Log)
			}
			if l.busy != 0 {
				return 0, fmt.Errorf("%w: another commit is in flight on log %d", store.ErrInvalid, u[i].Log)
			}
		}
	}
	call = d.commits.Add(1)
	for _, u := range units {
		for i := range u {
			d.logs[u[i].Log].busy = call
		}
	}
	s.inflight.Add(1)
	return call, nil
}

// end gives back what begin took, as far as nobody took it away.
func (s *Store) end(call uint64, units []store.Unit) {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range units {
		for i := range u {
			if l := d.logs[u[i].Log]; l != nil && l.busy == call {
				l.busy = 0
			}
		}
	}
	s.inflight.Done()
}

// apply makes the units durable and seen, as far as fate lets it.
func (s *Store) apply(call uint64, units []store.Unit, fate Fate) (int, error) {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.cause != nil {
		return 0, fmt.Errorf("%w: %w", store.ErrUnknown, s.cause)
	}
	sound := len(units)
	if fate.Outcome != Pass {
		sound = max(0, min(fate.Done, len(units)-1))
	}
	for i, u := range units[:sound] {
		if err := d.unit(call, u); err != nil {
			if errors.Is(err, store.ErrFenced) {
				d.bury(call, units[i:])
			}
			return i, fmt.Errorf("unit %d: %w", i, err)
		}
	}
	if fate.Kill {
		s.die(errKilled)
	}
	if sound == len(units) {
		return sound, nil
	}
	return sound, s.fail(call, units[sound:], fate.Outcome)
}

// fail lets the rest of a call end in an outcome that is not Pass. Under disk.mu.
func (s *Store) fail(call uint64, rest []store.Unit, o Outcome) error {
	d := s.disk
	defer d.bury(call, rest)
	if o == Fence {
		return fmt.Errorf("%w: injected", store.ErrFenced)
	}
	lost := map[store.LogID]bool{}
	for _, u := range rest {
		keep := o == UnknownAll || o == UnknownSome && chance(s.seed^name(u), s.opens).Uint64()&1 == 0
		if slices.ContainsFunc(u, func(e store.Edit) bool { return lost[e.Log] }) || !keep || d.unit(call, u) != nil {
			for i := range u {
				lost[u[i].Log] = true
			}
		}
	}
	return fmt.Errorf("%w: injected", store.ErrUnknown)
}

// name tells the units of a call apart, whatever their order.
func name(u store.Unit) uint64 {
	h := fnv.New64a()
	for i := range u {
		e := &u[i]
		fmt.Fprint(h, e.Log, e.Start)
		for _, b := range e.Append {
			fmt.Fprint(h, " ", b.Base)
		}
		for _, n := range e.Entries {
			fmt.Fprint(h, " ", n.Kind, n.Seq, n.Part) // names of journals may be random
		}
	}
	return h.Sum64()
}

// unit applies one unit or, with an error, nothing of it. Under disk.mu.
func (d *disk) unit(call uint64, u store.Unit) error {
	for i := range u {
		l := d.logs[u[i].Log]
		if l == nil || !l.opened {
			return fmt.Errorf("%w: log %d is not open", store.ErrInvalid, u[i].Log)
		}
		if l.busy != call {
			return fmt.Errorf("%w: log %d was opened again", store.ErrFenced, u[i].Log)
		}
		if err := l.check(&u[i]); err != nil {
			return fmt.Errorf("log %d: %w: %w", u[i].Log, store.ErrInvalid, err)
		}
	}
	for i := range u {
		e := &u[i]
		l := d.logs[e.Log]
		if e.Drop {
			d.used.Add(-l.drop())
			delete(d.logs, e.Log)
			continue
		}
		d.used.Add(l.apply(e))
	}
	return nil
}

// bury makes the logs that units name dead until they are opened again; those that were are spared. Under disk.mu.
func (d *disk) bury(call uint64, units []store.Unit) {
	for _, u := range units {
		for i := range u {
			if l := d.logs[u[i].Log]; l != nil && l.busy == call {
				l.shut()
				l.life++
			}
		}
	}
}

// own copies units with all their bytes.
func own(units []store.Unit) []store.Unit {
	out := make([]store.Unit, len(units))
	for i, u := range units {
		out[i] = slices.Clone(u)
		for k := range out[i] {
			ownEdit(&out[i][k])
		}
	}
	return out
}

func ownEdit(e *store.Edit) {
	e.Append = slices.Clone(e.Append)
	for i := range e.Append {
		e.Append[i].Bytes = bytes.Clone(e.Append[i].Bytes)
	}
	if e.Rewrite != nil {
		r := *e.Rewrite
		r.Bytes = bytes.Clone(r.Bytes)
		e.Rewrite = &r
	}
	e.Entries = slices.Clone(e.Entries)
	for i := range e.Entries {
		e.Entries[i].Bytes = bytes.Clone(e.Entries[i].Bytes)
	}
	e.Notes = slices.Clone(e.Notes)
	for i := range e.Notes {
		e.Notes[i].Bytes = bytes.Clone(e.Notes[i].Bytes)
	}
}
