package console

import (
	"math"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/catalog"
)

func TestGrowthAndTrend(t *testing.T) {
	for _, tt := range []struct {
		rate          float64
		growth, trend string
	}{
		{math.NaN(), "–", "–"}, {0, "0", "steady"}, {0.04, "<0.1", "steady"}, {1.5, "+1.5", "growing 1.5/s"}, {-20, "−20", "shrinking 20/s"}, {54321, "+54.3k", "growing 54.3k/s"},
	} {
		if g, w := growth(tt.rate), trend(tt.rate); g != tt.growth || w != tt.trend {
			t.Errorf("%v: %q, %q, want %q, %q", tt.rate, g, w, tt.growth, tt.trend)
		}
	}
}

func TestBackoffText(t *testing.T) {
	for want, b := range map[string]catalog.Backoff{
		"1s × 2 up to 10m, ± 20 %": {Initial: time.Second, Multiplier: 2, Max: 10 * time.Minute, Jitter: 0.2},
		"0s × 1.5 up to 24h":       {Multiplier: 1.5, Max: 24 * time.Hour},
		"1s, 5m, ± 100 %":          {Steps: []time.Duration{time.Second, 5 * time.Minute}, Jitter: 1},
	} {
		if got := backoffText(b); got != want {
			t.Errorf("%+v: %q, want %q", b, got, want)
		}
	}
}

// A tile has room for one large word; what follows is small.
func TestQuantity(t *testing.T) {
	for text, want := range map[string]amount{"1.7 ms": {"1.7", "ms"}, "12m 19s": {"12m", "19s"}, "70.2 MiB": {"70.2", "MiB"}, "–": {Number: "–"}} {
		if got := quantity(text); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
