package queue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue"
)

// What a worker says of a failure grows six times over when it is written down; ten such attempts fit their note all the same.
func TestLargestErrorsOfTenAttemptsAreKept(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts = 0 })
		h.publish("t", "bad")
		now := time.Duration(0)
		long := strings.Repeat("<", 64<<10)
		for i := range 12 {
			ds := h.lease("g", 1, 0)
			if len(ds) != 1 {
				h.t.Fatalf("hand-out %d: %d records", i, len(ds))
			}
			e := &queue.WorkerError{Type: long, Message: fmt.Sprint(i) + long, Stack: long, Fingerprint: long}
			if _, err := h.Settle(h.t.Context(), "g", []queue.Action{{Receipt: ds[0].Receipt, Verb: queue.Nack, Delay: &now, Error: e}}); err != nil {
				h.t.Fatalf("nack %d: %v", i, err)
			}
		}
		h.restart()
		d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t"})
		if err != nil {
			h.t.Fatal(err)
		}
		last := d.History[len(d.History)-1]
		if len(d.History) != 10 || last.Attempt != 12 || last.Error == nil || !strings.HasPrefix(last.Error.Message, "11<") {
			h.t.Errorf("%d attempts, the last one %d: %+v", len(d.History), last.Attempt, last.Error)
		}
	})
}

// wide publishes to many partitions in turn, so that no place is like the one before.
func wide(n, partitions int, delayed bool) []queue.TopicMessages {
	out := queue.TopicMessages{Topic: "out"}
	for i := range n {
		p := i % partitions
		m := queue.Message{Partition: &p}
		if delayed {
			m.Delay = time.Duration(i+1) * time.Hour / 10
		}
		out.Messages = append(out.Messages, m)
	}
	return []queue.TopicMessages{out}
}

func TestKeyedSettleRemembersTheLargestAnswers(t *testing.T) {
	for _, delayed := range []bool{false, true} {
		t.Run(fmt.Sprint("delayed ", delayed), func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.topic("in", 1)
				h.topic("out", 100)
				h.group("g", []string{"in"}, nil)
				h.publish("in", "a")
				for p := range 100 { // ends far apart
					if p%2 == 0 {
						h.publishMsgs("out", make([]queue.Message, 200)...)
					}
				}
				req := queue.SettleRequest{Actions: actions(ack, h.lease("g", 1, 0)), Publish: wide(10_000, 100, delayed), Request: "r"}
				first, err := h.SettleAndPublish(h.t.Context(), "g", req)
				if err != nil {
					h.t.Fatal(err)
				}
				h.restart()
				again, err := h.SettleAndPublish(h.t.Context(), "g", req)
				if err != nil {
					h.t.Fatal(err)
				}
				if diff := cmp.Diff(first, again); diff != "" {
					h.t.Errorf("the answer to the repeat (−first +again):\n%s", diff)
				}
			})
		})
	}
}

func TestOneIDInTwoPartsOfASettleIsStoredOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 4)
		h.group("g", []string{"in"}, nil)
		h.publish("in", "a")
		one := func(key string) queue.TopicMessages {
			return queue.TopicMessages{Topic: "out", Messages: []queue.Message{{ID: "x", Key: []byte(key), Value: []byte(key)}}}
		}
		res, err := h.SettleAndPublish(h.t.Context(), "g", queue.SettleRequest{
			Actions: actions(ack, h.lease("g", 1, 0)), Publish: []queue.TopicMessages{one("k1"), one("k2")},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if got := h.all("out"); len(got) != 1 || got[0] != "k1" {
			h.t.Errorf("stored %v", got)
		}
		first, second := res.Places[0][0], res.Places[1][0]
		if first.Duplicate || !second.Duplicate || second.Partition != first.Partition || second.Offset != first.Offset {
			h.t.Errorf("places %+v and %+v", first, second)
		}
	})
}

// The largest publish that is taken has ids and due times for each record; a byte more is refused, and nothing worse happens.
func TestLargestPublishWithIDsAndDelays(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		taken, refused := 0, 0
		for size := 1150; size <= 1350; size += 50 {
			msgs := make([]queue.Message, 10_000)
			for i := range msgs {
				msgs[i] = queue.Message{ID: fmt.Sprintf("%d %d %s", size, i, strings.Repeat("i", 230)), Value: make([]byte, size), Delay: time.Hour}
			}
			_, _, err := h.Publish(h.t.Context(), "t", msgs, 0)
			switch {
			case err == nil:
				taken++
			case errors.Is(err, queue.ErrRequestTooLarge):
				refused++
			default:
				h.t.Fatalf("values of %d bytes: %v", size, err)
			}
		}
		if taken == 0 || refused == 0 {
			h.t.Errorf("%d taken, %d refused", taken, refused)
		}
	})
}

// A call that was carried out is answered from memory, whatever stands in the way of carrying it out once more.
func TestScenario24RepeatIsAnsweredThoughTheStorageIsFull(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 1)
		h.group("g", []string{"in"}, nil)
		h.publish("in", "a")
		req := queue.SettleRequest{Actions: actions(ack, h.lease("g", 1, 0)), Publish: onto("out", "x"), Request: "r"}
		first, err := h.SettleAndPublish(h.t.Context(), "g", req)
		if err != nil {
			h.t.Fatal(err)
		}
		h.st.SetLow(true)
		again, err := h.SettleAndPublish(h.t.Context(), "g", req)
		if err != nil {
			h.t.Fatalf("the repeat: %v", err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			h.t.Errorf("the repeat (−first +again):\n%s", diff)
		}
		if err := h.DeleteTopic(h.t.Context(), "out", true, queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		if again, err := h.SettleAndPublish(h.t.Context(), "g", req); err != nil || again.Settled != 1 {
			h.t.Fatalf("the repeat after the topic went: %+v, %v", again, err)
		}
	})
}

// A server that takes smaller values than the default of a topic makes topics all the same, and one that takes larger ones none larger than the topic it
// makes: the smaller of the two limits counts.
func TestValueLimitsOfServerAndTopic(t *testing.T) {
	inBubble(t, func(h *house) {
		serve := func(maxValue int64) {
			h.t.Helper()
			if err := h.Close(); err != nil {
				h.t.Fatal(err)
			}
			b, err := queue.Open(h.t.Context(), h.st, queue.Config{Limits: queue.Limits{MaxValue: maxValue}})
			if err != nil {
				h.t.Fatal(err)
			}
			h.Broker = b
		}
		publish := func(topic string, size int) error {
			_, _, err := h.Publish(h.t.Context(), topic, []queue.Message{{Value: make([]byte, size)}}, 0)
			return err
		}
		put := func(topic string, n int64) error {
			_, _, err := h.PutTopic(h.t.Context(), topic, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
				if n > 0 {
					c.MaxRecordBytes = n
				}
				return c, nil
			})
			return err
		}
		const large = 4 << 20
		serve(large)
		if err := publish("made", 1<<20+1); !errors.Is(err, queue.ErrRecordTooLarge) {
			h.t.Errorf("over the limit of the topic that it would make: %v", err)
		}
		if _, err := h.Topic(h.t.Context(), "made"); !errors.Is(err, queue.ErrTopicNotFound) {
			h.t.Errorf("a refused publish made a topic: %v", err)
		}
		if err := errors.Join(put("large", large), publish("large", large)); err != nil {
			h.t.Fatal(err)
		}
		h.group("g", []string{"large"}, func(c *queue.GroupConfig) { c.MaxAttempts = 1 })
		serve(1000)
		for _, topic := range []string{"small", "large"} {
			if err := errors.Join(publish(topic, 1000), put(topic, 0)); err != nil {
				h.t.Errorf("%s, which asks for no other limit: %v", topic, err)
			}
			if err := publish(topic, 1001); !errors.Is(err, queue.ErrRecordTooLarge) {
				h.t.Errorf("%s over the server's limit: %v", topic, err)
			}
			if err := put(topic, large+1); !errors.Is(err, queue.ErrInvalidConfig) {
				h.t.Errorf("%s over every limit: %v", topic, err)
			}
		}
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g").DeadLetters; got != 1 {
			h.t.Errorf("%d letters", got)
		}
	})
}
