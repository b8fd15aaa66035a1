package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/store"
)

// put stores a definition that the model says may be stored.
func (k *kit) put(name, value string) {
	k.Helper()
	k.must(k.putIn(name, value))
}

func (k *kit) putIn(name, value string) error {
	old := k.revs[name]
	if _, ok := k.m.defs[name]; !ok {
		old = 0
	}
	rev, err := k.s.Meta().Put(k.Context(), name, []byte(value), old)
	if err != nil {
		return fmt.Errorf("put %q at %d: %w", name, old, err)
	}
	if rev == 0 || rev <= k.revs[name] {
		return fmt.Errorf("put %q: revision %d after %d", name, rev, k.revs[name])
	}
	k.m.defs[name], k.revs[name] = []byte(value), rev
	return nil
}

func (k *kit) remove(name string) error {
	if err := k.s.Meta().Delete(k.Context(), name, k.revs[name]); err != nil {
		return fmt.Errorf("delete %q at %d: %w", name, k.revs[name], err)
	}
	delete(k.m.defs, name)
	return nil
}

// testMeta stores, replaces, lists and deletes definitions, and conflicts with itself.
func testMeta(k *kit) {
	m, ctx := k.s.Meta(), k.Context()
	if _, _, err := m.Get(ctx, "topic/orders"); !errors.Is(err, store.ErrNotFound) {
		k.Fatalf("get of nothing: error %v", err)
	}
	if ds, err := m.List(ctx, ""); len(ds) > 0 || err != nil {
		k.Fatalf("list of nothing: %v, error %v", ds, err)
	}
	for _, name := range []string{"topic/orders", "topic/a", "topic/b", "topic", "topic0", "topic/", "group/x", "\xff", "z\xff\xff", "z\xff", "z\xff\x01", "\x01"} {
		k.put(name, "value of "+name)
	}
	k.put("empty", "")
	k.put("topic/a", "replaced")
	k.put("topic/a", "once more")
	k.everywhere(func() { k.must(k.same(true)); k.listed(); k.conflicts() })

	for _, name := range []string{"topic/a", "\xff", "empty"} {
		k.must(k.remove(name))
	}
	k.everywhere(func() { k.must(k.same(true)); k.listed() })
	k.put("topic/a", "a new life")
	k.put("topic/a", "which goes on")
	k.everywhere(func() { k.must(k.same(true)); k.conflicts() })
}

// listed lists by every prefix that could go wrong.
func (k *kit) listed() {
	k.Helper()
	for _, prefix := range []string{"", "topic", "topic/", "topic/a", "z\xff", "\xff", "\x01", "no such"} {
		ds, err := k.s.Meta().List(k.Context(), prefix)
		k.must(err)
		got := []string{}
		for _, d := range ds {
			got = append(got, d.Name)
		}
		if d := cmp.Diff(append([]string{}, k.m.list(prefix)...), got); d != "" {
			k.Fatalf("list %q (− want, + got):\n%s", prefix, d)
		}
	}
}

// conflicts tries stale, future and missing revisions on topic/a, and what is missing; nothing changes.
func (k *kit) conflicts() {
	k.Helper()
	m, ctx, rev := k.s.Meta(), k.Context(), k.revs["topic/a"]
	for _, wrong := range []uint64{0, rev - 1, rev + 1, ^uint64(0)} {
		if got, err := m.Put(ctx, "topic/a", []byte("never"), wrong); !errors.Is(err, store.ErrConflict) {
			k.Fatalf("put at %d, stored %d: revision %d, error %v", wrong, rev, got, err)
		}
		if err := m.Delete(ctx, "topic/a", wrong); !errors.Is(err, store.ErrConflict) {
			k.Fatalf("delete at %d, stored %d: error %v", wrong, rev, err)
		}
	}
	if got, err := m.Put(ctx, "missing", []byte("never"), rev); !errors.Is(err, store.ErrConflict) {
		k.Fatalf("put of a missing one at %d: revision %d, error %v", rev, got, err)
	}
	if err := m.Delete(ctx, "missing", rev); !errors.Is(err, store.ErrNotFound) {
		k.Fatalf("delete of a missing one: error %v", err)
	}
	if value, got, err := m.Get(ctx, "topic/a"); got != rev || string(value) != string(k.m.defs["topic/a"]) || err != nil {
		k.Fatalf("get: %q at %d, error %v", value, got, err)
	}
	k.must(k.sameMeta())
}

// testMetaConcurrent lets several callers race for one definition: of each revision one wins.
func testMetaConcurrent(k *kit) {
	const callers, rounds = 4, 25
	k.put("counter", "0")
	var mu sync.Mutex
	won := []string{}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := 0; n < rounds; {
				value, rev, err := k.s.Meta().Get(k.Context(), "counter")
				if err != nil {
					k.Error(err)
					return
				}
				next, err := k.s.Meta().Put(k.Context(), "counter", fmt.Append(value, ",", c), rev)
				if errors.Is(err, store.ErrConflict) {
					continue
				}
				if err != nil || next <= rev {
					k.Errorf("put at %d: revision %d, error %v", rev, next, err)
					return
				}
				n++
				mu.Lock()
				won = append(won, fmt.Sprint(c))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	value, rev, err := k.s.Meta().Get(k.Context(), "counter")
	k.must(err)
	got := strings.Split(string(value), ",")[1:]
	slices.Sort(got)
	slices.Sort(won)
	if d := cmp.Diff(won, got); d != "" || len(got) != callers*rounds {
		k.Fatalf("%d changes, want %d (− won, + stored):\n%s", len(got), callers*rounds, d)
	}
	k.m.defs["counter"], k.revs["counter"] = value, rev
	k.everywhere(func() { k.must(k.same(true)) })
}
