package queue

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/topic"
)

// DefaultRetainEvery is how often retention looks at the topics.
const DefaultRetainEvery = 10 * time.Second

// retain lets go of what is too old or too much, until the broker closes.
func (b *Broker) retain() {
	tick := time.NewTicker(b.cfg.RetainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return
		}
		for _, def := range b.catalog.Topics("", everything) {
			t, err := b.topics.Get(def.Name)
			if err != nil {
				continue
			}
			for _, p := range t.Partitions {
				if err := b.retainPartition(b.ctx, t, p); err != nil {
					if b.ctx.Err() != nil {
						return
					}
					b.log.Error("retention cannot go on with a partition", "topic", p.Topic, "partition", p.Index, "error", err)
				}
			}
		}
	}
}

// retainPartition trims one partition to what its topic's retention keeps. It has the turn of positions: no group is reset to what is being
// let go.
func (b *Broker) retainPartition(ctx context.Context, t *topic.Topic, p *partition.Partition) error {
	give, err := b.takePositions(ctx)
	if err != nil {
		return err
	}
	defer give()
	to, err := b.retained(ctx, t, p)
	if err != nil {
		return err
	}
	if start, _ := p.Bounds(); to <= start {
		return nil
	}
	p.Retain(b.committer, to)
	for _, g := range b.readers(t.Def.ID) {
		g.Trimmed(p)
	}
	b.lettersTrimmed(p)
	b.log.Debug("records are over their retention", "topic", p.Topic, "partition", p.Index, "start_offset", to)
	return b.durable(ctx)
}

// takePositions takes the turn to move starts of logs and groups; the returned function gives it back. A dead-letter topic may be made under
// it: it comes before the catalog's turn.
func (b *Broker) takePositions(ctx context.Context) (give func(), err error) {
	select {
	case b.positions <- struct{}{}:
		return func() { <-b.positions }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// retained returns the first offset that has to stay.
func (b *Broker) retained(ctx context.Context, t *topic.Topic, p *partition.Partition) (record.Offset, error) {
	r := t.Def.Config.Retention
	to, end := p.Bounds()
	if r.Age > 0 {
		at, err := p.OffsetForTime(ctx, time.Now().Add(-r.Age))
		if err != nil {
			return 0, err
		}
		to = max(to, at)
	}
	if r.Bytes > 0 {
		to = max(to, p.OffsetForBytes(r.Bytes))
	}
	to = min(to, end, b.letterNeeds(p)) // open letters outlive any retention
	if r.KeepUnsettled {
		for _, g := range b.readers(t.Def.ID) {
			if at, reads := g.Needs(p); reads {
				to = min(to, at)
			}
		}
	}
	return to, nil
}
