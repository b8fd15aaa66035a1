package queue_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// Close comes while one dead letter's body is read and another one is due whose body is in the cache: the burial ends.
func TestCloseEndsBurials(t *testing.T) {
	watchdog := time.AfterFunc(time.Minute, func() { panic("the broker does not close: a burial goes round and round") })
	defer watchdog.Stop()
	inBubble(t, func(h *house) {
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h.st = h.st.Crash()
		var err error
		if h.Broker, err = queue.Open(h.t.Context(), h.st, queue.Config{CacheBytes: 8 << 10}); err != nil {
			t.Fatal(err)
		}
		h.topic("jobs", 2)
		h.group("g", []string{"jobs"}, nil)
		to := func(partition, size int) {
			t.Helper()
			m := queue.Message{Value: bytes.Repeat([]byte{'x'}, size), Partition: &partition}
			if _, _, err := h.Publish(h.t.Context(), "jobs", []queue.Message{m}, 0); err != nil {
				t.Fatal(err)
			}
		}
		to(0, 1)
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil { // makes the topic of letters
			t.Fatal(err)
		}
		to(1, 4<<10) // too large for what is read from the disk, and pushed out of what was written
		to(1, 4<<10)
		to(1, 4<<10)
		to(0, 1)
		byPartition := map[int][]queue.Delivery{}
		for _, d := range h.lease("g", 10, 0) {
			byPartition[d.Partition] = append(byPartition[d.Partition], d)
		}
		var read atomic.Int32
		release := make(chan struct{})
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, _ store.Offset) error {
			if op == "read" {
				read.Add(1)
				<-release
			}
			return nil
		}})
		done := make(chan struct{}, 2)
		for _, p := range []int{1, 0} {
			go func() {
				_, _ = h.settle("g", reject, byPartition[p][0]) // its outcome is unknown
				done <- struct{}{}
			}()
			synctest.Wait()
		}
		if read.Load() != 1 {
			t.Errorf("%d reads wait, want that of one letter", read.Load())
		}
		go func() {
			synctest.Wait()
			close(release)
		}()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		<-done
		<-done
		h.st.SetFaults(memory.Faults{})
		h.st = h.st.Crash()
		h.open()
		synctest.Wait()
		if got := h.totals("g").DeadLetters; got != 3 {
			t.Errorf("%d dead letters after the next start, want 3", got)
		}
	})
}
