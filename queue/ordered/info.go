package ordered

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Progress is a group's progress on one partition.
type Progress struct {
	Partition *partition.Partition
	Next      record.Offset // where it goes on
	Committed bool          // Next was committed, and is not just where the group begins
	End       record.Offset
	Lag       int64
	Member    string // who reads it; "" = nobody

	stamp *partition.Stamp // of Next
}

// Progress returns the group's progress on each partition, in order of attachment. Offsets that hold no record any more are no lag; to find out, it may
// read a batch, and what cannot be read counts as records.
func (g *Group) Progress(ctx context.Context) []Progress {
	return counted(ctx, g.progress())
}

// progress is Progress with offsets without records counted.
func (g *Group) progress() []Progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.progressAt(g.positions)
}

// ProgressOn is Progress on some partitions, those that the group reads.
func (g *Group) ProgressOn(ctx context.Context, parts []*partition.Partition) []Progress {
	g.mu.Lock()
	positions := make([]*position, 0, len(parts))
	for _, p := range parts {
		if pos := g.byLog[roster.Log(p.ID)]; pos != nil {
			positions = append(positions, pos)
		}
	}
	out := g.progressAt(positions)
	g.mu.Unlock()
	return counted(ctx, out)
}

// progressAt is progress at some positions; the lock is held.
func (g *Group) progressAt(positions []*position) []Progress {
	out := make([]Progress, len(positions))
	for i, p := range positions {
		_, end := p.part.Bounds()
		out[i] = Progress{Partition: p.part, Next: p.next(), Committed: p.committed != none, End: end, Lag: p.lag(), Member: g.roster.Holder(p.log()), stamp: &p.stamp}
	}
	return out
}

// counted takes offsets without records out of lags.
func counted(ctx context.Context, out []Progress) []Progress {
	for i := range out {
		p := &out[i]
		if p.Lag > 0 {
			n, _ := p.Partition.Missing(ctx, p.End-record.Offset(p.Lag), p.End)
			p.Lag = max(0, p.Lag-n)
		}
	}
	return out
}

// OldestUnsettled returns when the first record that is still to be read was appended; zero if there is none.
func (p Progress) OldestUnsettled(ctx context.Context) (time.Time, error) {
	if p.Lag == 0 {
		return time.Time{}, nil
	}
	return p.Partition.Appended(ctx, p.Next)
}

// AddTo adds the first record that is still to be read.
func (p Progress) AddTo(o *partition.Oldest) {
	if p.Lag > 0 {
		o.Add(p.Partition, p.Next, p.stamp)
	}
}

// seenAtOnce is how many positions are looked at under one hold of the lock.
const seenAtOnce = 1000

// Oldest returns when the oldest record that is still to be read was appended; zero if there is none. It looks at each partition, unless there is nothing to read, and
// reads a record of those only where the group goes on elsewhere than the last time, and may be the furthest behind. Errors: those of partition.Oldest.
func (g *Group) Oldest(ctx context.Context) (time.Time, error) {
	if lag, _ := g.lag(); lag == 0 {
		return time.Time{}, nil
	}
	var oldest partition.Oldest
	for from, more := 0, true; more; from += seenAtOnce {
		more = g.firsts(from, &oldest)
	}
	return oldest.Time(ctx)
}

// firsts adds the first records at seenAtOnce positions; false if there are no more of them.
func (g *Group) firsts(from int, o *partition.Oldest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	to := min(from+seenAtOnce, len(g.positions))
	for i := from; i < to; i++ {
		if p := g.positions[i]; p.lag() > 0 {
			o.Add(p.part, p.next(), &p.stamp)
		}
	}
	return to < len(g.positions)
}

// Member describes a member.
type Member struct {
	Name     string
	Epoch    int64
	Topics   []string // nil: all that the group reads
	Session  time.Duration
	LastSeen time.Time // by the wall clock as it stands
	Holds    []Place
}

// Members describes the members, in order of joining; holds says whether what each of them holds is told, too.
func (g *Group) Members(holds bool) []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.env.Now()
	names := map[uint64]string{}
	for _, a := range g.def.Topics {
		names[a.ID] = a.Topic
	}
	all := g.roster.Roll()
	if holds {
		all = g.roster.Members()
	}
	out := make([]Member, len(all))
	for i, m := range all {
		out[i] = Member{Name: m.Name, Epoch: m.Epoch, Session: time.Duration(m.Session) * time.Millisecond, Holds: g.places(m.Holds)}
		if m.Parked {
			m.Seen = now
		}
		out[i].LastSeen = g.env.Time(m.Seen)
		if m.Topics != nil {
			out[i].Topics = topicNames(m, names)
		}
	}
	return out
}

func topicNames(m roster.Member, names map[uint64]string) []string {
	out := []string{}
	for _, id := range m.Topics {
		if name := names[id]; name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Len returns how many members there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.roster.Len()
}

// Waiters returns how many polls are under way.
func (g *Group) Waiters() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, calls := range g.calls {
		n += len(calls)
	}
	return n
}
