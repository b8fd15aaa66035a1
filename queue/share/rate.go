package share

import "math"

// bucket is a token bucket on the lease clock; the zero value has no limit.
type bucket struct {
	perMs  float64
	burst  float64
	tokens float64
	at     int64 // ms
}

// set changes the limit; a bucket that had none begins full.
func (b *bucket) set(perSecond float64, burst int, now int64) {
	b.refill(now)
	if perSecond <= 0 {
		*b = bucket{}
		return
	}
	size := float64(burst)
	if burst == 0 {
		size = max(1, perSecond)
	}
	if b.perMs == 0 {
		b.tokens = size
	}
	b.perMs, b.burst, b.at = perSecond/1000, size, now
	b.tokens = min(b.tokens, size)
}

// available returns how many whole tokens there are, at most n.
func (b *bucket) available(now int64, n int) int {
	if b.perMs == 0 {
		return n
	}
	b.refill(now)
	return min(n, int(b.tokens))
}

func (b *bucket) take(n int) {
	if b.perMs != 0 {
		b.tokens -= float64(n)
	}
}

// next returns when there will be a whole token; ms.
func (b *bucket) next(now int64) int64 {
	b.refill(now)
	if b.perMs == 0 || b.tokens >= 1 {
		return now
	}
	return now + max(1, int64(math.Ceil((1-b.tokens)/b.perMs-1e-9))) // what is lost in rounding is asked for a millisecond later
}

func (b *bucket) refill(now int64) {
	if b.perMs != 0 && now > b.at {
		b.tokens = min(b.burst, b.tokens+float64(now-b.at)*b.perMs)
	}
	b.at = max(b.at, now)
}
