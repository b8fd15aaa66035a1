package dlq_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// slowReads has each read of records from the store take a second, and counts them.
func (h *house) slowReads() *atomic.Int64 {
	reads := new(atomic.Int64)
	h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, _ store.Offset) error {
		if op == "read" {
			reads.Add(1)
			time.Sleep(time.Second)
		}
		return nil
	}})
	return reads
}

// summary counts the open letters of a group.
func (h *house) summary(group string) (n int) {
	h.t.Helper()
	buckets, _, err := h.dlq.Summary(h.ctx(), group, letter.Filter{State: letter.Open}, letter.ByFingerprint, 0)
	h.ok(err)
	for _, b := range buckets {
		n += b.Count
	}
	return n
}

// big are values of which each is a piece of its own when letters are read.
func big(n int) (out []string) {
	for range n {
		out = append(out, strings.Repeat("v", 800_000))
	}
	return out
}

func TestTheFirstLookFindsLettersReadAhead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		for _, g := range []string{"a", "b", "none"} {
			h.group(g, []string{"jobs"}, nil)
		}
		h.kill("jobs", "a", big(2)...)
		for range 2 {
			h.settle("b", reject("no"), h.lease("b", 1, 0)...)
		}
		h.restart()
		reads := h.slowReads()
		from := time.Now()
		h.dlq.Warm(h.ctx(), dlq.WarmBytes)
		h.same("reading, and resting as long", time.Since(from), 8*time.Second) // before retention looks
		h.same("reads", reads.Swap(0), 4)
		for _, g := range []string{"a", "b"} {
			h.same("letters of "+g, h.summary(g), 2)
		}
		h.dlq.Warm(h.ctx(), dlq.WarmBytes)
		h.same("more reads", reads.Load(), 0)
	})
}

// A look that comes while letters are read ahead does not wait for the rests, and nothing is read twice.
func TestAFirstLookJoinsWhoReadsAhead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", big(6)...)
		h.restart()
		reads := h.slowReads()
		var work sync.WaitGroup
		from := time.Now()
		work.Go(func() { h.dlq.Warm(h.ctx(), dlq.WarmBytes) })
		time.Sleep(1500 * time.Millisecond) // one piece is read
		for range 2 {
			work.Go(func() {
				if n := h.summary("g"); n != 6 {
					h.t.Errorf("%d letters", n)
				}
				if took := time.Since(from); took != 6500*time.Millisecond {
					h.t.Errorf("the look was answered after %s", took)
				}
			})
		}
		work.Wait()
		h.same("reads", reads.Load(), 6)
	})
}

func TestReadingAheadEndsWithItsRoom(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", big(5)...)
		h.restart()
		reads := h.slowReads()
		h.dlq.Warm(h.ctx(), 1) // the first piece is more
		h.same("reads ahead", reads.Swap(0), 1)
		h.same("letters", h.summary("g"), 5)
		h.same("reads of the first look", reads.Load(), 4)
	})
}

func TestReadingAheadStopsAtOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", big(5)...)
		h.restart()
		reads := h.slowReads()
		ctx, cancel := context.WithCancel(h.ctx())
		done := make(chan struct{})
		go func() { defer close(done); h.dlq.Warm(ctx, dlq.WarmBytes) }()
		time.Sleep(1500 * time.Millisecond) // it rests
		from := time.Now()
		cancel()
		<-done
		h.same("the end took", time.Since(from), time.Duration(0))
		h.same("reads", reads.Load(), 1)
	})
}

// What asks for letters by nothing but their state needs none of them read.
func TestAPlainListReadsOnlyItself(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", big(5)...)
		h.restart()
		reads := h.slowReads()
		p, err := h.dlq.List(h.ctx(), "g", letter.Filter{State: letter.Open}, dlq.Mark{}, 2)
		h.ok(err)
		if len(p.Items) != 2 || p.Total != 5 || p.Next == nil {
			t.Fatalf("%d letters of %d, next %v", len(p.Items), p.Total, p.Next)
		}
		h.same("reads", reads.Load(), 2)
	})
}
