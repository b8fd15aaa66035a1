package console

import (
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
)

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
