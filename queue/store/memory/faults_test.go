package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/store"
)

var ctx = context.Background()

func open(t *testing.T, s *Store, id store.LogID) store.Log {
	t.Helper()
	l, err := s.Open(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// step is a unit with one delta of journal "g".
func step(id store.LogID, seq uint64) store.Unit {
	return store.Unit{{Log: id, Entries: []store.Entry{{Journal: "g", Kind: store.Delta, Seq: seq, Bytes: []byte("step")}}}}
}

// steps returns how many deltas a log has, opening it.
func steps(t *testing.T, s *Store, id store.LogID) int {
	t.Helper()
	n := 0
	if err := open(t, s, id).Replay(ctx, func(store.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// want fails the test unless a commit returned n and a wrap of target (nil: no error).
func want(t *testing.T, n int, err error, wantN int, target error) {
	t.Helper()
	if n != wantN || !errors.Is(err, target) {
		t.Fatalf("commit: n = %d, error %v; want %d, %v", n, err, wantN, target)
	}
}

// outcomes commits one step to each of four logs under a fate, and returns n, the error, and which logs have it after opening them again.
func outcomes(t *testing.T, seed uint64, fate Fate) (n int, err error, there []bool) {
	t.Helper()
	s := New(Config{Seed: seed, Faults: Faults{Commit: func(uint64) Fate { return fate }}})
	var units []store.Unit
	for id := store.LogID(0); id < 4; id++ {
		open(t, s, id)
		units = append(units, step(id, 1))
	}
	n, err = s.Commit(ctx, units)
	if fate.Kill {
		s = s.Crash()
	}
	for id := store.LogID(0); id < 4; id++ {
		there = append(there, steps(t, s, id) == 1)
	}
	return n, err, there
}

func TestFates(t *testing.T) {
	for _, c := range []struct {
		fate  Fate
		n     int
		err   error
		there []bool
	}{
		{Fate{}, 4, nil, []bool{true, true, true, true}},
		{Fate{Kill: true}, 4, nil, []bool{true, true, true, true}},
		{Fate{Outcome: Fence}, 0, store.ErrFenced, []bool{false, false, false, false}},
		{Fate{Outcome: Fence, Done: 2}, 2, store.ErrFenced, []bool{true, true, false, false}},
		{Fate{Outcome: UnknownNone, Done: 3}, 3, store.ErrUnknown, []bool{true, true, true, false}},
		{Fate{Outcome: UnknownNone, Kill: true}, 0, store.ErrUnknown, []bool{false, false, false, false}},
		{Fate{Outcome: UnknownAll}, 0, store.ErrUnknown, []bool{true, true, true, true}},
		{Fate{Outcome: UnknownAll, Done: 9, Kill: true}, 3, store.ErrUnknown, []bool{true, true, true, true}},
		{Fate{Outcome: UnknownAll, Done: -1}, 0, store.ErrUnknown, []bool{true, true, true, true}},
	} {
		n, err, there := outcomes(t, 1, c.fate)
		if n != c.n || !errors.Is(err, c.err) || !slices.Equal(there, c.there) {
			t.Errorf("%+v: n = %d, error %v, there %v; want %d, %v, %v", c.fate, n, err, there, c.n, c.err, c.there)
		}
	}
}

// TestUnknownSome finds every outcome for some seed, and the same one for the same seed.
func TestUnknownSome(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		fate := Fate{Outcome: UnknownSome, Done: 1}
		n, err, there := outcomes(t, seed, fate)
		want(t, n, err, 1, store.ErrUnknown)
		if _, _, again := outcomes(t, seed, fate); !slices.Equal(there, again) {
			t.Fatalf("seed %d: %v, then %v", seed, there, again)
		}
		seen[fmt.Sprint(there)] = true
	}
	if len(seen) != 8 {
		t.Errorf("outcomes seen: %v, want all 8 in which the first is there", seen)
	}
}

// TestUnknownSomeWhateverTheOrder gives each unit the same outcome wherever it stands among those of other logs.
func TestUnknownSomeWhateverTheOrder(t *testing.T) {
	seen := map[bool]int{}
	for seed := range uint64(60) {
		var there [2][]int
		for i := range there {
			s := New(Config{Seed: seed, Faults: Faults{Commit: func(uint64) Fate { return Fate{Outcome: UnknownSome} }}})
			var units []store.Unit
			for id := range store.LogID(4) {
				open(t, s, id+1)
				units = append(units, step(id+1, 1))
			}
			if i == 1 {
				slices.Reverse(units)
			}
			_, err := s.Commit(ctx, units)
			want(t, 0, err, 0, store.ErrUnknown)
			for id := range store.LogID(4) {
				n := steps(t, s, id+1)
				there[i] = append(there[i], n)
				seen[n > 0]++
			}
		}
		if !slices.Equal(there[0], there[1]) {
			t.Errorf("seed %d: in order %v are there, in the other order %v", seed, there[0], there[1])
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("outcomes seen: %v, want both", seen)
	}
}

// TestUnknownKeepsOrder loses no unit before one of the same log.
func TestUnknownKeepsOrder(t *testing.T) {
	for seed := range uint64(100) {
		s := New(Config{Seed: seed, Faults: Faults{Commit: func(uint64) Fate { return Fate{Outcome: UnknownSome} }}})
		open(t, s, 1)
		open(t, s, 2)
		_, err := s.Commit(ctx, []store.Unit{step(1, 1), append(step(1, 2), step(2, 1)...), step(2, 2)})
		want(t, 0, err, 0, store.ErrUnknown)
		one, two := steps(t, s, 1), steps(t, s, 2)
		if (one == 2) != (two >= 1) {
			t.Errorf("seed %d: %d steps of log 1, %d of log 2: a unit was torn, or overtook another", seed, one, two)
		}
	}
}

// TestDeadLog reads and commits on a log that a failure left dead, beside one that lives.
func TestDeadLog(t *testing.T) {
	s := New(Config{})
	dead, alive := open(t, s, 1), open(t, s, 2)
	s.SetFaults(Faults{Commit: func(call uint64) Fate { return Fate{Outcome: Fence} }})
	n, err := s.Commit(ctx, []store.Unit{step(1, 1)})
	want(t, n, err, 0, store.ErrFenced)
	s.SetFaults(Faults{})

	n, err = s.Commit(ctx, []store.Unit{step(2, 1), step(1, 1)})
	want(t, n, err, 0, store.ErrInvalid)
	if _, err := dead.Read(ctx, 0, 1); !errors.Is(err, store.ErrFenced) {
		t.Errorf("read of a dead log: error %v", err)
	}
	if _, err := alive.Read(ctx, 0, 1); err != nil {
		t.Errorf("read of another: %v", err)
	}
	open(t, s, 1)
	if _, err := dead.Note(ctx, "g", 0); !errors.Is(err, store.ErrFenced) {
		t.Errorf("note through a handle of before: error %v", err)
	}
	n, err = s.Commit(ctx, []store.Unit{step(2, 1), step(1, 1)})
	want(t, n, err, 2, nil)
}

// TestKill makes a store that dies at its third commit.
func TestKill(t *testing.T) {
	s := New(Config{Faults: Faults{Commit: func(call uint64) Fate {
		if call == 3 {
			return Fate{Outcome: UnknownAll, Kill: true}
		}
		return Fate{}
	}}})
	l := open(t, s, 1)
	for seq := uint64(1); seq <= 2; seq++ {
		n, err := s.Commit(ctx, []store.Unit{step(1, seq)})
		want(t, n, err, 1, nil)
	}
	if h := s.Health(); h.Cause != nil {
		t.Fatalf("cause of a store that lives: %v", h.Cause)
	}
	n, err := s.Commit(ctx, []store.Unit{step(1, 3)})
	want(t, n, err, 0, store.ErrUnknown)
	n, err = s.Commit(ctx, []store.Unit{step(1, 4)})
	want(t, n, err, 0, store.ErrDead)
	if _, err := l.Read(ctx, 0, 1); !errors.Is(err, store.ErrDead) {
		t.Errorf("read: error %v", err)
	}
	if _, err := s.Meta().List(ctx, ""); !errors.Is(err, store.ErrDead) {
		t.Errorf("list: error %v", err)
	}
	<-s.Health().Dead
	if s.Health().Cause == nil {
		t.Error("dead without a cause")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close of a dead store: %v", err)
	}
	if s = s.Reopen(); steps(t, s, 1) != 3 {
		t.Error("a step is missing")
	}
	n, err = s.Commit(ctx, []store.Unit{step(1, 4)}) // the fourth call: those on a dead store do not count
	want(t, n, err, 1, nil)
}

// TestCrashInCommit crashes before and after the instant at which a commit becomes durable.
func TestCrashInCommit(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Config{})
			open(t, s, 1)
			held := make(chan struct{})
			wait := func(uint64) { <-held }
			if after {
				s.SetFaults(Faults{AfterDurable: wait})
			} else {
				s.SetFaults(Faults{BeforeDurable: wait})
			}
			var n int
			var err error
			go func() { n, err = s.Commit(ctx, []store.Unit{step(1, 1)}) }()
			synctest.Wait()
			next := s.Crash()
			next.SetFaults(Faults{})
			if got := steps(t, next, 1); (got == 1) != after {
				t.Errorf("after=%v: %d steps before the call came back", after, got)
			}
			close(held)
			synctest.Wait()
			want(t, n, err, 0, store.ErrUnknown)
			if got := steps(t, next, 1); (got == 1) != after {
				t.Errorf("after=%v: %d steps after the call came back", after, got)
			}
			if next.Health().Opens != 2 || s.Health().Opens != 1 {
				t.Errorf("opens = %d, then %d", s.Health().Opens, next.Health().Opens)
			}
		})
	}
}

// TestOpenFences opens a log under a commit in flight, which then changes nothing and leaves the new owner in peace.
func TestOpenFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		open(t, s, 1)
		held := make(chan struct{})
		s.SetFaults(Faults{BeforeDurable: func(call uint64) {
			if call == 1 {
				<-held
			}
		}})
		var n int
		var err error
		go func() { n, err = s.Commit(ctx, []store.Unit{step(1, 1)}) }()
		synctest.Wait()
		l := open(t, s, 1)
		close(held)
		synctest.Wait()
		want(t, n, err, 0, store.ErrFenced)
		if _, err := l.Read(ctx, 0, 1); err != nil {
			t.Errorf("read by the new owner: %v", err)
		}
		n, err = s.Commit(ctx, []store.Unit{step(1, 1)})
		want(t, n, err, 1, nil)
	})
}

// TestDuties breaks the caller's duty of one commit in flight per log; Close waits for the one that is.
func TestDuties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		open(t, s, 1)
		open(t, s, 2)
		s.SetFaults(Faults{BeforeDurable: func(call uint64) {
			if call == 1 {
				time.Sleep(time.Second)
			}
		}})
		var n int
		var err error
		go func() { n, err = s.Commit(ctx, []store.Unit{step(1, 1)}) }()
		synctest.Wait()
		m, second := s.Commit(ctx, []store.Unit{step(2, 1), step(1, 1)})
		want(t, m, second, 0, store.ErrInvalid)
		m, second = s.Commit(ctx, []store.Unit{step(2, 1)})
		want(t, m, second, 1, nil)
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want(t, n, err, 1, nil)
		if took := time.Since(start); took != time.Second {
			t.Errorf("close took %v, the commit in flight a second", took)
		}
	})
}

func TestReadFaults(t *testing.T) {
	s := New(Config{Faults: Faults{Read: func(op string, id store.LogID, at store.Offset) error {
		if id == 1 {
			return fmt.Errorf("%s at %d: %w", op, at, store.ErrCorrupt)
		}
		return nil
	}}})
	bad, good := open(t, s, 1), open(t, s, 2)
	for _, l := range []store.Log{bad, good} {
		_, read := l.Read(ctx, 0, 1)
		_, at := l.OffsetForTime(ctx, time.Now())
		_, note := l.Note(ctx, "g", 0)
		replay := l.Replay(ctx, func(store.Entry) error { return nil })
		for _, err := range []error{read, at, note, replay} {
			if errors.Is(err, store.ErrCorrupt) != (l == bad) {
				t.Errorf("error %v, of the damaged log: %v", err, l == bad)
			}
		}
	}
}

func TestMetaFaults(t *testing.T) {
	for _, c := range []struct {
		outcome Outcome
		err     error
		stored  string
	}{{Fence, store.ErrFenced, "old"}, {UnknownNone, store.ErrUnknown, "old"}, {UnknownAll, store.ErrUnknown, "new"}} {
		s := New(Config{})
		rev, err := s.Meta().Put(ctx, "name", []byte("old"), 0)
		if err != nil {
			t.Fatal(err)
		}
		s.SetFaults(Faults{Meta: func(call uint64) Fate { return Fate{Outcome: c.outcome, Kill: call == 4} }})
		if _, err := s.Meta().List(ctx, ""); !errors.Is(err, c.err) {
			t.Errorf("list: error %v, want %v", err, c.err)
		}
		if _, err := s.Meta().Put(ctx, "name", []byte("new"), rev); !errors.Is(err, c.err) {
			t.Errorf("put: error %v, want %v", err, c.err)
		}
		if err := s.Meta().Delete(ctx, "other", 1); !errors.Is(err, c.err) { // call 4
			t.Errorf("delete: error %v, want %v", err, c.err)
		}
		s.SetFaults(Faults{})
		if _, _, err := s.Meta().Get(ctx, "name"); !errors.Is(err, store.ErrDead) {
			t.Errorf("get from a store that the call before killed: error %v", err)
		}
		value, _, err := s.Crash().Meta().Get(ctx, "name")
		if string(value) != c.stored || err != nil {
			t.Errorf("outcome %d: stored %q, error %v, want %q", c.outcome, value, err, c.stored)
		}
	}
}

// TestMetaUnknownSome finds both outcomes of a put, each for the same seeds.
func TestMetaUnknownSome(t *testing.T) {
	stored := func(seed uint64) bool {
		s := New(Config{Seed: seed, Faults: Faults{Meta: func(uint64) Fate { return Fate{Outcome: UnknownSome} }}})
		if _, err := s.Meta().Put(ctx, "name", nil, 0); !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("put: error %v", err)
		}
		s.SetFaults(Faults{})
		_, _, err := s.Meta().Get(ctx, "name")
		return err == nil
	}
	n := 0
	for seed := range uint64(64) {
		if stored(seed) != stored(seed) {
			t.Fatalf("seed %d has two outcomes", seed)
		}
		if stored(seed) {
			n++
		}
	}
	if n < 16 || n > 48 {
		t.Errorf("%d of 64 puts were stored", n)
	}
}

func TestLow(t *testing.T) {
	s := New(Config{Low: true})
	if !s.Health().Low || !s.Crash().Health().Low {
		t.Error("not low")
	}
	s.SetLow(false)
	if s.Health().Low {
		t.Error("low")
	}
}

// TestUsed fills a log with everything, and finds no byte left once it is gone.
func TestUsed(t *testing.T) {
	s := New(Config{})
	used := func(want int64) {
		t.Helper()
		if got := s.Health().Used; got != want {
			t.Errorf("used = %d, want %d", got, want)
		}
	}
	open(t, s, 1)
	commit := func(e store.Edit) {
		t.Helper()
		n, err := s.Commit(ctx, []store.Unit{{e}})
		want(t, n, err, 1, nil)
	}
	entries := func(es ...store.Entry) store.Edit { return store.Edit{Log: 1, Entries: es} }
	ten := make([]byte, 10)
	commit(entries(store.Entry{Journal: "g", Kind: store.Delta, Seq: 1, Bytes: ten}, store.Entry{Journal: "g", Kind: store.Delta, Seq: 2, Bytes: ten}))
	used(20)
	commit(entries(store.Entry{Journal: "g", Kind: store.Piece, Seq: 1, Bytes: ten[:7]}))
	commit(entries(store.Entry{Journal: "g", Kind: store.Piece, Seq: 1, Bytes: ten[:3]}))
	used(23)
	commit(entries(store.Entry{Journal: "g", Kind: store.Checkpoint, Seq: 1, Part: 1}))
	used(13)
	commit(store.Edit{Log: 1, Notes: []store.Note{{Journal: "g", At: 1, Bytes: ten}, {Journal: "g", At: 1, Bytes: ten[:4]}, {Journal: "h", Bytes: ten}}})
	used(27)
	commit(entries(store.Entry{Journal: "g", Kind: store.Forget}))
	used(10)
	b := batchAt(t, 0)
	commit(store.Edit{Log: 1, Append: []store.Batch{b}})
	used(10 + int64(len(b.Bytes)))
	commit(store.Edit{Log: 1, Rewrite: &store.Batch{MaxTime: b.MaxTime}})
	used(10)
	rev, err := s.Meta().Put(ctx, "name", ten, 0)
	if err != nil {
		t.Fatal(err)
	}
	used(20)
	if err := s.Meta().Delete(ctx, "name", rev); err != nil {
		t.Fatal(err)
	}
	commit(store.Edit{Log: 1, Append: []store.Batch{batchAt(t, 1)}})
	commit(store.Edit{Log: 1, Drop: true})
	used(0)
}

// TestNotesVanish keeps the memory of notes below the start bounded.
func TestNotesVanish(t *testing.T) {
	s := New(Config{})
	open(t, s, 1)
	for i := range store.Offset(2000) {
		n, err := s.Commit(ctx, []store.Unit{{{
			Log: 1, Append: []store.Batch{batchAt(t, i)}, Start: max(0, i-10),
			Notes: []store.Note{{Journal: "g", At: i, Bytes: []byte("note")}},
		}}})
		want(t, n, err, 1, nil)
	}
	if got := len(s.disk.logs[1].journals["g"].notes); got > 100 {
		t.Errorf("%d notes kept of 11 that can be read", got)
	}
}
