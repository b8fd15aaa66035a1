package console

import (
	"math"
	"time"

	"github.com/holtmq/holt/queue"
)

// latency is what a histogram tells of how long something takes.
type latency struct {
	Known        bool
	Typical, P95 time.Duration // estimated within buckets, as Prometheus does it
	Lately       bool          // of the span that rates are of; else since the server started
	N            int64
}

// newLatency reads a histogram of seconds: what came since an earlier look at it, or else all of it.
func newLatency(now, before queue.Histogram) latency {
	counts, lately := now.Counts, false
	if len(before.Counts) == len(now.Counts) {
		diff := make([]uint64, len(counts))
		for i := range counts {
			if now.Counts[i] < before.Counts[i] { // the group was made anew meanwhile
				diff = nil
				break
			}
			diff[i] = now.Counts[i] - before.Counts[i]
		}
		if sumOf(diff) > 0 {
			counts, lately = diff, true
		}
	}
	n := sumOf(counts)
	if n == 0 {
		return latency{}
	}
	return latency{true, quantile(now.Bounds, counts, n, .5), quantile(now.Bounds, counts, n, .95), lately, int64(n)}
}

func sumOf(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// quantile is below which a share q of n values lies: within its bucket they are taken to lie evenly; those over the last bound lie at it.
func quantile(bounds []float64, counts []uint64, n uint64, q float64) time.Duration {
	rank, seen, low := q*float64(n), 0.0, 0.0
	for i, bound := range bounds {
		c := float64(counts[i])
		if c > 0 && seen+c >= rank {
			return seconds(low + (bound-low)*math.Max(rank-seen, 0)/c)
		}
		seen, low = seen+c, bound
	}
	return seconds(low)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
