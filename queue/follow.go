package queue

import (
	"context"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
)

// TailRequest follows a topic from a position on, or where an earlier tail was.
type TailRequest = topic.TailRequest

// Tail follows all partitions of a topic. Close the stream. Errors: ErrTopicNotFound, ErrPartitionNotFound, *RangeError, ErrShuttingDown, ErrUnavailable.
func (b *Broker) Tail(ctx context.Context, req TailRequest) (*tail.Stream, error) {
	if err := b.Ready(); err != nil {
		return nil, err
	}
	t, err := b.topics.Get(req.Topic)
	if err != nil {
		return nil, err
	}
	starts, err := req.Starts(ctx, t)
	if err != nil {
		return nil, err
	}
	return tail.Open(tail.Config{
		Hub: &b.tails, Topic: req.Topic, Keyed: req.Keyed, Key: req.Key, Stop: b.stop, MaxBehind: b.cfg.Limits.MaxTailBehind,
		Start: func(p *partition.Partition) Offset { return starts[p.Index] }, // one added meanwhile: from 0
		Partitions: func() ([]*partition.Partition, bool) {
			now, err := b.topics.Get(req.Topic)
			if err != nil || now.Def.ID != t.Def.ID {
				return nil, false
			}
			return now.Partitions, true
		},
	}), nil
}
