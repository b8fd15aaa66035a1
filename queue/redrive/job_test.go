package redrive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
)

func some(n int) (ids []share.LetterID) {
	for i := range n {
		ids = append(ids, share.LetterID{Log: store.LogID(1 + i%3), Offset: record.Offset(i * 7 % 1000)})
	}
	return ids
}

// deltasOf makes a job of random steps, and returns it with what it wrote.
func deltasOf(seed uint64) (*Job, [][]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	j := &Job{Definition: Definition{ID: "x", Group: "g", Rate: 2.5, ToTopic: seed%5 == 0}, state: Running}
	def, _ := json.Marshal(j.Definition)
	deltas := [][]byte{append([]byte{opDefine}, def...)}
	j.ids = some(r.IntN(50))
	j.ready = true
	deltas = append(deltas, encodeIDs(j.ids), []byte{opReady})
	for range r.IntN(20) {
		if n := len(j.ids) - len(j.redrives); n > 0 && r.IntN(2) == 0 {
			done := make([]uint32, 1+r.IntN(n))
			for i := range done {
				done[i] = uint32(r.IntN(3))
			}
			j.step(done)
			deltas = append(deltas, encodeStep(done))
		}
		var known []noted
		for t, f := range j.fates {
			if f == share.Waits && r.IntN(3) == 0 {
				known = append(known, noted{t, share.Fate(1 + r.IntN(3))})
			}
		}
		j.took(known)
		deltas = append(deltas, encodeNoted(known))
	}
	if r.IntN(2) == 0 {
		j.end(Failed, "why", time.UnixMilli(1_700_000_000_000).UTC())
		deltas = append(deltas, encodeEnd(j.state, j.detail, j.finished))
	}
	return j, deltas
}

func TestJobsComeBack(t *testing.T) {
	for seed := range uint64(300) {
		j, deltas := deltasOf(seed)
		replayed, restored := &Job{state: Running}, &Job{state: Running}
		for _, d := range deltas {
			if err := replayed.Replay(d); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if err := restored.Restore(j.Checkpoint()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for name, got := range map[string]*Job{"replayed": replayed, "restored": restored} {
			if got.Progress() != j.Progress() || got.Definition != j.Definition || !bytes.Equal(got.Checkpoint(), j.Checkpoint()) {
				t.Fatalf("seed %d, %s: %+v, want %+v", seed, name, got.Progress(), j.Progress())
			}
		}
	}
}

func FuzzJob(f *testing.F) {
	for seed := range uint64(10) {
		j, deltas := deltasOf(seed)
		f.Add(j.Checkpoint())
		for _, d := range deltas {
			f.Add(append([]byte{byte(len(d))}, d...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		j := &Job{state: Running}
		if err := j.Restore(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again := &Job{state: Running}
		if err := again.Restore(j.Checkpoint()); err != nil {
			t.Fatalf("what was accepted cannot be restored: %v", err)
		}
		p := j.Progress()
		if p.Redriven < p.Succeeded+p.DiedAgain || p.Matched < p.Redriven+p.Skipped {
			t.Fatalf("%+v", p)
		}
	})
}

// TestJobsAreBounded makes more than are kept: the oldest that have ended go, those that run stay, and not too many run.
func TestJobsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{})
		open := func() (*Jobs, func()) {
			c := commit.New(st, nil)
			l := system.New(c)
			jobs := Keep(l, c)
			if _, err := l.Open(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- c.Run() }()
			jobs.Opened()
			return jobs, func() {
				l.Close()
				c.Close()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				st = st.Crash()
			}
		}
		jobs, crash := open()
		first, err := jobs.Make(t.Context(), Definition{Group: "g"}, some(7000))
		if err != nil {
			t.Fatal(err)
		}
		for i := range MaxKept + 10 {
			j, err := jobs.Make(t.Context(), Definition{Group: fmt.Sprint(i)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			j.End(Done, "")
			time.Sleep(time.Millisecond)
		}
		crash()
		jobs, crash = open()
		list := jobs.List("", 10_000)
		if len(list) != MaxKept || list[0].Group != fmt.Sprint(MaxKept+9) || list[MaxKept-1].ID != first.ID {
			t.Errorf("%d jobs, newest of %s", len(list), list[0].Group)
		}
		if got := len(list[MaxKept-1].Next(10_000)); got != 7000 {
			t.Errorf("%d letters came back", got)
		}
		if page := jobs.List(list[2].ID, 3); len(page) != 3 || page[0].ID != list[3].ID {
			t.Error("a page does not go on where the last one ended")
		}
		for range MaxRunning - 1 {
			if _, err := jobs.Make(t.Context(), Definition{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := jobs.Make(t.Context(), Definition{}, nil); !errors.Is(err, ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
		if _, err := jobs.Get("none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		crash()
	})
}

// TestStepsStayInOrder ends a job while a step's unit is not enqueued yet: its journal must not have the end before the step.
func TestStepsStayInOrder(t *testing.T) {
	st := memory.New(memory.Config{})
	c := commit.New(st, nil)
	l := system.New(c)
	jobs := Keep(l, c)
	if _, err := l.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run() }()
	j, err := jobs.Make(t.Context(), Definition{Group: "g"}, some(10))
	if err != nil {
		t.Fatal(err)
	}
	parts, enqueued := j.Step([]uint32{1, 1, 0})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		j.End(Cancelled, "")
	}()
	for range 1000 { // let it run into the lock
		runtime.Gosched()
	}
	c.Enqueue(commit.Unit(parts))
	enqueued()
	<-ended
	l.Close()
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
