package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// uncached opens the broker again so that each read is one of the store.
func (h *house) uncached() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.st = h.st.Crash()
	b, err := queue.Open(h.t.Context(), h.st, queue.Config{CacheBytes: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Broker = b
}

// stuckReads makes reads of the store wait until the returned function is called, and then fail.
func (h *house) stuckReads() (release func()) {
	stuck := make(chan struct{})
	h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, _ store.Offset) error {
		if op != "read" {
			return nil
		}
		<-stuck
		return context.Canceled
	}})
	return sync.OnceFunc(func() {
		h.st.SetFaults(memory.Faults{})
		close(stuck)
	})
}

func TestScenario15ClientGoneWhileItsRecordsAreRead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		zero, one := 0, 1
		h.publishMsgs("t", queue.Message{Partition: &zero, Value: []byte("a")})
		if ds := h.lease("g", 1, 0); len(ds) != 1 { // the group has looked at partition 0
			h.t.Fatal("nothing leased")
		} else if _, err := h.Settle(h.t.Context(), "g", []queue.Action{{Receipt: ds[0].Receipt, Verb: queue.Release}}); err != nil {
			h.t.Fatal(err)
		}
		h.uncached()
		h.publishMsgs("t", queue.Message{Partition: &one, Value: []byte("b")})
		var broken atomic.Bool
		ctx, cancel := context.WithCancel(h.t.Context())
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, _ store.Offset) error {
			if op == "read" && broken.CompareAndSwap(false, true) { // while partition 1 is read ahead for it
				cancel()
			}
			return nil
		}})
		if ds, _, err := h.Lease(ctx, "g", queue.LeaseRequest{Max: 5}); len(ds) != 0 || !errors.Is(err, context.Canceled) {
			h.t.Fatalf("the client that went: %v, %v", values(ds), err)
		}
		ds := h.lease("g", 5, 0)
		if len(ds) != 2 {
			h.t.Fatalf("%v were back at once", values(ds))
		}
		for _, d := range ds {
			if d.Attempt != 1 {
				h.t.Errorf("%s: attempt %d", d.Record.Value, d.Attempt)
			}
		}
	})
}

func TestScenario7DetachWhileRecordsAreReadKeepsTheLimit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("a", 1)
		h.topic("b", 1)
		h.group("g", []string{"a", "b"}, func(c *queue.GroupConfig) { c.MaxInflight = 2 })
		h.publish("a", "a1", "a2")
		h.uncached()
		ds := h.lease("g", 2, 0) // looks at what is there
		if _, err := h.settle("g", func(d queue.Delivery) queue.Action { return queue.Action{Receipt: d.Receipt, Verb: queue.Release} }, ds...); err != nil {
			h.t.Fatal(err)
		}
		release := h.stuckReads()
		defer release()
		ctx, cancel := context.WithCancel(h.t.Context())
		gone := make(chan error)
		go func() {
			_, _, err := h.Lease(ctx, "g", queue.LeaseRequest{Max: 2})
			gone <- err
		}()
		synctest.Wait()
		h.group("g", []string{"b"}, nil)
		cancel()
		release()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			h.t.Fatal(err)
		}
		h.publish("b", "b1", "b2", "b3", "b4")
		if got := h.lease("g", 10, 0); len(got) != 2 {
			h.t.Fatalf("%d leases run, at most 2", len(got))
		}
	})
}

func TestScenario39ConfigurationChangesBesideTraffic(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		var work sync.WaitGroup
		work.Go(func() {
			for i := range 50 {
				h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = time.Duration(i+1) * time.Second })
			}
		})
		work.Go(func() {
			for i := range 50 {
				h.publish("t", fmt.Sprint(i))
				ds := h.lease("g", 1, time.Minute)
				verb := ack
				if i%10 == 0 {
					verb = reject
				}
				if _, err := h.settle("g", verb, ds...); err != nil {
					h.t.Error(err)
				}
			}
		})
		work.Wait()
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 5}) {
			h.t.Errorf("totals %+v", got)
		}
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		h.publish("t", "x", "y")
		before := h.lease("g", 1, 0)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = 50 * time.Second })
		after := h.lease("g", 1, 0)
		if before[0].ExpiresIn != 5*time.Second || after[0].ExpiresIn != 50*time.Second {
			h.t.Errorf("leases of %v and %v", before[0].ExpiresIn, after[0].ExpiresIn)
		}
	})
}

// A damaged record that is to be buried does not take the dead letters behind it along.
func TestScenario66UnreadableLetterKeepsNoOtherWaiting(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.uncached()
		for _, v := range []string{"damaged", "whole"} {
			h.publish("t", v)
		}
		ds := h.lease("g", 2, 0)
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "read" && at == 0 {
				return store.ErrCorrupt
			}
			return nil
		}})
		if _, err := h.settle("g", reject, ds...); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g"); got.DeadLetters != 1 || got.Lag != 1 {
			h.t.Fatalf("totals %+v", got)
		}
		h.st.SetFaults(memory.Faults{})
		time.Sleep(2 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 2}) {
			h.t.Fatalf("totals once it can be read %+v", got)
		}
	})
}

// What was given up below the new start keeps its dead letter, though letters cannot be written when the reset comes.
func TestScenario58ResetLosesNoDeadLetter(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.uncached()
		h.publish("t", "bad", "good")
		ds := h.lease("g", 1, 0)
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "read" && at == 0 {
				return errors.New("not now")
			}
			return nil
		}})
		if _, err := h.settle("g", reject, ds...); err != nil {
			h.t.Fatal(err)
		}
		_, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Latest: true}})
		h.st.SetFaults(memory.Faults{})
		if !errors.Is(err, queue.ErrUnavailable) {
			h.t.Errorf("reset: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Latest: true}}); err != nil {
			h.t.Errorf("reset once letters can be written: %v", err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
			h.t.Fatalf("totals %+v", got)
		}
	})
}
