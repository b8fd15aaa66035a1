package queue

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/commit"
)

// Scheduled returns up to limit delayed records of a topic from an id on ("" = the first), in the order in which they were published, and the id to go on
// with; "" at the end. Errors: ErrTopicNotFound, ErrInvalidRequest.
func (b *Broker) Scheduled(ctx context.Context, name, from string, limit int) (out []ScheduledRecord, next string, err error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return nil, "", err
	}
	out, next, err = t.Delayed.List(ctx, from, limit)
	return out, next, err
}

// ScheduledCount returns how many delayed records of a topic are not due yet. Errors: ErrTopicNotFound.
func (b *Broker) ScheduledCount(name string) (int, error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return 0, err
	}
	return t.Delayed.Len(), nil
}

// CancelScheduled takes a delayed record back, by the id its publish was answered with, or else by its own. Errors: ErrTopicNotFound, ErrRecordNotFound (unknown, fired or cancelled), ErrUnknown.
func (b *Broker) CancelScheduled(ctx context.Context, name, id string) error {
	t, err := b.topics.Get(name)
	if err != nil {
		return err
	}
	if err := t.Delayed.Cancel(id); err != nil {
		return err
	}
	return b.committer.Durable(ctx)
}

// RunScheduled appends a delayed record now, by the id its publish was answered with, or else by its own, and returns where it went once that is on stable storage.
// Errors: ErrTopicNotFound, ErrRecordNotFound (unknown, fired or cancelled), ErrCorrupt, ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) RunScheduled(ctx context.Context, name, id string) (Place, error) {
	if err := b.Ready(); err != nil {
		return Place{}, err
	}
	t, err := b.topics.Get(name)
	if err != nil {
		return Place{}, err
	}
	place, ticket, err := t.Delayed.Run(ctx, t, id)
	if err != nil {
		return Place{}, err
	}
	if err := commit.Unknown(b.committer.Wait(ctx, ticket)); err != nil {
		return Place{}, fmt.Errorf("run %s of %s: %w", id, name, err)
	}
	return place, nil
}
