package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// words is a machine whose state is all it was told, and that refuses "bad".
type words struct{ told []byte }

func (w *words) Restore(b []byte) error {
	w.told = append([]byte("checkpoint:"), b...)
	return w.check(b)
}

func (w *words) Replay(b []byte) error {
	w.told = append(w.told, b...)
	return w.check(b)
}

func (w *words) check(b []byte) error {
	if string(b) == "bad" {
		return store.ErrCorrupt
	}
	return nil
}

// replay commits entries one by one to a new store, opens it again and replays what is there into machines for "a" and "b".
func replay(t *testing.T, entries ...store.Entry) (a, b *words, journals map[store.Journal]*Journal, stray []store.Journal, err error) {
	t.Helper()
	st := memory.New(memory.Config{})
	if _, err := st.Open(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := st.Commit(t.Context(), []store.Unit{{{Log: 1, Entries: []store.Entry{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := st.Reopen().Open(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	a, b = new(words), new(words)
	journals, stray, err = Replay(context.Background(), log, func(name store.Journal) Machine {
		switch name {
		case "a":
			return a
		case "b":
			return b
		}
		return nil
	})
	return a, b, journals, stray, err
}

func TestReplayGivesEachMachineItsCheckpointAndWhatFollows(t *testing.T) {
	ja, jb, other := New("a"), New("b"), New("x")
	var all []store.Entry
	all = append(all, ja.Delta([]byte("1")), jb.Delta([]byte("2")), other.Delta([]byte("3")))
	all = append(all, ja.Checkpoint([]byte("one"))...)
	all = append(all, ja.Delta([]byte("4")))
	a, b, journals, stray, err := replay(t, all...)
	if err != nil || string(a.told) != "checkpoint:one4" || string(b.told) != "2" || fmt.Sprint(stray) != "[x]" {
		t.Fatalf("a %q, b %q, stray %v, %v", a.told, b.told, stray, err)
	}
	if journals["a"].Deltas() != 2 || journals["b"].Deltas() != 1 || journals["x"] != nil {
		t.Errorf("journals %v", journals)
	}
	if e := journals["a"].Delta(nil); e.Seq != 3 {
		t.Errorf("the next delta is %d", e.Seq)
	}
}

func TestHalfACheckpointCountsForNothing(t *testing.T) {
	j := New("a")
	all := []store.Entry{j.Delta([]byte("1"))}
	pieces := j.Checkpoint(make([]byte, store.MaxEntryBytes+1))
	if len(pieces) != 3 {
		t.Fatalf("%d entries", len(pieces))
	}
	a, _, _, _, err := replay(t, append(all, pieces[:2]...)...)
	if err != nil || string(a.told) != "1" {
		t.Fatalf("%q, %v", a.told, err)
	}
}

func TestCheckpointsAtTheEdgeOfAPiece(t *testing.T) {
	for _, n := range []int{0, 1, store.MaxEntryBytes, store.MaxEntryBytes + 1, 3 * store.MaxEntryBytes} {
		j := New("a")
		all := append([]store.Entry{j.Delta([]byte("1"))}, j.Checkpoint(bytes.Repeat([]byte("c"), n))...)
		a, _, _, _, err := replay(t, all...)
		if err != nil || len(a.told) != len("checkpoint:")+n {
			t.Errorf("%d bytes: %d came back, %v", n, len(a.told)-len("checkpoint:"), err)
		}
	}
}

func TestDueGrowsWithTheCheckpoint(t *testing.T) {
	j := New("a")
	steps := 0
	for ; !j.Due(); steps++ {
		j.Delta(make([]byte, 1<<10))
	}
	if steps != MinCheckpoint>>10+1 {
		t.Errorf("due after %d KiB", steps)
	}
	j.Checkpoint(make([]byte, 1<<20))
	for steps = 0; steps < 2000; steps++ {
		j.Delta(make([]byte, 1<<10))
	}
	if j.Due() {
		t.Error("due while one is on its way")
	}
	j.Written()
	if !j.Due() {
		t.Error("not due after twice its size")
	}
}

func TestReplayNamesWhatIsDamaged(t *testing.T) {
	j := New("a")
	if _, _, _, _, err := replay(t, j.Delta([]byte("1")), j.Delta([]byte("bad"))); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a delta: %v", err)
	}
	j = New("b")
	if _, _, _, _, err := replay(t, append([]store.Entry{j.Delta([]byte("1"))}, j.Checkpoint([]byte("bad"))...)...); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a checkpoint: %v", err)
	}
}
