package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/share"
)

// PutGroup creates a group or changes it: edit gets what is, or the defaults, and returns what is to be. Errors:
// ErrInvalidName, ErrInvalidConfig, ErrKindMismatch, ErrTopicNotFound, ErrPrecondition, edit's.
func (b *Broker) PutGroup(ctx context.Context, name string, cond Condition, edit func(old GroupChange, exists bool) (GroupChange, error)) (info GroupInfo, created bool, err error) {
	return b.definitions.PutGroup(ctx, name, cond, edit)
}

// Group describes a group. Errors: ErrGroupNotFound.
func (b *Broker) Group(ctx context.Context, name string) (GroupInfo, error) {
	return b.described(ctx, name, b.groups.Info)
}

// GroupSummary is Group without what is told of each partition: Partitions, and Assignment of members. It costs the same however many partitions there are.
// Errors: those of Group.
func (b *Broker) GroupSummary(ctx context.Context, name string) (GroupInfo, error) {
	return b.described(ctx, name, b.groups.Summary)
}

func (b *Broker) described(ctx context.Context, name string, describe func(context.Context, string) (GroupInfo, error)) (GroupInfo, error) {
	info, err := describe(ctx, name)
	if err != nil {
		return info, err
	}
	return info, b.committer.Durable(ctx) // memory may run ahead of the disk, answers never
}

// Groups describes up to limit groups with names after the given one, by name.
func (b *Broker) Groups(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	return b.list(ctx, after, limit, b.groups.Info)
}

// GroupSummaries is Groups with a GroupSummary of each.
func (b *Broker) GroupSummaries(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	return b.list(ctx, after, limit, b.groups.Summary)
}

// GroupOverviews is GroupSummaries with the times of what is oldest, for which it looks at each partition, yet reads only where that is another record than the last time.
func (b *Broker) GroupOverviews(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	return b.list(ctx, after, limit, b.groups.Overview)
}

func (b *Broker) list(ctx context.Context, after string, limit int, describe func(context.Context, string) (GroupInfo, error)) ([]GroupInfo, error) {
	var out []GroupInfo
	for _, def := range b.catalog.Groups(after, limit) {
		info, err := describe(ctx, def.Name)
		if errors.Is(err, ErrGroupNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, b.committer.Durable(ctx)
}

// DeleteGroup deletes a group with its progress. force does so with leases running or dead letters open. Errors: ErrGroupNotFound, ErrGroupInUse, ErrPrecondition.
func (b *Broker) DeleteGroup(ctx context.Context, name string, force bool, cond Condition) error {
	return b.definitions.DeleteGroup(ctx, name, force, cond)
}

// ofGroup turns errors of a share group into the broker's.
func (b *Broker) ofGroup(name string, err error) error {
	switch {
	case errors.Is(err, share.ErrTooManyLogs):
		return fmt.Errorf("%w: %w", ErrRequestTooLarge, err)
	case errors.Is(err, share.ErrTooManyWaiting), errors.Is(err, share.ErrDying):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, share.ErrClosed):
		return b.ofClosed(name, err)
	case errors.Is(err, share.ErrNotAttached):
		return fmt.Errorf("%w: %w", ErrTopicNotFound, err)
	}
	return err
}

// ofClosed says why a group is closed: the server stops, or somebody deleted it.
func (b *Broker) ofClosed(name string, err error) error {
	if b.Ready() != nil {
		return fmt.Errorf("%w: %w", ErrShuttingDown, err)
	}
	return fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
}
