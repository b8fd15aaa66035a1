package queue_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// holdOnce makes the first read of a kind that which names wait until the returned function is called.
func (h *house) holdOnce(which func(op string, at store.Offset) bool) (release func()) {
	held, once := make(chan struct{}), new(atomic.Bool)
	h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
		if which(op, at) && once.CompareAndSwap(false, true) {
			<-held
		}
		return nil
	}})
	return sync.OnceFunc(func() { close(held) })
}

func TestSlowPartitionStopsNoOther(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		zero, one := 0, 1
		for range 3 { // the last ones are in the cache after a start
			h.publishMsgs("t", queue.Message{Partition: &zero, Value: []byte("slow")})
		}
		h.uncached()
		release := h.holdOnce(func(op string, _ store.Offset) bool { return op == "read" })
		defer release()
		parked := make(chan []string)
		for range 2 {
			go func() { parked <- values(h.lease("g", 1, time.Minute)) }()
			synctest.Wait()
		}
		time.Sleep(time.Second) // partition 0 is being read
		h.publishMsgs("t", queue.Message{Partition: &one, Value: []byte("quick")})
		if got := <-parked; len(got) != 1 || got[0] != "quick" {
			h.t.Fatalf("a parked call got %v", got)
		}
		h.publishMsgs("t", queue.Message{Partition: &one, Value: []byte("quick too")})
		if got := <-parked; len(got) != 1 || got[0] != "quick too" {
			h.t.Fatalf("the second one got %v", got)
		}
		h.publishMsgs("t", queue.Message{Partition: &one, Value: []byte("now")})
		if got := values(h.lease("g", 5, 0)); len(got) != 1 || got[0] != "now" {
			h.t.Fatalf("a call that does not wait got %v", got)
		}
		release()
		if got := values(h.lease("g", 5, time.Minute)); len(got) != 3 || got[0] != "slow" {
			h.t.Fatalf("then %v", got)
		}
	})
}

func TestSlowHistoryStopsNoExpiry(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(2, func(c *queue.GroupConfig) { c.MaxAttempts = 0 })
		h.leased("g", 2, "0", "1")
		time.Sleep(31 * time.Second)
		h.restart()
		first := h.leased("g", 2, "0", "1") // their second hand-outs: what came before the restart must be read at the next failure
		release := h.holdOnce(func(op string, _ store.Offset) bool { return op == "note" })
		defer release()
		time.Sleep(31 * time.Second)
		second := h.lease("g", 2, 0)
		if len(second) != 2 || second[0].Attempt != 3 {
			h.t.Fatalf("while a history is being read, what expired is %d records", len(second))
		}
		h.must("g", nack, second[0], second[1]) // they know the expiries whose notes are not written yet
		release()
		h.refused(queue.ErrLeaseLost, "g", ack, first[0])
		for at := range queue.Offset(2) {
			d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: at})
			if err != nil || len(d.History) != 3 {
				h.t.Fatalf("record %d: %d attempts are known, want 3 (%v): %+v", at, len(d.History), err, d.History)
			}
			for i, a := range d.History {
				if a.Attempt != i+1 {
					h.t.Errorf("record %d: attempt %d stands at %d", at, a.Attempt, i)
				}
			}
		}
		h.restart()
		if d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t"}); err != nil || len(d.History) != 3 {
			h.t.Fatalf("after a restart: %+v, %v", d.History, err)
		}
	})
}

func TestManyExpiriesAtOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		const n = 5000
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		for range n / 500 {
			msgs := make([]queue.Message, 500)
			h.publishMsgs("t", msgs...)
		}
		for got := 0; got < n; {
			got += len(h.lease("g", 1000, 0))
		}
		time.Sleep(30*time.Second + time.Millisecond)
		synctest.Wait()
		if got := h.totals("g"); got.Available != n || got.Leased != 0 {
			h.t.Fatalf("after all leases ran out: %+v", got)
		}
		d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 2000})
		if err != nil || len(d.History) != 1 || d.Attempt != 2 {
			h.t.Fatalf("%+v, %v", d, err)
		}
	})
}

// ended tells whether a call has ended once nothing moves any more.
func ended(done <-chan error) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// rejectLater rejects a record in the background.
func (h *house) rejectLater(d queue.Delivery) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := h.settle("g", reject, d)
		done <- err
	}()
	return done
}

func TestSlowBurialStopsNoOther(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		zero, one := 0, 1
		for _, p := range []*int{&zero, &zero, &one, &one, &one} {
			h.publishMsgs("t", queue.Message{Partition: p, Value: []byte("dies")})
		}
		h.uncached()
		at := map[queue.GroupPlace]queue.Delivery{}
		for _, d := range h.lease("g", 5, 0) {
			at[queue.GroupPlace{Partition: d.Partition, Offset: d.Record.Offset}] = d
		}
		release := h.holdOnce(func(op string, at store.Offset) bool { return op == "read" && at == 0 })
		defer release()
		slow := h.rejectLater(at[queue.GroupPlace{}])
		if ended(slow) {
			h.t.Fatal("the burial is not slow")
		}
		if !ended(h.rejectLater(at[queue.GroupPlace{Partition: 1, Offset: 2}])) {
			h.t.Fatal("a record of another partition waits for its letter")
		}
		ctx, cancel := context.WithTimeout(h.t.Context(), time.Second)
		defer cancel()
		from := time.Now()
		if _, err := h.Settle(ctx, "g", []queue.Action{reject(at[queue.GroupPlace{Offset: 1}])}); err != nil || time.Since(from) != time.Second {
			h.t.Errorf("a call that waits for a second ended after %v: %v", time.Since(from), err)
		}
		if got := h.totals("g"); got.DeadLetters != 1 || got.Lag != 4 {
			h.t.Errorf("totals while a burial is slow %+v", got)
		}
		release()
		if err := <-slow; err != nil {
			h.t.Error(err)
		}
		synctest.Wait()
		if got := h.totals("g"); got.DeadLetters != 3 || got.Lag != 2 {
			h.t.Errorf("totals in the end %+v", got)
		}
	})
}

func TestADeathWaitsForNoLaterOne(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", "first")
		h.publish("t", "second")
		h.uncached()
		ds := h.lease("g", 2, 0)
		read := []chan struct{}{make(chan struct{}), make(chan struct{})}
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "read" && at < 2 {
				<-read[at]
			}
			return nil
		}})
		first := h.rejectLater(ds[0])
		synctest.Wait()
		second := h.rejectLater(ds[1])
		synctest.Wait()
		close(read[0])
		if !ended(first) {
			h.t.Error("the first waits for the letter of the second, which died when its own was being written")
		}
		close(read[1])
		if !ended(second) {
			h.t.Error("the second is not buried")
		}
	})
}

// More than go into one unit cannot be read: what is behind them is buried all the same.
func TestScenario66ManyUnreadableLettersKeepNoOtherWaiting(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts = 1 })
		h.uncached()
		h.publishMsgs("t", make([]queue.Message, 450)...)
		h.publish("t", "whole")
		h.lease("g", 451, 0)
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "read" && at < 450 {
				return errors.New("not now")
			}
			return nil
		}})
		time.Sleep(30*time.Second + time.Millisecond) // all run out
		synctest.Wait()
		if got := h.totals("g"); got.DeadLetters != 1 || got.Lag != 450 {
			h.t.Fatalf("totals %+v", got)
		}
		h.st.SetFaults(memory.Faults{})
		time.Sleep(2 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 451}) {
			h.t.Fatalf("totals once they can be read %+v", got)
		}
	})
}
