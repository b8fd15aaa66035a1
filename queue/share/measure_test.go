package share

import (
	"testing"
	"time"

	"github.com/holtmq/holt/lease"
)

func TestHistogramBuckets(t *testing.T) {
	h := newHistogram([]float64{1, 2})
	for _, v := range []float64{-1, 0, 1, 1.5, 2, 3, 1000} {
		h.observe(v)
	}
	s := h.snapshot()
	if s.Counts[0] != 3 || s.Counts[1] != 2 || s.Counts[2] != 2 || s.Sum != 1007.5 {
		t.Errorf("%+v", s)
	}
}

func TestMeasures(t *testing.T) {
	m := newMeasures()
	now := time.UnixMilli(10_000)
	m.delivered(now.Add(-time.Second), now)
	m.ended(10_000, lease.Ack, lease.Result{Attempt: 2, LeasedAt: 9_000})
	m.ended(10_000, lease.Ack, lease.Result{Attempt: 1})                   // a hand-out that a crash forgot
	m.ended(10_000, lease.Nack, lease.Result{Attempt: 1, LeasedAt: 4_000}) // comes again
	m.ended(10_000, lease.Reject, lease.Result{Attempt: 1, LeasedAt: 9_900, Dying: true})
	m.ended(10_000, lease.Release, lease.Result{Attempt: 1, LeasedAt: 1})
	m.ended(10_000, lease.Extend, lease.Result{Attempt: 1, LeasedAt: 1})
	m.expired([]lease.Expired{{Attempt: 5, Dying: true}, {Attempt: 3}, {Attempt: 4, Dropped: true}})
	count := func(h *histogram) (n uint64) {
		for _, c := range h.snapshot().Counts {
			n += c
		}
		return n
	}
	if q, h, a := count(m.queue), count(m.handle), count(m.attempts); q != 1 || h != 3 || a != 5 {
		t.Errorf("%d queued, %d handled, %d finished", q, h, a)
	}
	if q, h, a := m.queue.snapshot().Sum, m.handle.snapshot().Sum, m.attempts.snapshot().Sum; q != 1 || h != 7.1 || a != 13 {
		t.Errorf("sums %v, %v, %v", q, h, a)
	}
}
