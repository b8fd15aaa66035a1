package console

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/store"
)

// lists is a source of snapshots.
type lists struct {
	Source
	topics []queue.TopicInfo
	groups []queue.GroupInfo
	slow   bool // lists end after their first page
}

func (l *lists) Health() store.Health { return store.Health{} }

func (l *lists) TopicSummaries(ctx context.Context, after string, _ int) ([]queue.TopicInfo, error) {
	return listed(ctx, l.topics, after, l.slow)
}

func (l *lists) GroupOverviews(ctx context.Context, after string, _ int) ([]queue.GroupInfo, error) {
	return listed(ctx, l.groups, after, l.slow)
}

func listed[T any](ctx context.Context, all []T, after string, slow bool) ([]T, error) {
	if slow && after != "" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return all, nil
}

// A topic or group counts from its first record on, not from its first sample; a change of its configuration makes no new one of it.
func TestRatesOfWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lists{}
		s := newSampler(l, nil)
		look := func() (in, leasing, growing float64) {
			t.Helper()
			snap, err := s.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
			if len(snap.topics) == 0 {
				return 0, 0, 0
			}
			return snap.topics[0].In, snap.groups[0].Leasing, snap.groups[0].Growing
		}
		set := func(tag string, published, leased uint64, lag int64) {
			l.topics = []queue.TopicInfo{{Name: "t", Tag: tag, Published: queue.TopicCounters{Records: published}}}
			l.groups = []queue.GroupInfo{{Name: "g", Tag: tag, Counters: queue.GroupCounters{Leased: leased}, Totals: group.Totals{Lag: lag}}}
		}
		want := func(what string, in, leasing, growing float64) {
			t.Helper()
			i, l, g := look()
			if got, want := fmt.Sprint(i, l, g), fmt.Sprint(in, leasing, growing); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		nan := math.NaN()
		want("none", 0, 0, 0)
		set("1-1", 400, 200, 8)
		want("new", 100, 50, nan)
		set("1-2", 800, 400, 8)
		want("changed", 100, 50, nan)
		set("1-2", 800, 400, 16)
		want("still", 50, 25, 1)
		set("2-1", 1600, 800, 16)
		want("made anew", 200, 100, nan)
	})
}

// Of what a sample had no time for nobody knows what it had counted.
func TestRatesOfWhatWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lists{slow: true}
		for i := range snapshotPage {
			l.topics = append(l.topics, queue.TopicInfo{Name: fmt.Sprintf("a%d", i)})
			l.groups = append(l.groups, queue.GroupInfo{Name: fmt.Sprintf("a%d", i)})
		}
		s := newSampler(l, nil)
		if _, err := s.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(snapshotAge)
		l.topics = []queue.TopicInfo{{Name: "t", Published: queue.TopicCounters{Records: 1 << 30}}}
		l.groups = []queue.GroupInfo{{Name: "g", Counters: queue.GroupCounters{Acked: 1 << 30}}}
		snap, err := s.get(t.Context())
		if err != nil || !math.IsNaN(snap.topics[0].In) || !math.IsNaN(snap.groups[0].Acking) {
			t.Errorf("%v, %v", snap, err)
		}
	})
}

// A group is without a worker only when nobody was there lately, not when one look finds nothing leased.
func TestUnattended(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seen := func(ago time.Duration) []group.Member { return []group.Member{{Member: "w", LastSeen: now.Add(-ago)}} }
	for name, c := range map[string]struct {
		change func(g *groupView)
		want   bool
	}{
		"nobody":                 {func(g *groupView) {}, true},
		"nothing available":      {func(g *groupView) { g.Totals.Available = 0 }, false},
		"paused":                 {func(g *groupView) { g.Config.Paused = true }, false},
		"leased":                 {func(g *groupView) { g.Totals.Leased = 1 }, false},
		"a worker waits":         {func(g *groupView) { g.Waiters = 1 }, false},
		"handed out":             {func(g *groupView) { g.Leasing = 170 }, false},
		"seen just now":          {func(g *groupView) { g.Members = seen(time.Second) }, false},
		"seen long ago":          {func(g *groupView) { g.Members = seen(api.PresentSpan) }, true},
		"a member of a stream":   {func(g *groupView) { g.Kind, g.Members = catalog.KindOrdered, seen(time.Hour) }, false},
		"a stream of no members": {func(g *groupView) { g.Kind = catalog.KindOrdered }, true},
	} {
		g := groupView{GroupInfo: queue.GroupInfo{Kind: catalog.KindShare, Totals: group.Totals{Lag: 5, Available: 5}}}
		c.change(&g)
		if got := g.unattended(now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
