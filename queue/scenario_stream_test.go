package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// grow sets partitions and priorities of a topic.
func (h *house) grow(topic string, partitions, priorities int, force bool) error {
	_, _, err := h.PutTopic(h.t.Context(), topic, queue.Condition{Force: force}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions, c.Priorities = partitions, priorities
		return c, nil
	})
	return err
}

func TestScenario57WhatIsAddedLaterIsReadFromItsBeginning(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.publish("t", "old")
		h.group("late", []string{"t"}, nil)
		if _, err := h.Reset(h.t.Context(), "late", queue.ResetRequest{To: queue.Position{Latest: true}}); err != nil {
			h.t.Fatal(err)
		}
		if err := h.grow("t", 2, 2, false); err != nil {
			h.t.Fatal(err)
		}
		high := 1
		for p := range 4 {
			h.publishMsgs("t", queue.Message{Value: fmt.Append(nil, "in ", p), Partition: &p})
		}
		h.publishMsgs("t", queue.Message{Value: []byte("high"), Key: []byte("k"), Priority: &high})
		h.restart()
		if got := h.totals("late").Lag; got != 5 {
			h.t.Errorf("lag %d", got)
		}
		if got := len(h.lease("late", 10, 0)); got != 5 {
			h.t.Errorf("%d records came", got)
		}
		if err := h.grow("t", 1, 2, false); !errors.Is(err, queue.ErrCannotShrink) {
			h.t.Errorf("fewer partitions: %v", err)
		}
	})
}

func TestScenario57GrowthUnderKeyOrderNeedsForce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering = catalog.OrderingKey })
		for _, size := range [][2]int{{2, 1}, {1, 2}} {
			if err := h.grow("t", size[0], size[1], false); !errors.Is(err, queue.ErrTopicInUse) {
				h.t.Errorf("%v: %v", size, err)
			}
		}
		if err := h.grow("t", 2, 2, true); err != nil {
			h.t.Error(err)
		}
	})
}

// The lag counts neither what the log does not hold any more nor what is settled, whether the group has reached it or not.
func TestScenario62LagCountsNoHole(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		for i := range 1000 {
			h.put("t", fmt.Sprint(i%3), fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		h.group("g", []string{"t"}, nil)
		for range 2 {
			if got := h.totals("g"); got.Lag != 3 || got.Available != 3 {
				h.t.Fatalf("totals %+v", got)
			}
			h.restart()
		}
		ds := h.lease("g", 2, 0)
		if got := h.totals("g"); got.Lag != 3 || got.Leased != 2 {
			h.t.Fatalf("totals with leases %+v", got)
		}
		if _, err := h.settle("g", ack, ds...); err != nil {
			h.t.Fatal(err)
		}
		h.put("t", "0", "newer") // and what it supersedes is settled
		time.Sleep(3 * time.Minute)
		if got := h.totals("g").Lag; got != 2 {
			h.t.Errorf("lag %d", got)
		}
		info, err := h.Group(h.t.Context(), "g")
		if err != nil || info.Partitions[0].OldestUnsettled.IsZero() {
			h.t.Errorf("oldest unsettled %+v, %v", info.Partitions[0], err)
		}
	})
}
