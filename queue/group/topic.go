package group

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/catalog"
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
	info := Topic{
		Name: t.Def.Name, Config: t.Def.Config, CreatedAt: t.Def.CreatedAt, Tag: t.Def.Tag(), Schema: t.Def.SchemaVersion,
		Published: TopicCounters{t.Published.Records.Load(), t.Published.Bytes.Load()}, Scheduled: t.Delayed.Len(),
		Groups: []share.OnTopic{}, Partitions: make([]TopicPartition, 0, len(t.Partitions)),
	}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		info.Partitions = append(info.Partitions, TopicPartition{Partition: p.Index, Lane: p.Lane, Start: start, End: end, Bytes: p.Bytes()})
	}
	for _, g := range s.Readers(t.Def.ID) {
		info.Groups = append(info.Groups, g.OnTopic(t.Def.Name, t.Def.Config.Retention.KeepUnsettled))
	}
	if streams := s.orderedOnTopic(context.Background(), t); len(streams) > 0 {
		info.Groups = append(info.Groups, streams...)
		slices.SortFunc(info.Groups, func(x, y share.OnTopic) int { return cmp.Compare(x.Group, y.Group) })
	}
	return info
}
