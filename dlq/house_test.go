package dlq_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// house is a broker with its service of dead letters on a memory store inside a bubble.
type house struct {
	*queue.Broker
	t   *testing.T
	st  *memory.Store
	dlq *dlq.Service
}

func inBubble(t *testing.T, fn func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, st: memory.New(memory.Config{})}
		h.open()
		defer func() { // also after Fatal: goroutines must not outlive the bubble
			h.dlq.Close()
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
	h.Broker, h.dlq = b, dlq.New(b, nil)
}

// restart closes everything and opens it on what is durable.
func (h *house) restart() {
	h.t.Helper()
	h.dlq.Close()
	if err := h.Close(); err != nil {
		h.t.Fatalf("close: %v", err)
	}
	h.st = h.st.Crash()
	h.open()
}

func (h *house) ctx() context.Context { return h.t.Context() }

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) topic(name string, partitions int) {
	h.t.Helper()
	_, _, err := h.PutTopic(h.ctx(), name, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = partitions
		return c, nil
	})
	h.ok(err)
}

func (h *house) group(name string, topics []string, set func(*queue.GroupConfig)) {
	h.t.Helper()
	_, _, err := h.PutGroup(h.ctx(), name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = topics
		c.Config.Backoff.Jitter = 0
		if set != nil {
			set(&c.Config)
		}
		return c, nil
	})
	h.ok(err)
}

// publish appends values; one with a colon has what is before it as its key.
func (h *house) publish(topic string, values ...string) {
	h.t.Helper()
	var msgs []queue.Message
	for _, v := range values {
		m := queue.Message{Value: []byte(v)}
		for i := range v {
			if v[i] == ':' {
				m.Key = []byte(v[:i])
				break
			}
		}
		msgs = append(msgs, m)
	}
	_, _, err := h.Publish(h.ctx(), topic, msgs, 0)
	h.ok(err)
}

func (h *house) lease(group string, n int, wait time.Duration) []queue.Delivery {
	h.t.Helper()
	ds, _, err := h.Lease(h.ctx(), group, queue.LeaseRequest{Max: n, Wait: wait, Member: "w"})
	h.ok(err)
	return ds
}

func (h *house) settle(group string, verb queue.Action, ds ...queue.Delivery) {
	h.t.Helper()
	h.ok(h.trySettle(group, verb, ds...))
}

func (h *house) trySettle(group string, verb queue.Action, ds ...queue.Delivery) error {
	actions := make([]queue.Action, len(ds))
	for i, d := range ds {
		actions[i] = verb
		actions[i].Receipt = d.Receipt
	}
	_, err := h.Settle(h.ctx(), group, actions)
	return err
}

var ack = queue.Action{Verb: queue.Ack}

func reject(message string) queue.Action {
	return queue.Action{Verb: queue.Reject, Error: &queue.WorkerError{Type: "Boom", Message: message, Stack: "at main"}}
}

// kill publishes values and rejects them, each for an error of its own.
func (h *house) kill(topic, group string, values ...string) {
	h.t.Helper()
	h.publish(topic, values...)
	for range values {
		ds := h.lease(group, 1, 0)
		if len(ds) != 1 {
			h.t.Fatalf("%d records to reject", len(ds))
		}
		h.settle(group, reject("order "+string(ds[0].Record.Value)+" failed"), ds...)
	}
}

func (h *house) totals(group string) queue.GroupTotals {
	h.t.Helper()
	info, err := h.Group(h.ctx(), group)
	h.ok(err)
	return info.Totals
}

func (h *house) list(group string, f letter.Filter) dlq.Page {
	h.t.Helper()
	p, err := h.dlq.List(h.ctx(), group, f, dlq.Mark{}, 1000)
	h.ok(err)
	if p.Total != len(p.Items) || p.Next != nil {
		h.t.Fatalf("total %d, %d items, next %v", p.Total, len(p.Items), p.Next)
	}
	return p
}

// open lists the values of the open letters.
func (h *house) letters(group string, s letter.State) (out []string) {
	h.t.Helper()
	for _, l := range h.list(group, letter.Filter{State: s}).Items {
		out = append(out, string(l.Value))
	}
	return out
}

func (h *house) same(what string, got, want any) {
	h.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func values(ds []queue.Delivery) []string {
	out := []string{}
	for _, d := range ds {
		out = append(out, string(d.Record.Value))
	}
	return out
}
