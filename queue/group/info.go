package group

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
)

// Info describes a group.
type Info struct {
	Name       string
	Kind       catalog.Kind
	Topics     []string
	Config     catalog.GroupConfig
	CreatedAt  time.Time
	Tag        string
	Totals     Totals
	Counters   share.Counters
	Measures   share.Measures
	Waiters    int         // parked leases
	Partitions []Partition // nil in a summary
	Members    []Member

	// Of all partitions, in an overview only; zero = none:

	OldestUnsettled time.Time
	OldestAvailable time.Time // of those that can be handed out
}

// Totals counts records.
type Totals = share.Totals

// Partition is a group's progress on one partition.
type Partition struct {
	Topic                            string
	Partition                        int
	Start, End, LogEnd               record.Offset
	Lag, Available, Leased, Deferred int64
	OldestUnsettled                  time.Time // zero = none
	Member                           string    // of an ordered group: who reads it
	OldestAvailable                  time.Time // of those that can be handed out; zero = none
}

// Member is a worker seen lately.
type Member struct {
	Member   string
	Leases   int
	LastSeen time.Time

	// Of ordered groups only:

	Epoch      int64
	Topics     []string // nil = all that the group reads
	Session    time.Duration
	Assignment []ordered.Place // what it holds
}

// Info describes a group as memory has it. Errors: catalog.ErrGroupNotFound.
func (s *Set) Info(ctx context.Context, name string) (Info, error) { return s.info(ctx, name, true) }

// Summary is Info without what is told of each partition: Partitions, and Assignment of members. It costs the same however many partitions there are. Errors: those of Info.
func (s *Set) Summary(ctx context.Context, name string) (Info, error) {
	return s.info(ctx, name, false)
}

// Overview is Summary with what is oldest. It looks at each partition, yet reads only of those where that is another record than the last time. Errors: those of Info.
func (s *Set) Overview(ctx context.Context, name string) (Info, error) {
	info, err := s.Summary(ctx, name)
	if err != nil {
		return info, err
	}
	if g, _ := s.Share(name); g != nil {
		info.OldestUnsettled, info.OldestAvailable, err = g.Oldest(ctx)
	} else if g, _ := s.Ordered(name); g != nil {
		info.OldestUnsettled, err = g.Oldest(ctx)
		info.OldestAvailable = info.OldestUnsettled
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("the oldest unsettled record cannot be read", "group", name, "error", err)
	}
	return info, ctx.Err()
}

func (s *Set) info(ctx context.Context, name string, partitions bool) (Info, error) {
	g, err := s.Share(name)
	if errors.Is(err, catalog.ErrKindMismatch) {
		return s.orderedInfo(ctx, name, partitions)
	} else if err != nil {
		return Info{}, err
	}
	info := infoOf(g.Definition())
	if partitions {
		if err := s.sharePartitions(ctx, g, &info); err != nil {
			return info, err
		}
	} else {
		info.Totals = g.Totals()
	}
	info.Counters, info.Measures, info.Waiters = g.Counters(), g.Measures(), g.Waiters()
	for _, m := range g.Members() {
		info.Members = append(info.Members, Member{Member: m.Name, Leases: m.Leases, LastSeen: m.LastSeen})
	}
	return info, nil
}

// infoOf is what a definition tells.
func infoOf(def *catalog.Group) Info {
	return Info{Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt, Tag: def.Tag(), Members: []Member{}}
}

// sharePartitions adds a share group's partitions, and totals that are their sum.
func (s *Set) sharePartitions(ctx context.Context, g *share.Group, info *Info) error {
	def := g.Definition()
	info.Partitions, info.Totals.DeadLetters = []Partition{}, g.OpenLetters("")
	for _, p := range g.Progress() {
		oldest, err := s.oldest(ctx, def, p.Partition, p)
		if err != nil {
			return err
		}
		next, _ := p.OldestAvailable(ctx) // what cannot be read was told just now
		info.Partitions = append(info.Partitions, Partition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Start, End: p.End, LogEnd: p.LogEnd,
			Lag: p.Lag, Available: p.Available, Leased: p.Leased, Deferred: p.Deferred, OldestUnsettled: oldest, OldestAvailable: next,
		})
		info.Totals.Lag += p.Lag
		info.Totals.Available += p.Available
		info.Totals.Leased += p.Leased
		info.Totals.Deferred += p.Deferred
	}
	return nil
}

// oldest returns when the oldest record that a group has not settled on a partition was appended. One that cannot be read is told to the log, and hides nothing
// else. Errors: the context's.
func (s *Set) oldest(ctx context.Context, def *catalog.Group, p *partition.Partition, progress interface {
	OldestUnsettled(context.Context) (time.Time, error)
}) (time.Time, error) {
	at, err := progress.OldestUnsettled(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("the oldest unsettled record cannot be read", "group", def.Name, "topic", p.Topic, "partition", p.Index, "error", err)
	}
	return at, ctx.Err()
}

// orderedInfo is info of an ordered group.
func (s *Set) orderedInfo(ctx context.Context, name string, partitions bool) (Info, error) {
	g, err := s.Ordered(name)
	if err != nil {
		return Info{}, err
	}
	info := infoOf(g.Definition())
	info.Waiters = g.Waiters()
	if partitions {
		if err := s.orderedPartitions(ctx, g, &info); err != nil {
			return info, err
		}
	} else {
		info.Totals.Lag = g.Lag(ctx)
	}
	info.Totals.Available = info.Totals.Lag
	for _, m := range g.Members(partitions) {
		info.Members = append(info.Members, Member{
			Member: m.Name, LastSeen: m.LastSeen, Epoch: m.Epoch, Topics: m.Topics, Session: m.Session, Assignment: m.Holds,
		})
	}
	return info, nil
}

// orderedPartitions adds an ordered group's partitions, and a lag that is their sum.
func (s *Set) orderedPartitions(ctx context.Context, g *ordered.Group, info *Info) error {
	def := g.Definition()
	info.Partitions = []Partition{}
	for _, p := range g.Progress(ctx) {
		oldest, err := s.oldest(ctx, def, p.Partition, p)
		if err != nil {
			return err
		}
		info.Partitions = append(info.Partitions, Partition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Next, End: p.End, LogEnd: p.End, Lag: p.Lag, Available: p.Lag, Member: p.Member,
			OldestUnsettled: oldest, OldestAvailable: oldest,
		})
		info.Totals.Lag += p.Lag
	}
	return nil
}
