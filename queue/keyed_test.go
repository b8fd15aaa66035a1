package queue_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// A commit fails in the middle of a keyed settle over two partitions: the repeat after the restart settles what is not settled.
func TestScenario28KeyedSettleIsRememberedOnlyWithItsEffect(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		for p := range 2 {
			h.publishMsgs("t", queue.Message{Partition: &p, Value: []byte{byte('a' + p)}})
		}
		req := queue.SettleRequest{Actions: actions(ack, h.lease("g", 2, 0)), Request: "r"}
		h.st.SetFaults(memory.Faults{Commit: func(uint64) memory.Fate { return memory.Fate{Outcome: memory.UnknownNone, Done: 1} }})
		if _, err := h.SettleAndPublish(h.t.Context(), "g", req); !errors.Is(err, queue.ErrUnknown) {
			h.t.Fatalf("settle: %v", err)
		}
		_ = h.Close() // it failed
		h.st.SetFaults(memory.Faults{})
		h.st = h.st.Crash()
		h.open()
		if res, err := h.SettleAndPublish(h.t.Context(), "g", req); err != nil || res.Settled != 2 {
			h.t.Fatalf("the repeat: %+v, %v", res, err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			h.t.Errorf("totals %+v", got)
		}
	})
}

// Records die while their dead-letter topic is deleted, again and again: counts stay true, and nothing is written to a log that is gone.
func TestScenario66LettersWhileTheirTopicIsDeleted(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		const n = 200
		h.publish("t", make([]string, n)...)
		ds := h.lease("g", n, 0)
		var work sync.WaitGroup
		work.Go(func() {
			for _, d := range ds {
				if _, err := h.settle("g", reject, d); err != nil {
					h.t.Error(err)
				}
			}
		})
		work.Go(func() {
			for range n {
				if err := h.DeleteTopic(h.t.Context(), "g.dlq", true, queue.Condition{}); err != nil && !errors.Is(err, queue.ErrTopicNotFound) {
					h.t.Error(err)
				}
			}
		})
		work.Wait()
		if err := h.DeleteTopic(h.t.Context(), "g.dlq", true, queue.Condition{}); err != nil && !errors.Is(err, queue.ErrTopicNotFound) {
			h.t.Error(err)
		}
		if got := h.totals("g"); got.DeadLetters != 0 {
			h.t.Errorf("%d letters in a topic that is gone", got.DeadLetters)
		}
		if err := h.DeleteGroup(h.t.Context(), "g", true, queue.Condition{}); err != nil {
			h.t.Error(err)
		}
	})
}
