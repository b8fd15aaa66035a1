package memory

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/store"
)

// What is tested here other engines may do otherwise: the seam leaves room, and this engine takes the narrow side.

// noted is a unit with one note of journal "g".
func noted(id store.LogID, at store.Offset) store.Unit {
	return store.Unit{{Log: id, Notes: []store.Note{{Journal: "g", At: at, Bytes: []byte("note")}}}}
}

func hasNote(t *testing.T, l store.Log, at store.Offset) bool {
	t.Helper()
	b, err := l.Note(ctx, "g", at)
	if err != nil {
		t.Fatal(err)
	}
	return b != nil
}

func commitOne(t *testing.T, s *Store, e store.Edit) {
	t.Helper()
	n, err := s.Commit(ctx, []store.Unit{{e}})
	want(t, n, err, 1, nil)
}

// TestUnknownIsPrefixPerLog loses no unit before one of the same log, even where the later one does not need it.
func TestUnknownIsPrefixPerLog(t *testing.T) {
	for seed := range uint64(50) {
		s := New(Config{Seed: seed, Faults: Faults{Commit: func(uint64) Fate { return Fate{Outcome: UnknownSome} }}})
		open(t, s, 1)
		n, err := s.Commit(ctx, []store.Unit{noted(1, 0), noted(1, 1), noted(1, 2)})
		want(t, n, err, 0, store.ErrUnknown)
		l := open(t, s, 1)
		there := []bool{hasNote(t, l, 0), hasNote(t, l, 1), hasNote(t, l, 2)}
		if gap := slices.Index(there, false); gap >= 0 && slices.Contains(there[gap:], true) {
			t.Errorf("seed %d: units there: %v", seed, there)
		}
	}
}

// TestFencedCommitKillsItsOtherLogs fences a commit by one of its logs: the others are dead, as the seam says.
func TestFencedCommitKillsItsOtherLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		for id := store.LogID(1); id <= 3; id++ {
			open(t, s, id)
		}
		held := make(chan struct{})
		s.SetFaults(Faults{BeforeDurable: func(uint64) { <-held }})
		var n int
		var err error
		go func() { n, err = s.Commit(ctx, []store.Unit{step(3, 1), step(1, 1), step(2, 1)}) }()
		synctest.Wait()
		s.SetFaults(Faults{})
		open(t, s, 1)
		close(held)
		synctest.Wait()
		want(t, n, err, 1, store.ErrFenced)
		for id, target := range map[store.LogID]error{1: nil, 2: store.ErrInvalid, 3: nil} {
			if _, err := s.Commit(ctx, []store.Unit{noted(id, 0)}); !errors.Is(err, target) {
				t.Errorf("commit on log %d: error %v, want %v", id, err, target)
			}
		}
	})
}

// TestRewriteOfTrimmed refuses to rewrite what its own edit trims.
func TestRewriteOfTrimmed(t *testing.T) {
	s := New(Config{})
	open(t, s, 1)
	first, second := batchAt(t, 0), batchAt(t, 1)
	commitOne(t, s, store.Edit{Log: 1, Append: []store.Batch{first, second}})
	n, err := s.Commit(ctx, []store.Unit{{{Log: 1, Start: 1, Rewrite: &first}}})
	want(t, n, err, 0, store.ErrInvalid)
	commitOne(t, s, store.Edit{Log: 1, Start: 1, Rewrite: &second})
}

// TestOpenAbandonsCheckpoint does not let a checkpoint go on that another owner began.
func TestOpenAbandonsCheckpoint(t *testing.T) {
	s := New(Config{})
	open(t, s, 1)
	piece := func(part uint32) store.Edit {
		return store.Edit{Log: 1, Entries: []store.Entry{{Journal: "g", Kind: store.Piece, Seq: 1, Part: part, Bytes: []byte("state")}}}
	}
	commitOne(t, s, step(1, 1)[0])
	commitOne(t, s, piece(0))
	open(t, s, 1)
	n, err := s.Commit(ctx, []store.Unit{{piece(1)}})
	want(t, n, err, 0, store.ErrInvalid)
	commitOne(t, s, piece(0))
	commitOne(t, s, piece(1))
}

// TestNotesBelowStart are gone at once.
func TestNotesBelowStart(t *testing.T) {
	s := New(Config{})
	l := open(t, s, 1)
	commitOne(t, s, store.Edit{Log: 1, Append: []store.Batch{batchAt(t, 0), batchAt(t, 1)}})
	commitOne(t, s, noted(1, 0)[0])
	commitOne(t, s, store.Edit{Log: 1, Start: 1})
	if hasNote(t, l, 0) {
		t.Error("a note below the start is there")
	}
	used := s.Health().Used
	commitOne(t, s, store.Edit{Log: 1, Notes: []store.Note{{Journal: "h", At: 0, Bytes: []byte("note")}}})
	if got := s.Health().Used; got != used {
		t.Errorf("used = %d after a note below the start, %d before", got, used)
	}
}

// TestDropped reads a dropped log through the handle of before: everything in it is trimmed.
func TestDropped(t *testing.T) {
	s := New(Config{})
	l := open(t, s, 1)
	commitOne(t, s, store.Edit{Log: 1, Append: []store.Batch{batchAt(t, 0), batchAt(t, 1)}})
	commitOne(t, s, noted(1, 2)[0])
	commitOne(t, s, step(1, 1)[0])
	commitOne(t, s, store.Edit{Log: 1, Drop: true})
	if start, end, _ := l.Bounds(); start != 2 || end != 2 {
		t.Errorf("bounds %d–%d, want 2–2", start, end)
	}
	if _, err := l.Read(ctx, 1, 100); !errors.Is(err, store.ErrTrimmed) {
		t.Errorf("read: error %v", err)
	}
	if hasNote(t, l, 2) {
		t.Error("a note is there")
	}
	if err := l.Replay(ctx, func(e store.Entry) error { return errors.New("an entry is there") }); err != nil {
		t.Error(err)
	}
}
