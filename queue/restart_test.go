package queue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// A restart comes between the end of a record and its letter: the letter is written at the start, though nobody asks the group for anything.
func TestRestartBuriesWhatWasGivenUp(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "bad")
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h.st = h.st.Crash()
		var err error
		if h.Broker, err = queue.Open(h.t.Context(), h.st, queue.Config{CacheBytes: 1}); err != nil {
			t.Fatal(err)
		}
		ds := h.lease("g", 1, 0)
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, _ store.Offset) error {
			if op == "read" {
				return errors.New("not now")
			}
			return nil
		}})
		if _, err := h.settle("g", reject, ds...); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h.st = h.st.Crash()
		h.st.SetFaults(memory.Faults{})
		h.open()
		time.Sleep(time.Millisecond)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
			t.Errorf("totals after the restart %+v", got)
		}
	})
}
