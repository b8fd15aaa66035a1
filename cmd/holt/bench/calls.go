package bench

import (
	"math"
	"math/bits"
	"time"
)

// calls is what became of the calls of one kind.
type calls struct {
	took    histogram
	records int64
	errors  int64
	first   error // of the errors
}

func (c *calls) add(took time.Duration, records int) {
	c.took.add(took)
	c.records += int64(records)
}

func (c *calls) fail(err error) {
	if c.errors++; c.first == nil {
		c.first = err
	}
}

// merge adds what other counted.
func (c *calls) merge(other *calls) {
	c.took.merge(&other.took)
	c.records += other.records
	c.errors += other.errors
	if c.first == nil {
		c.first = other.first
	}
}

// Buckets of a histogram: single nanoseconds up to 2^6, then 2^5 of equal width for each power of two.
const (
	fineBits    = 6
	coarse      = 1 << (fineBits - 1)
	lastBuckets = (63-fineBits)*coarse + 2*coarse
)

// histogram counts durations in buckets about 3 % wide. The zero value is empty.
type histogram struct {
	counts [lastBuckets]int64
	total  int64
}

func bucketOf(d time.Duration) int {
	u := uint64(max(d, 0))
	shift := max(0, bits.Len64(u)-fineBits)
	return shift*coarse + int(u>>shift)
}

// bucketTop is the longest duration of a bucket.
func bucketTop(i int) time.Duration {
	shift := max(0, i/coarse-1)
	return time.Duration(uint64(i-shift*coarse+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile is the duration that a share q of all does not exceed; 0 when there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if rank -= n; n > 0 && rank <= 0 {
			return bucketTop(i)
		}
	}
	return 0
}
