package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// indexes are the indexes of the partitions of compacted topics.
type indexes struct {
	mu   sync.Mutex
	on   map[store.LogID]*keys.Index
	live bool // those made from now on are started
}

func (x *indexes) of(p *partition.Partition) *keys.Index {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.on[p.ID]
}

// index makes the index of a partition that is being replayed.
func (b *Broker) index(p *partition.Partition) *keys.Index {
	x := &b.indexes
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.on == nil {
		x.on = map[store.LogID]*keys.Index{}
	}
	if x.on[p.ID] == nil {
		x.on[p.ID] = keys.New(p, b.committer, b.log)
	}
	return x.on[p.ID]
}

// startIndexes brings the indexes that were replayed to life.
func (b *Broker) startIndexes() {
	b.indexes.mu.Lock()
	defer b.indexes.mu.Unlock()
	for _, ix := range b.indexes.on {
		ix.Start()
	}
}

// keepIndexes gives a topic that was made or changed the indexes that its configuration asks for.
func (b *Broker) keepIndexes(t *topic.Topic) {
	for _, p := range t.Partitions {
		ix := b.indexes.of(p)
		switch compact := t.Def.Config.Cleanup == catalog.CleanupCompact; {
		case compact && ix == nil:
			ix = b.index(p)
			ix.Recover(nil)
			ix.Start()
		case !compact && ix != nil:
			b.endIndex(p, ix)
			p.Write(b.committer, keys.Forget(), nil)
		}
	}
}

// endIndexes ends the indexes of a topic that is gone.
func (b *Broker) endIndexes(t *topic.Topic) {
	for _, p := range t.Partitions {
		if ix := b.indexes.of(p); ix != nil {
			b.endIndex(p, ix)
		}
	}
}

func (b *Broker) endIndex(p *partition.Partition, ix *keys.Index) {
	b.indexes.mu.Lock()
	delete(b.indexes.on, p.ID)
	b.indexes.mu.Unlock()
	ix.Close()
}

// closeIndexes ends all indexes.
func (b *Broker) closeIndexes() {
	b.indexes.mu.Lock()
	all := b.indexes.on
	b.indexes.on = nil
	b.indexes.mu.Unlock()
	for _, ix := range all {
		ix.Close()
	}
}

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
		ix := b.indexes.of(p)
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
