package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/commit"
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
	t, created, err := b.definitions.TopicFor(ctx, name, msgs)
	if err != nil {
		return nil, nil, err
	}
	was := t
	if t, err = b.groups.AwaitRoom(ctx, t, wait); err != nil {
		return nil, nil, err
	}
	if t != was { // it changed meanwhile, and what it takes with it
		if err := b.definitions.CheckPublish(name, msgs); err != nil {
			return nil, nil, err
		}
	}
	pub, err := topic.NewPublication(b.openings, &topic.Item{Topic: t, Messages: msgs})
	if err != nil {
		return nil, nil, err
	}
	if err := b.committer.Room(ctx); err != nil {
		return nil, nil, commit.Unknown(err)
	}
	if err := pub.Begin(); err != nil {
		return nil, nil, err
	}
	// A duplicate's answer, too, waits for the record it names: that was enqueued before this unit.
	ticket := pub.Commit(b.committer, b.openings.Now(), nil)
	if err := commit.Unknown(b.committer.Wait(ctx, ticket)); err != nil {
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
		who := "no group holds any of it back"
		if names := b.groups.Holders(); names != "" {
			who = "most is held by " + names
		}
		return fmt.Errorf("%d MiB are free where the data is, less than min_free asks for; %s: %w", h.Free>>20, who, ErrStorageFull)
	}
	return nil
}
