package share

import (
	"math/rand/v2"
	"testing"
)

func TestBucketNeverGivesMoreThanRateAndBurst(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		perSecond, burst := 1+rnd.Float64()*2000, 1+rnd.IntN(100)
		var b bucket
		b.set(perSecond, burst, 0)
		given, now := 0, int64(0)
		for range 1000 {
			now += rnd.Int64N(50)
			n := b.available(now, 1+rnd.IntN(200))
			b.take(n)
			if given += n; float64(given) > float64(burst)+perSecond*float64(now)/1000+1e-6 {
				t.Fatalf("seed %d: %d tokens in %d ms at %v/s, burst %d", seed, given, now, perSecond, burst)
			}
			if next := b.next(now); b.available(now, 1) == 0 && b.available(next, 1) != 1 {
				t.Fatalf("seed %d: no token at %d, which was promised at %d", seed, next, now)
			}
			now = b.at
		}
	}
}

func TestScenario45RateChangesTakeEffectAtOnce(t *testing.T) {
	var b bucket
	if got := b.available(0, 1000); got != 1000 {
		t.Errorf("without a limit %d", got)
	}
	b.set(0.5, 0, 0)
	if got := b.available(0, 10); got != 1 {
		t.Errorf("one in two seconds: the first gives %d", got)
	}
	b.take(1)
	b.set(1000, 5, 10)
	if got := b.available(13, 10); got != 3 {
		t.Errorf("3 ms after it was raised %d", got)
	}
	if got := b.available(1000, 10); got != 5 {
		t.Errorf("the burst gave %d", got)
	}
	b.set(0, 0, 1000)
	if got := b.available(1000, 77); got != 77 {
		t.Errorf("without a limit again %d", got)
	}
}
