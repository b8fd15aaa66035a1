package queue_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// TestOrderedResetIsWhole: a commit that fails in the middle of a reset moves all partitions and throws the members out, or does neither.
func TestOrderedResetIsWhole(t *testing.T) {
	for done := range 4 {
		inBubble(t, func(h *house) {
			h.topic("t", 3)
			r := h.join("g", "m", "t")
			for p := range 3 {
				h.publishTo("t", p, "a", "b")
			}
			if err := r.poll().commit(); err != nil {
				h.t.Fatal(err)
			}
			before := h.offsets("g")
			held := make(chan struct{}) // by a commit before the reset's, so that all of the reset is in one
			h.st.SetFaults(memory.Faults{
				BeforeDurable: func(uint64) { <-held },
				Commit: func(uint64) memory.Fate {
					select {
					case <-held:
						return memory.Fate{Outcome: memory.UnknownNone, Done: done}
					default:
						return memory.Fate{}
					}
				},
			})
			go h.Publish(h.t.Context(), "t", []queue.Message{{Value: []byte("c")}}, 0)
			synctest.Wait()
			failed := make(chan error)
			go func() {
				_, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}, Force: true})
				failed <- err
			}()
			synctest.Wait()
			close(held)
			if err := <-failed; !errors.Is(err, queue.ErrUnknown) {
				h.t.Fatalf("reset: %v", err)
			}
			h.Stop()
			synctest.Wait()
			h.Close()
			h.st = h.st.Crash()
			h.open()
			info, err := h.Group(h.t.Context(), "g")
			if err != nil {
				h.t.Fatal(err)
			}
			if after := h.offsets("g"); (after == before) != (len(info.Members) == 1) || after != before && after != "t/0@0 t/1@0 t/2@0" {
				h.t.Errorf("%d done: offsets %s, %d members; before the reset %s", done, after, len(info.Members), before)
			}
		})
	}
}
