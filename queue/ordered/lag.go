package ordered

import (
	"context"
	"slices"

	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// The lag of all partitions is the sum of their topics' ends less that of the floors, behind which the group reads, and less the offsets without a record from there on.

// floor is the first record that the group has not read, or the start of what is left behind that.
func (p *position) floor() record.Offset {
	start, _ := p.part.Bounds()
	return max(p.next(), start)
}

// isThin tells whether offsets that the group has still to read may hold no record.
func (p *position) isThin() bool { return p.counted < p.part.WholeFrom() }

// recount counts a position's floor anew: after each change of it. The lock is held.
func (g *Group) recount(p *position) {
	floor := p.floor()
	g.floors += int64(floor - p.counted)
	p.counted = floor
	if !p.thin && p.isThin() {
		p.thin = true
		g.thin = append(g.thin, p)
	}
}

// countIn begins to count a position that is attached; the lock is held.
func (g *Group) countIn(p *position) {
	g.topics[p.part.Ends] = true
	g.recount(p)
}

// countOut ends that; the lock is held.
func (g *Group) countOut(p *position) {
	delete(g.topics, p.part.Ends) // the topic's other positions go with it
	g.floors -= int64(p.counted)
	g.thin = slices.DeleteFunc(g.thin, func(o *position) bool { return o == p })
}

// Thinned takes note that records of a partition are gone.
func (g *Group) Thinned(part *partition.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.byLog[roster.Log(part.ID)]; p != nil {
		g.recount(p)
	}
}

// Lag returns how many records of all partitions are still to be read. It costs the same however many partitions there are, those aside on which the group has not passed
// yet what compaction or retention took out.
func (g *Group) Lag(ctx context.Context) int64 {
	lag, thin := g.lag()
	for _, p := range thin {
		n, _ := p.part.Missing(ctx, p.floor, p.end) // what cannot be read counts as records
		lag -= n
	}
	return lag
}

// span is what of a partition is still to be read.
type span struct {
	part       *partition.Partition
	floor, end record.Offset
}

// lag is Lag with offsets without records counted; thin is where there are some.
func (g *Group) lag() (lag int64, thin []span) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ends := range g.topics {
		lag += ends.Sum()
	}
	g.thin = slices.DeleteFunc(g.thin, func(p *position) bool {
		p.thin = p.isThin()
		return !p.thin
	})
	for _, p := range g.thin {
		_, end := p.part.Bounds()
		thin = append(thin, span{p.part, p.counted, end})
	}
	return lag - g.floors, thin
}
