package console

import (
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

func TestLatencyOfHistogram(t *testing.T) {
	bounds := []float64{1, 2, 4}
	of := func(counts ...uint64) queue.Histogram { return queue.Histogram{Bounds: bounds, Counts: counts} }
	for name, tt := range map[string]struct {
		now, before queue.Histogram
		want        latency
	}{
		"none":                  {of(0, 0, 0, 0), queue.Histogram{}, latency{}},
		"of an ordered group":   {queue.Histogram{}, queue.Histogram{}, latency{}},
		"since the start":       {of(0, 10, 0, 0), queue.Histogram{}, latency{true, 1500 * time.Millisecond, 1950 * time.Millisecond, false, 10}},
		"lately":                {of(100, 0, 10, 0), of(100, 0, 0, 0), latency{true, 3 * time.Second, 3900 * time.Millisecond, true, 10}},
		"nothing came lately":   {of(10, 0, 0, 0), of(10, 0, 0, 0), latency{true, 500 * time.Millisecond, 950 * time.Millisecond, false, 10}},
		"made anew":             {of(10, 0, 0, 0), of(10, 5, 0, 0), latency{true, 500 * time.Millisecond, 950 * time.Millisecond, false, 10}},
		"over the last bound":   {of(0, 0, 0, 3), queue.Histogram{}, latency{true, 4 * time.Second, 4 * time.Second, false, 3}},
		"one value":             {of(1, 0, 0, 0), queue.Histogram{}, latency{true, 500 * time.Millisecond, 950 * time.Millisecond, false, 1}},
		"in the first and last": {of(1, 0, 0, 1), queue.Histogram{}, latency{true, time.Second, 4 * time.Second, false, 2}},
	} {
		if got := newLatency(tt.now, tt.before); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
