package share

import (
	"sort"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/lease"
)

// Bounds of the histograms: each bucket counts what is at most its bound, a last one the rest.
var (
	secondBounds  = []float64{.005, .025, .1, .5, 1, 5, 15, 60, 300, 1800, 7200, 43_200}
	attemptBounds = []float64{1, 2, 3, 4, 5, 7, 10, 15, 25, 50}
)

// histogram counts values in buckets. Any number of goroutines may use it, without a lock: what a snapshot shows may be one value apart.
type histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	milli  atomic.Int64    // sum, in thousandths
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	v = max(v, 0) // a clock that was set back
	h.counts[sort.SearchFloat64s(h.bounds, v)].Add(1)
	h.milli.Add(int64(v * 1000))
}

// Histogram is what a histogram held at a moment. Counts[i] is of values at most Bounds[i], and more than the bound before; the last is of the rest.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Bounds: h.bounds, Counts: make([]uint64, len(h.counts)), Sum: float64(h.milli.Load()) / 1000}
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
	}
	return s
}

// Measures are how a group's records fared since the process started.
type Measures struct {
	Queue    Histogram // seconds from append to first hand-out
	Handle   Histogram // seconds from hand-out to ack, nack or reject
	Attempts Histogram // attempts of records that were acked or given up
}

// measures of a group.
type measures struct{ queue, handle, attempts *histogram }

func newMeasures() measures {
	return measures{newHistogram(secondBounds), newHistogram(secondBounds), newHistogram(attemptBounds)}
}

// Measures returns how the group's records fared since the process started.
func (g *Group) Measures() Measures {
	m := &g.measures
	return Measures{Queue: m.queue.snapshot(), Handle: m.handle.snapshot(), Attempts: m.attempts.snapshot()}
}

// delivered takes note of a record that goes out for the first time.
func (m *measures) delivered(appended, now time.Time) { m.queue.observe(now.Sub(appended).Seconds()) }

// ended takes note of a lease that a worker ended.
func (m *measures) ended(now int64, verb lease.Verb, r lease.Result) {
	switch verb {
	case lease.Ack, lease.Nack, lease.Reject:
		if r.LeasedAt > 0 { // else a hand-out that a crash forgot
			m.handle.observe(float64(now-r.LeasedAt) / 1000)
		}
	default:
		return
	}
	if verb == lease.Ack || r.Dying || r.Dropped {
		m.attempts.observe(float64(r.Attempt))
	}
}

// expired takes note of leases that ran out.
func (m *measures) expired(all []lease.Expired) {
	for i := range all {
		if all[i].Dying || all[i].Dropped {
			m.attempts.observe(float64(all[i].Attempt))
		}
	}
}
