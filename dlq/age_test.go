package dlq_test

import (
	"testing"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
)

// What was redriven and is not settled is as old as its record, which the partition may not have any more.
func TestRedrivenRecordsHaveAnAge(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		_, _, err := h.PutTopic(h.ctx(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Retention.Age = time.Hour
			return c, nil
		})
		h.ok(err)
		h.group("g", []string{"t"}, nil)
		ages := func(what string, unsettled, available time.Time) {
			t.Helper()
			info, err := h.Group(h.ctx(), "g")
			h.ok(err)
			if p := info.Partitions[0]; !p.OldestUnsettled.Equal(unsettled) || !p.OldestAvailable.Equal(available) {
				t.Errorf("%s: the oldest is of %v, of those available %v; want %v, %v", what, p.OldestUnsettled, p.OldestAvailable, unsettled, available)
			}
		}
		first := time.Now()
		h.kill("t", "g", "a")
		time.Sleep(time.Minute)
		second := time.Now()
		h.kill("t", "g", "b")
		time.Sleep(2 * time.Hour) // the partition is empty
		ages("letters", time.Time{}, time.Time{})
		ids := h.list("g", letter.Filter{State: letter.Open}).Items
		redrive := func(i int) {
			t.Helper()
			_, err := h.dlq.Redrive(h.ctx(), "g", ids[i].ID, dlq.Edit{})
			h.ok(err)
		}
		redrive(1)
		ages("the second", second, second)
		redrive(0)
		ages("both", first, first)
		a := h.lease("g", 1, 0)
		ages("the first leased", first, second)
		h.publish("t", "c")
		h.restart()
		ages("after a restart", first, second)
		rs, err := h.Ribbon(h.ctx(), "g", 10)
		h.ok(err)
		leased, available := 0, 0
		for _, c := range rs[0].Cells {
			leased, available = leased+c.Leased, available+c.Available
		}
		if leased != 0 || available != 1 || rs[0].Before != 2 { // both lie before the partition's start
			t.Errorf("the ribbon %+v", rs[0])
		}
		h.settle("g", ack, a...)
		ages("the first acked", second, second)
		h.settle("g", ack, h.lease("g", 1, 0)...)
		info, err := h.Group(h.ctx(), "g")
		h.ok(err)
		if p := info.Partitions[0]; p.Lag != 1 || p.OldestUnsettled.Before(second.Add(time.Hour)) {
			t.Errorf("the last one left: %+v", p)
		}
	})
}

func TestRibbonShowsRedrivenRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.kill("t", "g", "0", "1", "2", "3")
		for _, l := range h.list("g", letter.Filter{State: letter.Open}).Items[1:3] {
			_, err := h.dlq.Redrive(h.ctx(), "g", l.ID, dlq.Edit{})
			h.ok(err)
		}
		h.lease("g", 1, 0)
		rs, err := h.Ribbon(h.ctx(), "g", 10)
		h.ok(err)
		r := rs[0]
		if r.From != 1 || r.To != 4 || r.Cells[0].Leased != 1 || r.Cells[1].Available != 1 || r.Before != 0 || !r.Whole {
			t.Errorf("the ribbon %+v", r)
		}
	})
}
