package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// house is a broker on a memory store inside a bubble.
type house struct {
	*queue.Broker
	t  *testing.T
	st *memory.Store
}

func inBubble(t *testing.T, fn func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, st: memory.New(memory.Config{})}
		h.open()
		defer func() { // also after Fatal: goroutines must not outlive the bubble
			if err := h.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
		fn(h)
	})
}

func (h *house) open() {
	h.t.Helper()
	b, err := queue.Open(h.t.Context(), h.st, queue.Config{})
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.Broker = b
}

// restart closes the broker and opens it on what is durable.
func (h *house) restart() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatalf("close: %v", err)
	}
	h.st = h.st.Crash()
	h.open()
}

func (h *house) group(name string, topics []string, set func(*queue.GroupConfig)) {
	h.t.Helper()
	_, _, err := h.PutGroup(h.t.Context(), name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = topics
		if set != nil {
			set(&c.Config)
		}
		return c, nil
	})
	if err != nil {
		h.t.Fatalf("put group %s: %v", name, err)
	}
}

func (h *house) topic(name string, partitions int) {
	h.t.Helper()
	_, _, err := h.PutTopic(h.t.Context(), name, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = partitions
		return c, nil
	})
	if err != nil {
		h.t.Fatalf("put topic %s: %v", name, err)
	}
}

func (h *house) publish(topic string, values ...string) {
	h.t.Helper()
	msgs := make([]queue.Message, len(values))
	for i, v := range values {
		msgs[i] = queue.Message{Value: []byte(v)}
	}
	if _, _, err := h.Publish(h.t.Context(), topic, msgs, 0); err != nil {
		h.t.Fatalf("publish to %s: %v", topic, err)
	}
}

func (h *house) lease(group string, n int, wait time.Duration) []queue.Delivery {
	h.t.Helper()
	ds, _, err := h.Lease(h.t.Context(), group, queue.LeaseRequest{Max: n, Wait: wait, Member: "w"})
	if err != nil {
		h.t.Fatalf("lease from %s: %v", group, err)
	}
	return ds
}

func (h *house) settle(group string, verb func(queue.Delivery) queue.Action, ds ...queue.Delivery) (queue.SettleResult, error) {
	actions := make([]queue.Action, len(ds))
	for i, d := range ds {
		actions[i] = verb(d)
	}
	return h.Settle(h.t.Context(), group, actions)
}

func ack(d queue.Delivery) queue.Action { return queue.Action{Receipt: d.Receipt, Verb: queue.Ack} }
func nack(d queue.Delivery) queue.Action {
	return queue.Action{Receipt: d.Receipt, Verb: queue.Nack, Error: &queue.WorkerError{Message: "no"}}
}
func reject(d queue.Delivery) queue.Action {
	return queue.Action{Receipt: d.Receipt, Verb: queue.Reject, Error: &queue.WorkerError{Message: "never"}}
}

func (h *house) totals(group string) queue.GroupTotals {
	h.t.Helper()
	info, err := h.Group(h.t.Context(), group)
	if err != nil {
		h.t.Fatal(err)
	}
	return info.Totals
}

func values(ds []queue.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = string(d.Record.Value)
	}
	return out
}

func TestLeaseAndAckInOrder(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a", "b", "c")
		ds := h.lease("g", 2, 0)
		if got := fmt.Sprint(values(ds)); got != "[a b]" {
			t.Fatalf("leased %s", got)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Available: 1, Leased: 2}) {
			t.Fatalf("totals %+v", got)
		}
		if res, err := h.settle("g", ack, ds...); err != nil || res.Settled != 2 {
			t.Fatalf("ack: %+v, %v", res, err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1}) {
			t.Fatalf("totals %+v", got)
		}
	})
}

func TestParkedLeaseIsServedByPublish(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 4)
		h.group("g", []string{"jobs"}, nil)
		got := make(chan []queue.Delivery)
		go func() { got <- h.lease("g", 5, 30*time.Second) }()
		synctest.Wait()
		h.publish("jobs", "x")
		if ds := <-got; len(ds) != 1 || string(ds[0].Record.Value) != "x" {
			t.Fatalf("got %v", values(ds))
		}
		if began := time.Now(); len(h.lease("g", 1, 3*time.Second)) != 0 || time.Since(began) != 3*time.Second {
			t.Fatalf("an empty wait took %v", time.Since(began))
		}
	})
}

func TestNackBacksOffAndDiesAtTheLimit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.MaxAttempts, c.Backoff.Jitter = 2, 0 })
		h.publish("jobs", "bad")
		began := time.Now()
		ds := h.lease("g", 1, 0)
		if _, err := h.settle("g", nack, ds...); err != nil {
			t.Fatal(err)
		}
		ds = h.lease("g", 1, time.Minute)
		if len(ds) != 1 || ds[0].Attempt != 2 || time.Since(began) < time.Second {
			t.Fatalf("second hand-out: %d records after %v", len(ds), time.Since(began))
		}
		if _, err := h.settle("g", nack, ds...); err != nil {
			t.Fatal(err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
			t.Fatalf("totals %+v", got)
		}
		res, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "g.dlq"})
		if err != nil || len(res.Records) != 1 || string(res.Records[0].Value) != "bad" {
			t.Fatalf("dead letters %+v, %v", res, err)
		}
		want := map[string]string{"holt-dl-group": "g", "holt-dl-topic": "jobs", "holt-dl-reason": "max_attempts", "holt-dl-error": "no", "holt-dl-attempts": "2"}
		for _, hd := range res.Records[0].Headers {
			if v, is := want[hd.Name]; is && v != string(hd.Value) {
				t.Errorf("header %s is %q", hd.Name, hd.Value)
			}
			delete(want, hd.Name)
		}
		if len(want) > 0 {
			t.Errorf("headers missing: %v", want)
		}
	})
}

func TestExpiryHandsOutAgain(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		h.publish("jobs", "a")
		first := h.lease("g", 1, 0)
		second := h.lease("g", 1, time.Minute)
		if len(second) != 1 || second[0].Attempt != 2 || second[0].Deliveries != 2 {
			t.Fatalf("got %+v", second)
		}
		if _, err := h.settle("g", ack, first...); !errors.Is(err, queue.ErrLeaseLost) {
			t.Fatalf("the old receipt: %v", err)
		}
		if _, err := h.settle("g", ack, second...); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRestartKeepsLeasesAndAcks(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 2)
		h.group("g", []string{"jobs"}, nil)
		for i := range 10 {
			h.publish("jobs", fmt.Sprint(i))
		}
		ds := h.lease("g", 5, 0)
		if _, err := h.settle("g", ack, ds[:2]...); err != nil {
			t.Fatal(err)
		}
		h.restart()
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 8, Available: 5, Leased: 3}) {
			t.Fatalf("totals %+v", got)
		}
		if _, err := h.settle("g", ack, ds[2:]...); err != nil {
			t.Fatalf("receipts from before the restart: %v", err)
		}
		if got := len(h.lease("g", 100, 0)); got != 5 {
			t.Fatalf("%d records left", got)
		}
	})
}

func TestRejectIsBuriedWhenItReturns(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a", "b")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			t.Fatal(err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1, DeadLetters: 1}) {
			t.Fatalf("totals %+v", got)
		}
		h.restart()
		if got := h.totals("g"); got.DeadLetters != 1 || got.Lag != 1 {
			t.Fatalf("totals after restart %+v", got)
		}
	})
}

func TestTopicDeletedAndMadeAgainIsNew(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "old")
		h.lease("g", 1, 0)
		if err := h.DeleteTopic(h.t.Context(), "jobs", false, queue.Condition{}); !errors.Is(err, queue.ErrTopicInUse) {
			t.Fatalf("delete: %v", err)
		}
		if err := h.DeleteTopic(h.t.Context(), "jobs", true, queue.Condition{}); err != nil {
			t.Fatal(err)
		}
		h.topic("jobs", 1)
		h.publish("jobs", "new")
		h.group("g", []string{"jobs"}, nil)
		h.restart()
		if got := fmt.Sprint(values(h.lease("g", 9, 0))); got != "[new]" {
			t.Fatalf("leased %s", got)
		}
	})
}

func TestMaxInflightParksUntilASettle(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.MaxInflight = 1 })
		h.publish("jobs", "a", "b")
		first := h.lease("g", 10, 0)
		got := make(chan []queue.Delivery)
		go func() { got <- h.lease("g", 10, 20*time.Second) }()
		synctest.Wait()
		if _, err := h.settle("g", ack, first...); err != nil {
			t.Fatal(err)
		}
		if ds := <-got; len(ds) != 1 || string(ds[0].Record.Value) != "b" {
			t.Fatalf("got %v", values(ds))
		}
	})
}

func TestStopEndsParkedCalls(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		began := time.Now()
		done := make(chan error, 2)
		go func() {
			_, _, err := h.Lease(context.Background(), "g", queue.LeaseRequest{Max: 1, Wait: time.Minute})
			done <- err
		}()
		go func() {
			_, err := h.Read(context.Background(), queue.ReadRequest{Topic: "jobs", Wait: time.Minute})
			done <- err
		}()
		synctest.Wait()
		h.Stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("parked calls ended after %v", time.Since(began))
		}
	})
}

func TestParkedReadEndsWhenItsTopicIsDeleted(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		began, done := time.Now(), make(chan error, 1)
		go func() {
			_, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "jobs", Wait: time.Minute})
			done <- err
		}()
		synctest.Wait()
		if err := h.DeleteTopic(h.t.Context(), "jobs", false, queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, queue.ErrTopicNotFound) || time.Since(began) != 0 {
			h.t.Fatalf("after %v: %v", time.Since(began), err)
		}
	})
}
