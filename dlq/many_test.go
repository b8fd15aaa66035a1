package dlq_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// TestScenario73PagesOfManyLettersReadOnlyThemselves: a page of a long list of dead letters reads no more than its own letters, wherever it begins.
func TestScenario73PagesOfManyLettersReadOnlyThemselves(t *testing.T) {
	n, page := 100_000, 100
	if testing.Short() {
		n = 10_000
	}
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		for done := 0; done < n; done += 5000 {
			msgs := make([]queue.Message, 5000)
			for i := range msgs {
				msgs[i].Value = fmt.Append(nil, done+i)
			}
			_, _, err := h.Publish(h.ctx(), "jobs", msgs, 0)
			h.ok(err)
			for range 5 {
				h.settle("g", reject("no such order"), h.lease("g", 1000, 0)...)
			}
		}
		var reads atomic.Int64
		h.st.SetFaults(memory.Faults{Read: func(string, store.LogID, store.Offset) error {
			reads.Add(1)
			return nil
		}})
		var from dlq.Mark
		for range 3 {
			p, err := h.dlq.List(h.ctx(), "g", letter.Filter{State: letter.Open}, from, page)
			h.ok(err)
			if len(p.Items) != page || p.Total != n || p.Next == nil {
				h.t.Fatalf("%d letters of %d, next %v", len(p.Items), p.Total, p.Next)
			}
			if got := reads.Swap(0); got > int64(2*page) {
				h.t.Errorf("a page of %d letters made %d reads", page, got)
			}
			from = *p.Next
		}
	})
}
