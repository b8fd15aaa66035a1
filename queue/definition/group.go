package definition

import (
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/topic"
)

// PutGroup creates a group or changes it: edit gets what is, or the defaults, and returns what is to be. Errors:
// catalog.ErrInvalidName, catalog.ErrInvalidConfig, catalog.ErrKindMismatch, catalog.ErrTopicNotFound, catalog.ErrPrecondition, edit's.
func (e *Editor) PutGroup(ctx context.Context, name string, cond catalog.Condition, edit func(old admit.GroupChange, exists bool) (admit.GroupChange, error)) (info group.Info, created bool, err error) {
	give, err := e.TakePositions(ctx) // nothing goes between the attachment and its window
	if err != nil {
		return info, false, err
	}
	defer give()
	unlock, err := e.lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	if created, err = e.putGroup(ctx, name, cond, edit); err != nil {
		return info, false, err
	}
	info, err = e.groups.Info(ctx, name)
	return info, created, err
}

// putGroup is PutGroup with the catalog's turn held.
func (e *Editor) putGroup(ctx context.Context, name string, cond catalog.Condition, edit func(admit.GroupChange, bool) (admit.GroupChange, error)) (created bool, err error) {
	if err := catalog.CheckGroupName(name); err != nil {
		return false, err
	}
	def := catalog.Group{Name: name, Kind: catalog.KindShare, Config: catalog.DefaultGroup(name)}
	old, err := e.catalog.Group(name)
	exists := err == nil
	if exists {
		def = *old
	}
	if err := cond.Check(def.Tag(), exists); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	change, err := edit(admit.GroupChange{Kind: def.Kind, Topics: def.Names(), Config: def.Config}, exists)
	if err != nil {
		return false, err
	}
	if err := admit.Group(&def, change, exists); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	if err := e.lettersGoTo(change); err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	def.Kind, def.Config = change.Kind, change.Config
	if err := e.groups.Apply(ctx, def, change.Topics); err != nil {
		return false, err
	}
	return !exists, e.durable(ctx)
}

// DeleteGroup deletes a group with its progress. force does so with leases running or dead letters open. Errors: catalog.ErrGroupNotFound, catalog.ErrGroupInUse, catalog.ErrPrecondition.
func (e *Editor) DeleteGroup(ctx context.Context, name string, force bool, cond catalog.Condition) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx) // what is begun is finished
	def, err := e.catalog.Group(name)
	if err != nil {
		return err
	}
	if err := cond.Check(def.Tag(), true); err != nil {
		return fmt.Errorf("group %s: %w", name, err)
	}
	if err := e.groups.Delete(ctx, def, force); err != nil {
		return err
	}
	if err := e.DeleteInternal(ctx, editedName(name)); err != nil {
		return err
	}
	return e.durable(ctx)
}

// GroupFor makes the group, of a kind, or attaches topics to it, as far as a lease or a join may; created names what was made on the way. Errors: catalog.ErrGroupNotFound,
// catalog.ErrKindMismatch, topic.ErrInvalidRequest, those of PutTopic and PutGroup.
func (e *Editor) GroupFor(ctx context.Context, name string, kind catalog.Kind, topics []string) (created []string, err error) {
	give, err := e.TakePositions(ctx) // nothing goes between the attachment and its window
	if err != nil {
		return nil, err
	}
	defer give()
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	def, err := e.catalog.Group(name)
	exists := err == nil
	switch {
	case exists && def.Kind != kind:
		return nil, fmt.Errorf("group %s is of kind %s: %w", name, def.Kind, catalog.ErrKindMismatch)
	case !exists && (e.noAutoCreate || len(topics) == 0):
		return nil, err
	}
	if err := catalog.CheckGroupName(name); err != nil {
		return nil, err
	}
	if err := e.admitTopics(name, kind, topics, exists); err != nil {
		return nil, err
	}
	if !exists {
		if err := e.lettersGoTo(admit.GroupChange{Kind: kind, Config: catalog.DefaultGroup(name)}); err != nil { // before topics are made for it
			return nil, fmt.Errorf("group %s: %w", name, err)
		}
		for _, t := range topics {
			_, made, err := e.putTopic(context.WithoutCancel(ctx), t, catalog.Condition{}, "", func(old catalog.TopicConfig, _ bool) (catalog.TopicConfig, error) { return old, nil })
			if err != nil {
				return created, err
			}
			if made {
				created = append(created, "topics/"+t)
			}
		}
		created = append(created, "groups/"+name)
	}
	_, err = e.putGroup(ctx, name, catalog.Condition{}, func(old admit.GroupChange, _ bool) (admit.GroupChange, error) {
		old.Kind = kind
		for _, t := range topics {
			if !slices.Contains(old.Topics, t) {
				old.Topics = append(old.Topics, t)
			}
		}
		return old, nil
	})
	return created, err
}

// admitTopics refuses topics that a group, or one that is to be made, cannot read.
func (e *Editor) admitTopics(name string, kind catalog.Kind, topics []string, exists bool) error {
	for i, t := range topics {
		if slices.Contains(topics[:i], t) {
			return fmt.Errorf("%w: topic %s is named twice", topic.ErrInvalidRequest, t)
		}
		if t == catalog.DefaultGroup(name).DeadLetterTopic && !exists && kind == catalog.KindShare {
			return fmt.Errorf("%w: a group cannot read its own dead-letter topic %s", catalog.ErrInvalidConfig, t)
		}
		if _, err := e.topics.Get(t); err != nil {
			if exists {
				return err
			}
			if err := catalog.CheckName(t); err != nil {
				return err
			}
		}
	}
	return nil
}
