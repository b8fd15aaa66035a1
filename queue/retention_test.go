package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

func (h *house) retention(topic string, set func(*queue.TopicConfig)) {
	h.t.Helper()
	_, _, err := h.PutTopic(h.t.Context(), topic, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = 1
		set(&c)
		return c, nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) bounds(topic string) string {
	h.t.Helper()
	info, err := h.Topic(h.t.Context(), topic)
	if err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprint(info.Partitions[0].Start, "-", info.Partitions[0].End)
}

func TestScenario59RetentionByAge(t *testing.T) {
	for _, keep := range []bool{true, false} {
		inBubble(t, func(h *house) {
			h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age, c.Retention.KeepUnsettled = time.Minute, keep })
			h.group("g", []string{"t"}, nil)
			h.group("loose", []string{"t"}, func(c *queue.GroupConfig) { c.Pin = false })
			h.publish("t", "a", "b", "c", "d")
			if _, err := h.settle("g", ack, h.lease("g", 2, 0)...); err != nil {
				h.t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			if got := h.bounds("t"); got != "0-4" {
				h.t.Fatalf("too early: %s", got)
			}
			time.Sleep(time.Minute)
			want, lag := "2-4", int64(2)
			if !keep {
				want, lag = "4-4", 0
			}
			for range 2 {
				if got := h.bounds("t"); got != want {
					h.t.Fatalf("keep_unsettled %v: %s, want %s", keep, got, want)
				}
				if got := h.totals("g").Lag; got != lag {
					h.t.Fatalf("lag of g is %d, want %d", got, lag)
				}
				if got := h.totals("loose").Lag; got != lag {
					h.t.Fatalf("lag of a group that pins nothing is %d, want %d", got, lag)
				}
				h.restart()
			}
			_, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "t"})
			var gone *queue.RangeError
			if !errors.As(err, &gone) || fmt.Sprint(gone.Start, "-", gone.End) != want {
				h.t.Fatalf("a trimmed offset: %v", err)
			}
		})
	}
}

func TestRetentionByBytesKeepsAboutThat(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Bytes = 2 << 20 })
		for range 100 {
			h.publishMsgs("t", queue.Message{Value: make([]byte, 100<<10)})
		}
		time.Sleep(11 * time.Second)
		info, err := h.Topic(h.t.Context(), "t")
		if err != nil {
			h.t.Fatal(err)
		}
		if got := info.Partitions[0].Bytes; got < 1<<20 || got > 2<<20+512<<10 {
			h.t.Fatalf("%d bytes are left of 10 MB", got)
		}
	})
}

func TestOpenLettersOutliveRetention(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		h.retention("g.dlq", func(c *queue.TopicConfig) { c.Retention.Age = time.Second })
		time.Sleep(time.Minute)
		if got := h.bounds("g.dlq"); got != "0-1" {
			h.t.Fatalf("the letters: %s", got)
		}
	})
}
