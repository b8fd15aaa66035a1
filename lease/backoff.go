package lease

import "math"

// MaxDelay bounds every backoff: 365 days in milliseconds.
const MaxDelay int64 = 365 * 24 * 60 * 60 * 1000

// delay is the wait after the given failure of the record at at (1 = the first), in milliseconds, 0 to MaxDelay.
func (b *Backoff) delay(seed uint64, at Offset, failure int) int64 {
	d := b.base(failure)
	if b.Jitter > 0 {
		h := mix(mix(seed^uint64(at)) + uint64(failure))
		u := float64(h>>11) / (1 << 53) // in [0, 1)
		d *= 1 + b.Jitter*(2*u-1)
	}
	switch {
	case !(d > 0): // NaN too
		return 0
	case d >= float64(MaxDelay):
		return MaxDelay
	}
	return int64(d)
}

func (b *Backoff) base(failure int) float64 {
	if n := len(b.Steps); n > 0 {
		return float64(b.Steps[min(failure, n)-1])
	}
	limit := float64(MaxDelay)
	if b.Max > 0 {
		limit = min(limit, float64(b.Max))
	}
	d := float64(b.Initial)
	if b.Multiplier > 1 {
		d *= math.Pow(b.Multiplier, float64(failure-1))
	}
	return min(d, limit)
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// later is now + d without overflow; d < 0 counts as 0.
func later(now, d int64) int64 {
	if d <= 0 {
		return now
	}
	if s := now + d; s >= now {
		return s
	}
	return math.MaxInt64
}
