package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/store"
)

// testUnknown fails commits of several units, in every way the harness knows, and finds each unit there wholly or not at all.
func testUnknown(t *testing.T, open Open) {
	variants := 0
	synctest.Test(t, func(t *testing.T) {
		if i, ok := open(t).(Injector); ok {
			variants = i.Variants()
		}
	})
	if variants == 0 {
		t.Skip("the harness injects no failures: outcomes unknown are not tested")
	}
	for v := range variants {
		t.Run(fmt.Sprint("variant ", v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { failOnce(newKit(t, open), v) })
		})
	}
}

func failOnce(k *kit, variant int) {
	k.open(1, 2, 3, 4)
	k.edit(k.grow(1, 3), k.grow(2, 3), enter(3, delta("g", 1, "one")), k.grow(4, 1))
	units := []store.Unit{
		{extend(1, batchOf(3, 5, 10, nil)), enter(3, delta("g", 2, "two"), piece("g", 1, 0, "x"))},
		{extend(2, batchOf(3, 3, 10, nil)), annotate(4, note("n", 0, "noted"))},
		{extend(1, batchOf(6, 6, 11, nil), batchOf(7, 7, 11, nil)), trim(2, 2)},
		{enter(3, checkpoint("g", 1, 1), delta("g", 3, "three")), drop(4)},
	}
	k.h.(Injector).FailCommit(k.T, variant)
	n, err := k.s.Commit(k.Context(), units)
	if err == nil || n >= len(units) {
		k.Fatalf("commit that was to fail: n = %d, error %v", n, err)
	}
	if again, err := k.s.Commit(k.Context(), units[n:]); err == nil || again != 0 {
		k.Fatalf("commit to logs that are dead: n = %d, error %v", again, err)
	}
	k.must(k.settleUnknown(units, n, err))
	k.clock = 20
	k.edit(k.grow(1, 1), k.grow(2, 1), k.grow(4, 1), enter(3, delta("g", k.m.logs[3].journals["g"].last+1, "next")))
	k.check()
}

// settleUnknown finds out what became of units after Commit returned n and err, as the broker would: it opens their logs again, or the
// whole store if that is dead. What it finds must be one of the outcomes that the seam allows; the model becomes that one.
func (k *kit) settleUnknown(units []store.Unit, n int, err error) error {
	unknown := errors.Is(err, store.ErrUnknown)
	if !unknown && !errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("commit that was to fail: %w, want ErrUnknown or ErrFenced", err)
	}
	for _, u := range units[n:] {
		k.m.remember(u)
	}
	for _, u := range units[:n] {
		if err := k.m.apply(u); err != nil {
			return err
		}
	}
	outcomes := []*model{k.m}
	if unknown {
		outcomes = allowed(k.m, units[n:])
	}
	reopened, openErr := k.afterFailure(units[n:])
	if openErr != nil {
		return openErr
	}
	var differs error
	for _, m := range outcomes {
		for _, id := range reopened {
			m.openLog(id)
		}
		k.m = m
		if differs = k.same(false); differs != nil {
			continue
		}
		if differs = k.sameReplay(reopened); differs == nil {
			return nil
		}
	}
	return fmt.Errorf("after %v: none of %d outcomes allowed, the last differs: %w", err, len(outcomes), differs)
}

// afterFailure opens what a failed commit left dead, and returns those logs.
func (k *kit) afterFailure(rest []store.Unit) ([]store.LogID, error) {
	ids := []store.LogID{}
	for _, u := range rest {
		for _, e := range u {
			if !slices.Contains(ids, e.Log) {
				ids = append(ids, e.Log)
			}
		}
	}
	select {
	case <-k.s.Health().Dead:
		if k.s.Health().Cause == nil {
			return nil, errors.New("the store is dead without a cause")
		}
		if _, err := k.s.Open(k.Context(), 1); !errors.Is(err, store.ErrDead) {
			return nil, fmt.Errorf("open in a dead store: error %w, want ErrDead", err)
		}
		for id := range k.m.logs {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		k.s = k.h.Crash(k.T)
	default:
	}
	for _, id := range ids {
		l, err := k.s.Open(k.Context(), id)
		if err != nil {
			return nil, fmt.Errorf("open log %d after a failure: %w", id, err)
		}
		k.logs[id] = l
	}
	return ids, nil
}

// sameReplay compares the logs that were just opened, journals and all.
func (k *kit) sameReplay(ids []store.LogID) error {
	for _, id := range ids {
		if err := sameLog(k.Context(), k.logs[id], k.m.logs[id], k.m.places[id], true); err != nil {
			return fmt.Errorf("log %d: %w", id, err)
		}
	}
	return nil
}

// allowed returns the states in which each unit was applied wholly or not at all, on every log in order.
func allowed(m *model, units []store.Unit) []*model {
	var out []*model
	for set := range 1 << len(units) {
		if c := withUnits(m, units, set); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// withUnits applies the units of a bit set; nil if one of them follows, on one of its logs, one that is not in the set.
func withUnits(m *model, units []store.Unit, set int) *model {
	c := m.clone()
	missed := map[store.LogID]bool{}
	for i, u := range units {
		in := set&(1<<i) != 0
		for _, e := range u {
			if in && missed[e.Log] {
				return nil
			}
			missed[e.Log] = missed[e.Log] || !in
		}
		if in && c.apply(u) != nil {
			return nil
		}
	}
	return c
}
