package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/keys"
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
	found := false
	for _, p := range t.Partitions {
		ix := b.indexes.Of(p)
		if ix == nil { // changed meanwhile
			continue
		}
		switch r, err := ix.Find(ctx, key); {
		case errors.Is(err, record.ErrNotFound), errors.Is(err, keys.ErrGone):
		case err != nil:
			return newest, 0, err
		case !found || !r.Timestamp.Before(newest.Timestamp):
			newest, index, found = r, p.Index, true
		}
	}
	if !found {
		return newest, 0, fmt.Errorf("topic %s: no record has the key: %w", name, ErrRecordNotFound)
	}
	newest.Headers = topic.Visible(newest.Headers)
	return newest, index, nil
}
