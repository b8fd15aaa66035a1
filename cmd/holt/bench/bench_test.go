package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/clienttest"
)

// TestTells: a long scenario says how far it is, and one that is interrupted ends.
func TestTells(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := clienttest.New(t)
	l := &load{
		connect: func() (*client.Client, error) {
			return client.New("holt.test", client.WithHTTPClient(s.HTTPClient()))
		},
		say: func(format string, args ...any) {
			var seconds int
			if n, _ := fmt.Sscanf(fmt.Sprintf(format, args...), "publish: %d of 3600 s, ", &seconds); n == 1 {
				cancel()
			}
		},
		group: "g", topics: []string{"t"}, tick: time.Millisecond,
		setting: Setting{Producers: 1, Workers: 1, Batch: 1, Size: 1, Topics: 1, Partitions: 1, Ordering: "none"},
	}
	c, err := l.connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.prepare(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(ctx, scenarioPublish, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := l.remove(c); err != nil {
		t.Error(err)
	}
	if err := l.remove(c); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

func TestRatios(t *testing.T) {
	r := &Report{Rounds: 3, Settings: []Named{{Name: "a"}, {Name: "b"}}}
	for round, rates := range [][2]float64{{100, 200}, {100, 50}, {10, 40}} {
		for i, rate := range rates {
			r.add(i, round+1, Result{Scenario: scenarioPublish, Calls: []Calls{{Call: "publish", RecordsPerSec: rate}}})
		}
	}
	r.finish()
	want := []Ratio{{What: "publish: b ÷ a", Median: 2, Least: 0.5, Most: 4}}
	if diff := cmp.Diff(want, r.Ratios); diff != "" {
		t.Error(diff)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	for i := range lastBuckets - 1 {
		if top := bucketTop(i); bucketOf(top) != i || bucketOf(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d; the next one in %d", i, top, bucketOf(top), bucketOf(top+1))
		}
	}
	if i := bucketOf(1<<63 - 1); i != lastBuckets-1 {
		t.Errorf("the longest duration is in bucket %d of %d", i, lastBuckets)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(random.Int64N(1 << random.IntN(63)))
		if top := bucketTop(bucketOf(d)); top < d || top > d+d/32+1 {
			t.Fatalf("%d is shown as %d", d, top)
		}
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	var both histogram
	both.merge(&h)
	both.merge(&h)
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 0.999: 999 * time.Millisecond, 1: time.Second} {
		if got := both.quantile(q); got < want || got > want+want/32 {
			t.Errorf("quantile %g: %v, want about %v", q, got, want)
		}
	}
}
