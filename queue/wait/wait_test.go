package wait

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestExactlyOneOfServedAndGoneWins(t *testing.T) {
	for round := range 500 {
		var q Queue[int]
		w := q.Push()
		ctx, cancel := context.WithCancel(t.Context())
		var won bool
		var work sync.WaitGroup
		work.Go(func() { won = w.Serve(7) })
		work.Go(cancel)
		got, ok := w.Await(ctx, time.Hour, nil, nil)
		work.Wait()
		if ok != won || ok && got != 7 || !ok && got != 0 {
			t.Fatalf("round %d: served %v, got %d, %v", round, won, got, ok)
		}
		if w.Serve(8) {
			t.Fatalf("round %d: served again", round)
		}
	}
}

func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		close(closed)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for name, await := range map[string]func(*Waiter[int]) bool{
			"at stop":         func(w *Waiter[int]) bool { _, ok := w.Await(t.Context(), time.Hour, closed, nil); return ok },
			"at the end":      func(w *Waiter[int]) bool { _, ok := w.Await(t.Context(), time.Hour, nil, closed); return ok },
			"with its client": func(w *Waiter[int]) bool { _, ok := w.Await(over, time.Hour, nil, nil); return ok },
		} {
			began := time.Now()
			if await(new(Queue[int]).Push()) || time.Since(began) != 0 {
				t.Errorf("%s: served, or after %v", name, time.Since(began))
			}
		}
		began := time.Now()
		if _, ok := new(Queue[int]).Push().Await(t.Context(), 3*time.Second, nil, nil); ok || time.Since(began) != 3*time.Second {
			t.Errorf("an empty wait took %v", time.Since(began))
		}
	})
}

func TestScenario14LinesKeepTheOrderOfArrival(t *testing.T) {
	var l Lines[int]
	all := make([]*Waiter[int], 6)
	for i := range all {
		all[i] = l.Push([]string{"", "a", "b"}[i%3])
	}
	heads := func() (out []int) {
		for _, w := range l.Heads() {
			for i := range all {
				if all[i] == w {
					out = append(out, i)
				}
			}
		}
		return out
	}
	for _, step := range []struct {
		remove int
		want   string
	}{{1, "[0 2 4]"}, {1, "[0 2 4]"}, {5, "[0 2 4]"}, {0, "[2 3 4]"}, {2, "[3 4]"}, {4, "[3]"}, {3, "[]"}} {
		l.Remove(all[step.remove])
		if got := fmt.Sprint(heads()); got != step.want {
			t.Errorf("without %d: %s, want %s", step.remove, got, step.want)
		}
	}
	if l.Len() != 0 || len(l.queues) != 0 {
		t.Errorf("%d waiters in %d lines are left", l.Len(), len(l.queues))
	}
}
