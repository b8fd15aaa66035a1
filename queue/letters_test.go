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
