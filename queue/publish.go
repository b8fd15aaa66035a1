package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// Publish appends the messages, all or none, and returns where they went, in order, once they are on stable storage. created names what was made on the way
// ("topics/emails"). wait is how long to wait for room in the topic's backlog. Errors: ErrTopicNotFound, ErrInvalidName, ErrInvalidRequest,
// ErrPartitionNotFound, ErrRecordTooLarge, ErrRequestTooLarge, ErrBacklogFull, ErrRateLimited, ErrStorageFull, ErrShuttingDown,
// ErrUnavailable, ErrUnknown, *SchemaViolation.
func (b *Broker) Publish(ctx context.Context, name string, msgs []Message, wait time.Duration) (places []Place, created []string, err error) {
	if err := b.writable(); err != nil {
		return nil, nil, err
	}
	t, created, err := b.topicFor(ctx, name, msgs)
	if err != nil {
		return nil, nil, err
	}
	if err := b.groups.AwaitRoom(ctx, t, wait); err != nil {
		return nil, nil, err
	}
	pub, err := topic.NewPublication(b.committer, &topic.Item{Topic: t, Messages: msgs})
	if err != nil {
		return nil, nil, err
	}
	if err := b.committer.Room(ctx); err != nil {
		return nil, nil, b.committed(err)
	}
	if err := pub.Begin(); err != nil {
		return nil, nil, err
	}
	// A duplicate's answer, too, waits for the record it names: that was enqueued before this unit.
	ticket := pub.Commit(b.committer, time.Now(), nil)
	if err := b.committed(b.committer.Wait(ctx, ticket)); err != nil {
		return nil, nil, fmt.Errorf("publish to %s: %w", name, err)
	}
	return pub.Places()[0], created, nil
}

// writable refuses new records while the server stops or the disk is full.
func (b *Broker) writable() error {
	if err := b.Ready(); err != nil {
		return err
	}
	if h := b.store.Health(); h.Low {
		return fmt.Errorf("%d bytes are free where the data is, below the server's minimum; most is held by %s: %w", h.Free, b.groups.Holders(3), ErrStorageFull)
	}
	return nil
}

// checkPublish refuses messages that the topic, or one made with defaults, would not take.
func (b *Broker) checkPublish(name string, msgs []Message) error {
	t, err := b.topics.Get(name)
	if err == nil {
		if err := b.cfg.Limits.Publish(msgs, t.Def.Config.MaxRecordBytes); err != nil {
			return err
		}
		return t.CheckValues(msgs)
	}
	if err := catalog.CheckName(name); err != nil {
		return err
	}
	if b.cfg.NoAutoCreate {
		return err
	}
	if err := b.cfg.Limits.Publish(msgs, b.cfg.Limits.MaxValue); err != nil {
		return err
	}
	return admit.Defaults(msgs)
}

// topicFor returns the topic, making it with defaults if the server may and the messages are good.
func (b *Broker) topicFor(ctx context.Context, name string, msgs []Message) (*topic.Topic, []string, error) {
	if err := b.checkPublish(name, msgs); err != nil {
		return nil, nil, err
	}
	if t, err := b.topics.Get(name); err == nil {
		return t, nil, nil
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	t, made, err := b.putTopic(context.WithoutCancel(ctx), name, Condition{}, "", func(old TopicConfig, exists bool) (TopicConfig, error) { return old, nil })
	if err != nil || !made {
		return t, nil, err
	}
	return t, []string{"topics/" + name}, nil
}
