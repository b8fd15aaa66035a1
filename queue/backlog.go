package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// awaitRoom returns once the topic's backlog is below its limit, or ErrBacklogFull after wait.
func (b *Broker) awaitRoom(ctx context.Context, t *topic.Topic, wait time.Duration) error {
	c := t.Def.Config
	if c.MaxBacklogRecords == 0 && c.MaxBacklogBytes == 0 {
		return nil
	}
	next, end := t.Backlog.Wait()
	defer end()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		moved := next()
		full := b.backlogOver(t, c)
		if full == nil {
			return nil
		}
		select {
		case <-moved:
		case <-over.C:
			return full
		case <-b.stop:
			return ErrShuttingDown
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// backlogOver returns ErrBacklogFull, with the slowest group, if a limit is reached.
func (b *Broker) backlogOver(t *topic.Topic, c catalog.TopicConfig) error {
	for _, g := range b.readers(t.Def.ID) {
		records, bytes := int64(0), int64(0)
		for _, p := range g.Progress() {
			if p.Partition.Topic == t.Def.Name && p.Lag > 0 {
				records += p.Lag
				bytes += p.Partition.BytesFrom(p.Start)
			}
		}
		if c.MaxBacklogRecords > 0 && records >= c.MaxBacklogRecords || c.MaxBacklogBytes > 0 && bytes >= c.MaxBacklogBytes {
			return fmt.Errorf("topic %s: group %s has %d records of %d bytes before it, and max_backlog is reached; wait for its workers, or ask with ?wait: %w",
				t.Def.Name, g.Definition().Name, records, bytes, ErrBacklogFull)
		}
	}
	return nil
}
