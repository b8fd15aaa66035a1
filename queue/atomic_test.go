package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

func actions(verb func(queue.Delivery) queue.Action, ds []queue.Delivery) []queue.Action {
	out := make([]queue.Action, len(ds))
	for i, d := range ds {
		out[i] = verb(d)
	}
	return out
}

func onto(topic string, values ...string) []queue.TopicMessages {
	out := queue.TopicMessages{Topic: topic}
	for _, v := range values {
		out.Messages = append(out.Messages, queue.Message{Value: []byte(v)})
	}
	return []queue.TopicMessages{out}
}

func (h *house) all(topic string) []string {
	h.t.Helper()
	info, err := h.Topic(h.t.Context(), topic)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, p := range info.Partitions {
		res, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: topic, Partition: p.Partition, From: queue.Position{Earliest: true}})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range res.Records {
			out = append(out, string(r.Value))
		}
	}
	return out
}

func TestScenario33SettleWithPublishIsBothOrNeither(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 2)
		h.group("g", []string{"in"}, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		h.publish("in", "a", "b")
		ds := h.lease("g", 1, 0)
		late := h.lease("g", 1, 0)
		time.Sleep(6 * time.Second)
		h.lease("g", 2, 0) // both are with somebody else now
		_, err := h.SettleAndPublish(h.t.Context(), "g", queue.SettleRequest{Actions: actions(ack, append(ds, late...)), Publish: onto("out", "x")})
		var failed *queue.SettleError
		if !errors.As(err, &failed) || len(failed.Failed) != 2 || !errors.Is(err, queue.ErrLeaseLost) {
			h.t.Fatalf("lost leases: %v", err)
		}
		if got := h.all("out"); len(got) != 0 {
			h.t.Fatalf("published %v", got)
		}
		time.Sleep(6 * time.Second)
		ds = h.lease("g", 2, 0)
		res, err := h.SettleAndPublish(h.t.Context(), "g", queue.SettleRequest{Actions: actions(ack, ds), Publish: onto("out", "x", "y")})
		if err != nil || res.Settled != 2 || len(res.Places) != 1 || len(res.Places[0]) != 2 {
			h.t.Fatalf("settle with publish: %+v, %v", res, err)
		}
		h.restart()
		if got := fmt.Sprint(h.all("out")); got != "[x y]" {
			h.t.Fatalf("published %v", got)
		}
		if got := h.totals("g"); got.Lag != 0 {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

func TestScenario24KeyedSettleRepeatedAfterRestart(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 4)
		h.group("g", []string{"in"}, nil)
		h.publish("in", "a")
		ds := h.lease("g", 1, 0)
		req := queue.SettleRequest{Actions: actions(ack, ds), Publish: onto("out", "x", "y"), Request: "once"}
		first, err := h.SettleAndPublish(h.t.Context(), "g", req)
		if err != nil {
			h.t.Fatal(err)
		}
		for range 2 {
			again, err := h.SettleAndPublish(h.t.Context(), "g", req)
			if err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
				h.t.Fatalf("repeat: %+v, %v; first %+v", again, err, first)
			}
			h.restart()
		}
		if got := fmt.Sprint(h.all("out")); got != "[x y]" {
			h.t.Fatalf("published %v", got)
		}
		time.Sleep(11 * time.Minute)
		if _, err := h.SettleAndPublish(h.t.Context(), "g", req); !errors.Is(err, queue.ErrAlreadySettled) {
			h.t.Fatalf("after eleven minutes: %v", err)
		}
	})
}

func TestScenario49DedupeAcrossRestartAndPartitions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 4)
		send := func(id, key string) queue.Place {
			h.t.Helper()
			places, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{ID: id, Key: []byte(key), Value: []byte(id)}}, 0)
			if err != nil {
				h.t.Fatal(err)
			}
			return places[0]
		}
		first := send("one", "k1")
		for i := range 8 { // other keys, other partitions: only the id counts
			if got := send("one", fmt.Sprint("other", i)); !got.Duplicate || got.Offset != first.Offset || got.Partition != first.Partition {
				h.t.Fatalf("duplicate went to %+v, the first to %+v", got, first)
			}
			if i == 3 {
				h.restart()
			}
		}
		both, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{ID: "two"}, {ID: "two"}, {ID: "one"}}, 0)
		if err != nil || both[0].Duplicate || !both[1].Duplicate || both[1].Offset != both[0].Offset || !both[2].Duplicate {
			h.t.Fatalf("within one request: %+v, %v", both, err)
		}
		if got := len(h.all("t")); got != 2 {
			h.t.Fatalf("%d records stored", got)
		}
		time.Sleep(10*time.Minute + time.Second)
		if got := send("one", "k1"); got.Duplicate {
			h.t.Fatal("a duplicate after the window")
		}
		h.restart()
		if got := send("one", "k1"); !got.Duplicate {
			h.t.Fatal("no duplicate after a restart")
		}
	})
}

func TestScenario58Reset(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", "a", "b", "c")
		ds := h.lease("g", 2, 0)
		if _, err := h.settle("g", ack, ds[0]); err != nil {
			h.t.Fatal(err)
		}
		moves, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}, DryRun: true})
		if err != nil || len(moves) != 1 || moves[0].From != 1 || moves[0].To != 0 {
			h.t.Fatalf("dry run: %+v, %v", moves, err)
		}
		if got := h.totals("g"); got.Lag != 2 {
			h.t.Fatalf("a dry run changed %+v", got)
		}
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}}); err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.settle("g", ack, ds[1]); !errors.Is(err, queue.ErrLeaseLost) {
			h.t.Fatalf("a lease from before the reset: %v", err)
		}
		h.restart()
		again := h.lease("g", 10, 0)
		if got := fmt.Sprint(values(again)); got != "[a b c]" || again[0].Attempt != 1 {
			h.t.Fatalf("after the reset %s", got)
		}
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Latest: true}}); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

func TestSettleOfTenThousandInAnyOrderWithPublish(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("in", 1)
		h.topic("out", 1)
		h.group("g", []string{"in"}, func(c *queue.GroupConfig) { c.Backoff.Jitter = 1 })
		const n = 10_000
		var ds []queue.Delivery
		for range n / 1000 {
			h.publish("in", make([]string, 1000)...)
			ds = append(ds, h.lease("g", 1000, 0)...)
		}
		if len(ds) != n {
			h.t.Fatalf("leased %d", len(ds))
		}
		all := make([]queue.Action, n)
		for i := range all { // neighbours far apart, verbs mixed: nothing compresses
			d := ds[i*7919%n]
			if all[i] = ack(d); i%2 == 0 {
				all[i] = nack(d)
			}
		}
		res, err := h.SettleAndPublish(h.t.Context(), "g", queue.SettleRequest{Actions: all, Publish: onto("out", "x"), Request: "r"})
		if err != nil || res.Settled != n {
			h.t.Fatalf("settled %d: %v", res.Settled, err)
		}
		want := h.totals("g")
		h.restart()
		if got := h.totals("g"); got.Lag != n/2 || got.Lag != want.Lag {
			h.t.Fatalf("totals %+v, before the restart %+v", got, want)
		}
	})
}
