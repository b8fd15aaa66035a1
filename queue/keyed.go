package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/topic"
)

// ReadKey returns the newest record of a key of a compacted topic, with its partition: a tombstone too, while it is there. If several partitions have the
// key, that is the one with the later timestamp. Errors: ErrTopicNotFound, ErrRecordNotFound, ErrInvalidRequest (the topic is not compacted), ErrCorrupt.
func (b *Broker) ReadKey(ctx context.Context, name string, key []byte) (newest Record, index int, err error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return newest, 0, err
	}
	if t.Def.Config.Cleanup != catalog.CleanupCompact {
		return newest, 0, fmt.Errorf("%w: topic %s is not compacted; its records are found by offset", ErrInvalidRequest, name)
	}
	newest, at, err := b.indexes.Find(ctx, t.Partitions, key)
	if errors.Is(err, record.ErrNotFound) {
		return newest, 0, fmt.Errorf("topic %s: no record has the key: %w", name, ErrRecordNotFound)
	} else if err != nil {
		return newest, 0, err
	}
	newest.Headers = topic.Visible(newest.Headers)
	return newest, at.Index, nil
}
