package system

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// words is a machine whose state is all it was told.
type words struct {
	mu      sync.Mutex
	told    []byte
	journal *Journal
}

func (w *words) Restore(b []byte) error { w.told = append([]byte(nil), b...); return nil }
func (w *words) Replay(b []byte) error {
	if string(b) == "bad" {
		return store.ErrCorrupt
	}
	w.told = append(w.told, b...)
	return nil
}
func (w *words) Checkpoint() []byte { return append([]byte(nil), w.told...) }

// house is a log at work over a memory store.
type house struct {
	t    *testing.T
	st   *memory.Store
	c    *commit.Committer
	log  *Log
	done chan error
}

func inBubble(t *testing.T, fn func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		fn(&house{t: t, st: memory.New(memory.Config{})})
	})
}

// open brings the log to life; keep says what is kept.
func (h *house) open(keep func(l *Log)) {
	h.t.Helper()
	h.c = commit.New(h.st, nil)
	h.log = New(h.c)
	keep(h.log)
	stray, err := h.log.Open(h.t.Context(), h.st)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.done = make(chan error, 1)
	go func() { h.done <- h.c.Run() }()
	for _, u := range stray {
		h.c.Enqueue(u)
	}
}

// crash ends everything and keeps what is durable.
func (h *house) crash() {
	h.t.Helper()
	h.log.Close()
	h.c.Close()
	if err := <-h.done; err != nil {
		h.t.Fatalf("commit: %v", err)
	}
	h.st = h.st.Crash()
}

// say writes a step and waits for it.
func (h *house) say(w *words, s string) {
	h.t.Helper()
	w.mu.Lock()
	w.told = append(w.told, s...)
	t := h.c.Enqueue(commit.Unit{w.journal.Part([]byte(s))})
	w.mu.Unlock()
	if err := h.c.Wait(context.Background(), t); err != nil {
		h.t.Fatalf("say %q: %v", s, err)
	}
}

func TestMachinesAreThereAgainAfterARestart(t *testing.T) {
	inBubble(t, func(h *house) {
		one := new(words)
		h.open(func(l *Log) { one.journal = l.Keep("census", one) })
		h.say(one, "a")
		each := &words{}
		each.journal = h.log.Begin("redrive/7", each)
		h.say(each, "b")
		h.crash()

		one, found := new(words), map[store.Journal]*words{}
		h.open(func(l *Log) {
			one.journal = l.Keep("census", one)
			l.KeepEach("redrive/", func(j *Journal) Machine {
				w := &words{journal: j}
				found[j.Name()] = w
				return w
			})
		})
		if string(one.told) != "a" || len(found) != 1 || string(found["redrive/7"].told) != "b" {
			t.Fatalf("census %q, found %v", one.told, found)
		}
		h.say(one, "c") // they go on where they were
		h.say(found["redrive/7"], "d")
		h.crash()

		one = new(words)
		h.open(func(l *Log) { one.journal = l.Keep("census", one) })
		if string(one.told) != "ac" {
			t.Errorf("census %q", one.told)
		}
		h.crash()
	})
}

func TestWhatNobodyOwnsIsForgottenAndWhatNobodyKeepsStays(t *testing.T) {
	inBubble(t, func(h *house) {
		one, gone := new(words), new(words)
		h.open(func(l *Log) {
			one.journal = l.Keep("new-fashioned", one)
			gone.journal = l.Begin("redrive/1", gone)
		})
		h.say(one, "a")
		h.say(gone, "b")
		h.crash()
		for _, want := range []int{1, 0} { // found once, and then no more
			asked := 0
			h.open(func(l *Log) {
				l.KeepEach("redrive/", func(*Journal) Machine { asked++; return nil })
			})
			h.crash()
			if asked != want {
				t.Errorf("asked %d times, want %d", asked, want)
			}
		}
		if names := fmt.Sprint(h.names()); names != "[new-fashioned]" {
			t.Errorf("journals %s", names)
		}
	})
}

// names returns the journals that are stored.
func (h *house) names() (names []store.Journal) {
	h.t.Helper()
	h.st = h.st.Crash()
	log, err := h.st.Open(h.t.Context(), LogID)
	if err != nil {
		h.t.Fatal(err)
	}
	err = log.Replay(h.t.Context(), func(e store.Entry) error {
		if len(names) == 0 || names[len(names)-1] != e.Journal {
			names = append(names, e.Journal)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return names
}

// The pieces of a checkpoint are written in the background. None may overtake the delta it is a checkpoint of, however long its caller takes to enqueue that.
func TestNoPieceOvertakesItsDelta(t *testing.T) {
	inBubble(t, func(h *house) {
		one := new(words)
		h.open(func(l *Log) { one.journal = l.Keep("history", one) })
		for i := range 20 {
			delta := strings.Repeat(string(rune('a'+i)), 60<<10)
			one.mu.Lock()
			one.told = append(one.told, delta...)
			part := one.journal.Part([]byte(delta[:1000]), []byte(delta[1000:]))
			synctest.Wait()
			ticket := h.c.Enqueue(commit.Unit{part})
			one.mu.Unlock()
			if err := h.c.Wait(context.Background(), ticket); err != nil {
				t.Fatal(err)
			}
		}
		h.crash()
	})
}

func TestLongCheckpointsComePieceByPiece(t *testing.T) {
	inBubble(t, func(h *house) {
		one := new(words)
		h.open(func(l *Log) { one.journal = l.Keep("history", one) })
		for i := range 20 { // 1.2 MiB: several checkpoints of several pieces
			h.say(one, strings.Repeat(string(rune('a'+i)), 60<<10))
		}
		want := string(one.told)
		synctest.Wait()
		h.crash()
		one = new(words)
		h.open(func(l *Log) { one.journal = l.Keep("history", one) })
		if string(one.told) != want {
			t.Errorf("%d bytes came back, want %d", len(one.told), len(want))
		}
		h.crash()
	})
}

func TestForgottenJournalsBeginAgain(t *testing.T) {
	inBubble(t, func(h *house) {
		one := new(words)
		h.open(func(l *Log) { one.journal = l.Begin("redrive/1", one) })
		for range 6 { // a checkpoint is on its way when it is forgotten
			h.say(one, strings.Repeat("x", 60<<10))
		}
		h.c.Enqueue(commit.Unit{one.journal.Forget()})
		again := new(words)
		again.journal = h.log.Begin("redrive/1", again)
		h.say(again, "new")
		h.crash()
		var back *words
		h.open(func(l *Log) {
			l.KeepEach("redrive/", func(j *Journal) Machine { back = &words{journal: j}; return back })
		})
		if string(back.told) != "new" {
			t.Errorf("%d bytes came back", len(back.told))
		}
		h.crash()
	})
}

func TestOpenNamesWhatIsDamaged(t *testing.T) {
	inBubble(t, func(h *house) {
		one := new(words)
		h.open(func(l *Log) { one.journal = l.Keep("census", one) })
		h.say(one, "bad")
		h.crash()
		l := New(commit.New(h.st, nil))
		l.Keep("census", new(words))
		if _, err := l.Open(t.Context(), h.st); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "census") {
			t.Errorf("%v", err)
		}
	})
}
