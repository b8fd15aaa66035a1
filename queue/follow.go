package queue

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
)

// TailRequest follows a topic from a position on, or where an earlier tail was.
type TailRequest struct {
	Topic  string
	From   Position
	At     map[int]Offset // by partition, instead of From; a partition not named begins at its start
	Resume bool           // At is what an earlier tail said: an offset past the end is of a former topic of that name, and the partition begins at its start
	Keyed  bool
	Key    []byte // with Keyed: only its records
}

// Tail follows all partitions of a topic. Close the stream. Errors: ErrTopicNotFound, ErrPartitionNotFound, *RangeError, ErrShuttingDown, ErrUnavailable.
func (b *Broker) Tail(ctx context.Context, req TailRequest) (*tail.Stream, error) {
	if err := b.Ready(); err != nil {
		return nil, err
	}
	t, err := b.topics.Get(req.Topic)
	if err != nil {
		return nil, err
	}
	starts, err := b.tailStarts(ctx, t, req)
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

// tailStarts returns where a tail begins, by partition.
func (b *Broker) tailStarts(ctx context.Context, t *topic.Topic, req TailRequest) (map[int]Offset, error) {
	for index := range req.At {
		if index >= len(t.Partitions) && !req.Resume {
			return nil, fmt.Errorf("partition %d: topic %s has %d: %w", index, req.Topic, len(t.Partitions), ErrPartitionNotFound)
		}
	}
	out := map[int]Offset{}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		at, named := req.At[p.Index]
		switch {
		case req.At == nil:
			var err error
			if at, err = req.From.Find(ctx, p); err != nil {
				return nil, b.inRange(p, err)
			}
		case !named, req.Resume && at > end:
			at = start
		case at > end:
			return nil, fmt.Errorf("%s/%d at %d: %w", req.Topic, p.Index, at, &RangeError{start, end})
		}
		out[p.Index] = at
	}
	return out, nil
}
