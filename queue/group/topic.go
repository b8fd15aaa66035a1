package group

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// Topic describes a topic and who reads it.
type Topic struct {
	Name       string
	Config     catalog.TopicConfig
	CreatedAt  time.Time
	Tag        string // changes whenever the definition does; differs between incarnations
	Schema     int    // version of its schema; 0 = none
	Published  TopicCounters
	Scheduled  int // delayed records that are not due yet
	Groups     []share.OnTopic
	Partitions []TopicPartition
}

// TopicCounters are what was published to a topic since the process started, redelivered and dead-lettered records aside.
type TopicCounters struct{ Records, Bytes uint64 }

// TopicPartition describes one partition of a topic.
type TopicPartition struct {
	Partition, Lane int
	Start, End      record.Offset
	Bytes           int64
}

// Topic describes a topic as memory has it.
func (s *Set) Topic(t *topic.Topic) Topic {
	info := s.described(t)
	for _, g := range s.Readers(t.Def.ID) {
		info.Groups = append(info.Groups, g.OnTopic(t.Partitions, t.Def.Config.Retention.KeepUnsettled))
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		info.Groups = append(info.Groups, streamOn(g, t, true))
	}
	return info.sorted()
}

// TopicSummary is Topic with no more of its groups than their lag.
func (s *Set) TopicSummary(t *topic.Topic) Topic {
	info := s.described(t)
	for _, g := range s.Readers(t.Def.ID) {
		info.Groups = append(info.Groups, g.LagOn(t.Partitions))
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		info.Groups = append(info.Groups, streamOn(g, t, false))
	}
	return info.sorted()
}

// described is Topic without its groups.
func (s *Set) described(t *topic.Topic) Topic {
	info := Topic{
		Name: t.Def.Name, Config: t.Def.Config, CreatedAt: t.Def.CreatedAt, Tag: t.Def.Tag(), Schema: t.Def.SchemaVersion,
		Published: TopicCounters{t.Published.Records.Load(), t.Published.Bytes.Load()}, Scheduled: t.Delayed.Len(),
		Groups: []share.OnTopic{}, Partitions: make([]TopicPartition, 0, len(t.Partitions)),
	}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		info.Partitions = append(info.Partitions, TopicPartition{Partition: p.Index, Lane: p.Lane, Start: start, End: end, Bytes: p.Bytes()})
	}
	return info
}

// sorted is t with its groups by name.
func (t Topic) sorted() Topic {
	slices.SortFunc(t.Groups, func(x, y share.OnTopic) int { return cmp.Compare(x.Group, y.Group) })
	return t
}

// streamOn describes what an ordered group has still to read of a topic, and with aged since when. It holds nothing back.
func streamOn(g *ordered.Group, t *topic.Topic, aged bool) share.OnTopic {
	out := share.OnTopic{Group: g.Definition().Name, Kind: catalog.KindOrdered}
	var oldest partition.Oldest
	for _, p := range g.ProgressOn(context.Background(), t.Partitions) {
		out.Lag += p.Lag
		if aged {
			p.AddTo(&oldest)
		}
	}
	out.OldestUnsettled, _ = oldest.Time(context.Background()) // what cannot be read is told where the group is described
	return out
}
