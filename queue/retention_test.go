package queue_test

import (
	"errors"
	"fmt"
	"slices"
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

// What everybody has settled behind a stuck record goes by age; the record itself, and what another group needs, stays.
func TestScenario59RetentionBehindAStuckRecord(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age = time.Minute })
		h.group("g", []string{"t"}, nil)
		h.group("slow", []string{"t"}, nil)
		h.group("loose", []string{"t"}, func(c *queue.GroupConfig) { c.Pin = false })
		for i := range 40 {
			h.publish("t", fmt.Sprint(i))
		}
		settleAll := func(group string, but ...queue.Offset) {
			for _, d := range h.lease(group, 100, 0) {
				if !slices.Contains(but, d.Record.Offset) {
					if _, err := h.settle(group, ack, d); err != nil {
						h.t.Fatal(err)
					}
				}
			}
		}
		settleAll("g", 3, 20)
		settleAll("slow", 30)
		h.lease("loose", 10, 0)
		time.Sleep(2 * time.Minute)
		h.publish("t", "new")
		for range 2 {
			h.wantOffsets("t", "[3 20 30 40]")
			if got := fmt.Sprint(h.totals("g").Lag, h.totals("slow").Lag, h.totals("loose").Lag); got != "3 2 4" {
				h.t.Fatalf("lags %s", got)
			}
			h.restart()
		}
		settleAll("slow")
		h.restart()
		time.Sleep(2 * time.Minute)
		h.wantOffsets("t", "[3 20 40]")
		if got := h.bounds("t"); got != "3-41" {
			h.t.Errorf("bounds %s", got)
		}
		if got := fmt.Sprint(values(h.lease("loose", 100, 0))); got != "[3 20 new]" {
			h.t.Errorf("a group that holds nothing back gets %s", got)
		}
		settleAll("g")
		time.Sleep(time.Minute)
		if got := h.bounds("t"); got != "41-41" {
			h.t.Errorf("bounds at last %s", got)
		}
	})
}

func TestScenario59RetentionByBytesBehindAStuckRecord(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Bytes = 2 << 20 })
		h.group("g", []string{"t"}, nil)
		big := make([]byte, 100<<10)
		for range 100 {
			h.publishMsgs("t", queue.Message{Value: big})
			ds := h.lease("g", 1, 0)
			if ds[0].Record.Offset > 0 {
				if _, err := h.settle("g", ack, ds...); err != nil {
					h.t.Fatal(err)
				}
			}
		}
		for range 2 {
			time.Sleep(11 * time.Second)
			info, err := h.Topic(h.t.Context(), "t")
			if err != nil {
				h.t.Fatal(err)
			}
			bytes, holds := info.Partitions[0].Bytes, info.Groups[0].HoldsBytes
			if bytes < 1<<20 || bytes > 2<<20+512<<10 || holds > bytes || holds < bytes-512<<10 {
				h.t.Fatalf("%d bytes are left of 10 MB, the group holds %d", bytes, holds)
			}
			if _, err := h.ReadOne(h.t.Context(), "t", 0, 0); err != nil {
				h.t.Fatalf("the stuck record: %v", err)
			}
			h.restart()
		}
	})
}

// Open letters hold their own places only: what lies before and between them goes.
func TestRetentionGoesRoundOpenLetters(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a", "b")
		if _, err := h.settle("g", reject, h.lease("g", 2, 0)...); err != nil {
			h.t.Fatal(err)
		}
		h.publish("g.dlq", "of a user", "another")
		h.publish("jobs", "c")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		h.retention("g.dlq", func(c *queue.TopicConfig) { c.Retention.Age, c.Retention.KeepUnsettled = time.Second, false })
		time.Sleep(time.Minute)
		h.wantOffsets("g.dlq", "[0 1 4]")
	})
}

// A reset goes back to what is there: it never makes a record come again that retention is taking.
func TestScenario58ResetIntoAHole(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age = time.Minute })
		h.group("g", []string{"t"}, nil)
		for i := range 10 {
			h.publish("t", fmt.Sprint(i))
		}
		ds := h.lease("g", 10, 0)
		if _, err := h.settle("g", ack, ds[1:]...); err != nil {
			h.t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		h.publish("t", "new")
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}}); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g").Lag; got != 2 {
			h.t.Errorf("lag %d", got)
		}
		if got := fmt.Sprint(values(h.lease("g", 100, 0))); got != "[0 new]" {
			h.t.Errorf("after the reset: %s", got)
		}
		if got := h.totals("g"); got.Lag != 2 || got.Leased != 2 {
			h.t.Errorf("totals %+v", got)
		}
	})
}
