package queue_test

import (
	"errors"
	"testing"

	"github.com/holtmq/holt/queue"
)

func TestDetachedTopicKeepsItsLetters(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		h.group("g", nil, nil)
		h.restart()
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

func TestDeletedLetterTopicTakesItsLettersAlong(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a", "b")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		if err := h.DeleteTopic(h.t.Context(), "g.dlq", false, queue.Condition{}); !errors.Is(err, queue.ErrTopicInUse) {
			h.t.Fatalf("delete of open letters: %v", err)
		}
		if err := h.DeleteTopic(h.t.Context(), "g.dlq", true, queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g"); got.DeadLetters != 0 {
			h.t.Fatalf("totals %+v", got)
		}
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		h.restart()
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

func TestResetClosesTheLettersThatComeAgain(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a", "b", "c")
		if _, err := h.settle("g", reject, h.lease("g", 3, 0)...); err != nil {
			h.t.Fatal(err)
		}
		back := queue.ResetRequest{To: queue.Position{Offset: 1}}
		for _, want := range []int64{1, 1} { // a second time, after they died again
			if got := h.totals("g").DeadLetters; got != 3 {
				h.t.Fatalf("%d letters before the reset", got)
			}
			if _, err := h.Reset(h.t.Context(), "g", back); err != nil {
				h.t.Fatal(err)
			}
			h.restart()
			if got := h.totals("g"); got.DeadLetters != want || got.Lag != 2 {
				h.t.Fatalf("totals %+v", got)
			}
			if _, err := h.settle("g", reject, h.lease("g", 3, 0)...); err != nil {
				h.t.Fatal(err)
			}
		}
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Latest: true}}); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g").DeadLetters; got != 3 {
			h.t.Fatalf("%d letters after a reset forward", got)
		}
	})
}
