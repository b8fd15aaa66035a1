package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
)

// PutGroup creates a group or changes it: edit gets what is, or the defaults, and returns what is to be. Errors:
// ErrInvalidName, ErrInvalidConfig, ErrKindMismatch, ErrTopicNotFound, ErrPrecondition, edit's.
func (b *Broker) PutGroup(ctx context.Context, name string, cond Condition, edit func(old GroupChange, exists bool) (GroupChange, error)) (info GroupInfo, created bool, err error) {
	give, err := b.takePositions(ctx) // nothing goes between the attachment and its window
	if err != nil {
		return info, false, err
	}
	defer give()
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	if created, err = b.putGroup(ctx, name, cond, edit); err != nil {
		return info, false, err
	}
	info, err = b.groups.Info(ctx, name)
	return info, created, err
}

// putGroup is PutGroup with the catalog's turn held.
func (b *Broker) putGroup(ctx context.Context, name string, cond Condition, edit func(GroupChange, bool) (GroupChange, error)) (created bool, err error) {
	if err := catalog.CheckGroupName(name); err != nil {
		return false, err
	}
	def := catalog.Group{Name: name, Kind: catalog.KindShare, Config: catalog.DefaultGroup(name)}
	old, err := b.catalog.Group(name)
	exists := err == nil
	if exists {
		def = *old
	}
	if err := cond.Check(def.Tag(), exists); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	change, err := edit(GroupChange{Kind: def.Kind, Topics: def.Names(), Config: def.Config}, exists)
	if err != nil {
		return false, err
	}
	if err := admit.Group(&def, change, exists); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	if err := b.lettersGoTo(change); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	def.Kind, def.Config = change.Kind, change.Config
	if err := b.groups.Apply(ctx, def, change.Topics); err != nil {
		return false, err
	}
	return !exists, b.durable(ctx)
}

// Group describes a group. Errors: ErrGroupNotFound.
func (b *Broker) Group(ctx context.Context, name string) (GroupInfo, error) {
	info, err := b.groups.Info(ctx, name)
	if err != nil {
		return info, err
	}
	return info, b.durable(ctx) // memory may run ahead of the disk, answers never
}

// Groups describes up to limit groups with names after the given one, by name.
func (b *Broker) Groups(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	var out []GroupInfo
	for _, def := range b.catalog.Groups(after, limit) {
		info, err := b.groups.Info(ctx, def.Name)
		if errors.Is(err, ErrGroupNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, b.durable(ctx)
}

// DeleteGroup deletes a group with its progress. force does so with leases running or dead letters open. Errors: ErrGroupNotFound, ErrGroupInUse, ErrPrecondition.
func (b *Broker) DeleteGroup(ctx context.Context, name string, force bool, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx) // what is begun is finished
	def, err := b.catalog.Group(name)
	if err != nil {
		return err
	}
	if err := cond.Check(def.Tag(), true); err != nil {
		return fmt.Errorf("group %s: %w", name, err)
	}
	if err := b.groups.Delete(ctx, def, force); err != nil {
		return err
	}
	if err := b.deleteInternal(ctx, editedName(name)); err != nil {
		return err
	}
	return b.durable(ctx)
}

// ofGroup turns errors of a share group into the broker's.
func (b *Broker) ofGroup(name string, err error) error {
	switch {
	case errors.Is(err, share.ErrTooManyLogs):
		return fmt.Errorf("%w: %w", ErrRequestTooLarge, err)
	case errors.Is(err, share.ErrTooManyWaiting), errors.Is(err, share.ErrDying):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, share.ErrClosed):
		if b.Ready() != nil {
			return fmt.Errorf("%w: %w", ErrShuttingDown, err)
		}
		return fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
	case errors.Is(err, share.ErrNotAttached):
		return fmt.Errorf("%w: %w", ErrTopicNotFound, err)
	}
	return err
}

// letters returns the partition that takes a group's dead letters, making the topic at the first death.
func (b *Broker) letters(ctx context.Context, def *catalog.Group) (*partition.Partition, error) {
	name := def.Config.DeadLetterTopic
	t, err := b.topics.Get(name)
	if err != nil {
		unlock, err := b.catalog.Lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		t, _, err = b.putTopic(context.WithoutCancel(ctx), name, Condition{}, def.Name, func(c TopicConfig, exists bool) (TopicConfig, error) {
			if !exists {
				c.Partitions = 1 // letters stand in the order of the deaths
			}
			return c, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return t.Partitions[0], nil
}
