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
	"github.com/holtmq/holt/queue/topic"
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
	Waiters    int // parked leases
	Partitions []Partition
	Members    []Member
}

// Totals counts records: Lag = Available + Leased + Deferred.
type Totals struct{ Lag, Available, Leased, Deferred, DeadLetters int64 }

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
func (s *Set) Info(ctx context.Context, name string) (Info, error) {
	g, err := s.Share(name)
	if errors.Is(err, catalog.ErrKindMismatch) {
		return s.orderedInfo(ctx, name)
	} else if err != nil {
		return Info{}, err
	}
	def := g.Definition()
	info := Info{
		Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt,
		Tag: def.Tag(), Partitions: []Partition{}, Members: []Member{},
	}
	for _, p := range g.Progress() {
		oldest, err := s.oldest(ctx, def, p.Partition, p)
		if err != nil {
			return info, err
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
	info.Totals.DeadLetters = g.OpenLetters("")
	info.Counters, info.Measures, info.Waiters = g.Counters(), g.Measures(), g.Waiters()
	for _, m := range g.Members() {
		info.Members = append(info.Members, Member{Member: m.Name, Leases: m.Leases, LastSeen: m.LastSeen})
	}
	return info, nil
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

// orderedInfo describes an ordered group.
func (s *Set) orderedInfo(ctx context.Context, name string) (Info, error) {
	g, err := s.Ordered(name)
	if err != nil {
		return Info{}, err
	}
	def := g.Definition()
	info := Info{
		Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt,
		Tag: def.Tag(), Partitions: []Partition{}, Members: []Member{}, Waiters: g.Waiters(),
	}
	for _, p := range g.Progress(ctx) {
		oldest, err := s.oldest(ctx, def, p.Partition, p)
		if err != nil {
			return info, err
		}
		info.Partitions = append(info.Partitions, Partition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Next, End: p.End, LogEnd: p.End, Lag: p.Lag, Available: p.Lag, Member: p.Member,
			OldestUnsettled: oldest, OldestAvailable: oldest,
		})
		info.Totals.Lag += p.Lag
	}
	info.Totals.Available = info.Totals.Lag
	for _, m := range g.Members() {
		info.Members = append(info.Members, Member{
			Member: m.Name, LastSeen: m.LastSeen, Epoch: m.Epoch, Topics: m.Topics, Session: m.Session, Assignment: m.Holds,
		})
	}
	return info, nil
}

// orderedOnTopic describes what ordered groups have still to read of a topic. They hold nothing back.
func (s *Set) orderedOnTopic(ctx context.Context, t *topic.Topic) []share.OnTopic {
	var out []share.OnTopic
	for _, g := range s.OrderedReaders(t.Def.ID) {
		tg := share.OnTopic{Group: g.Definition().Name, Kind: catalog.KindOrdered}
		for _, p := range g.Progress(ctx) {
			if p.Partition.Topic != t.Def.Name {
				continue
			}
			tg.Lag += p.Lag
			if at, err := p.OldestUnsettled(ctx); err == nil && !at.IsZero() && (tg.OldestUnsettled.IsZero() || at.Before(tg.OldestUnsettled)) {
				tg.OldestUnsettled = at
			}
		}
		out = append(out, tg)
	}
	return out
}
