package queue_test

import (
	"errors"
	"fmt"
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

// A key that is used for another call, as when a record comes again after a reset, tells nobody that leases are settled that are not.
func TestScenario24KeyOfAnotherCall(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 1)
		h.group("g", []string{"in"}, nil)
		h.publish("in", "a", "b", "c")
		ds := h.lease("g", 3, 0)
		call := func(publish []queue.TopicMessages, of ...queue.Delivery) (queue.SettleResult, error) {
			return h.SettleAndPublish(h.t.Context(), "g", queue.SettleRequest{Actions: actions(ack, of), Publish: publish, Request: "once"})
		}
		for i, publish := range [][]queue.TopicMessages{onto("out", "x"), onto("out", "y"), nil} {
			first, err := call(publish, ds[i])
			if err != nil || first.Settled != 1 || h.totals("g").Lag != int64(2-i) {
				h.t.Fatalf("call %d: %+v, %v, lag %d", i, first, err, h.totals("g").Lag)
			}
			h.restart()
			if again, err := call(publish, ds[i]); err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
				h.t.Fatalf("repeat of call %d: %+v, %v; first %+v", i, again, err, first)
			}
		}
		h.publish("in", "d")
		if _, err := call(onto("out", "z"), append(h.lease("g", 1, 0), ds[0])...); !errors.Is(err, queue.ErrAlreadySettled) {
			h.t.Errorf("with a lease of an earlier call: %v", err)
		}
		if got := fmt.Sprint(h.all("out")); got != "[x y]" {
			h.t.Errorf("published %v", got)
		}
	})
}

// The repeat of a call that only extends and publishes publishes nothing more.
func TestScenario24KeyedExtend(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 1)
		h.group("g", []string{"in"}, nil)
		h.publish("in", "a")
		req := queue.SettleRequest{Actions: []queue.Action{{Verb: queue.Extend, Receipt: h.lease("g", 1, 0)[0].Receipt}}, Publish: onto("out", "x"), Request: "once"}
		for range 2 {
			if res, err := h.SettleAndPublish(h.t.Context(), "g", req); err != nil || res.Settled != 1 {
				h.t.Fatalf("%+v, %v", res, err)
			}
			h.restart()
		}
		if got := fmt.Sprint(h.all("out")); got != "[x]" {
			h.t.Errorf("published %v", got)
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
