package sim

import (
	"math/rand/v2"
	"time"
)

// jump is how far the wall clock is ahead of the time that passes, from a time on; ms.
type jump struct{ from, skew int64 }

// wall returns what the wall clock says; ms. now is the time that passes, which leases and backoffs run on.
func (w *world) wall() int64 { return w.now() + w.skew.Load() }

// wallClock is the broker's.
func (w *world) wallClock() time.Time {
	return time.Now().Add(time.Duration(w.skew.Load()) * time.Millisecond).Round(0)
}

// over is when a record's time to live is over, by the time that passes, if the wall clock goes on as it goes now; 0 = never.
func (w *world) over(m *msg) int64 {
	if dies := m.dies(); dies != 0 {
		return dies - w.skew.Load()
	}
	return 0
}

// passed turns a time of the wall clock into one of the time that passes. Timestamps never go back in a partition: one that the wall clock has not reached (again)
// tells nothing, and is taken for what was known last.
func (w *world) passed(wall int64) int64 {
	at := wall - w.skew.Load()
	if at < w.clock || at > w.now() {
		return w.clock
	}
	return at
}

// highest returns the latest that the wall clock has shown since a time.
func (w *world) highest(since int64) int64 {
	most := w.wallClock().UnixMilli()
	for i := 1; i < len(w.jumps); i++ {
		if end := w.jumps[i].from; end >= since {
			most = max(most, end+w.jumps[i-1].skew)
		}
	}
	return most
}

// maxSkew bounds how far the wall clock goes wrong; ms. No default retention is reached by it.
const maxSkew = 20 * 3_600_000

// jump sets the wall clock: a little or by hours, forwards or back, or right again.
func (w *world) jump(rng *rand.Rand) {
	by := []int64{5 + rng.Int64N(900), 1000 + rng.Int64N(30_000), 60_000 + rng.Int64N(600_000), 3_600_000 * (1 + rng.Int64N(5))}[rng.IntN(4)]
	switch rng.IntN(5) {
	case 0, 1:
		by = -by
	case 2:
		by = -w.skew.Load()
	}
	w.setSkew(w.skew.Load() + by)
}

func (w *world) setSkew(skew int64) {
	skew = min(max(skew, -maxSkew), maxSkew) / 5 * 5 // a millisecond is no jump, the two clocks may be read that far apart
	now := time.Now().UnixMilli()
	w.note("the wall clock jumps by %d ms", skew-w.skew.Load())
	w.skew.Store(skew)
	w.jumps = append(w.jumps, jump{now, skew})
	w.tally.jumps++
	for _, t := range w.topics { // the broker looks each ten seconds at the latest
		t.slow = max(t.slow, now+21_000)
	}
}

// rightClock sets the wall clock so that nothing waits for it any more.
func (w *world) rightClock() {
	skew := w.skew.Load()
	for _, j := range w.jumps {
		skew = max(skew, j.skew)
	}
	if skew != w.skew.Load() {
		w.setSkew(skew)
	}
}
