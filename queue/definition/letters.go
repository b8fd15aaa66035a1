package definition

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
)

// Letters returns the partition that takes a group's dead letters, making the topic at the first death. Errors: those of PutTopic.
func (e *Editor) Letters(ctx context.Context, def *catalog.Group) (*partition.Partition, error) {
	name := def.Config.DeadLetterTopic
	t, err := e.topics.Get(name)
	if err != nil {
		unlock, err := e.lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		t, _, err = e.putTopic(context.WithoutCancel(ctx), name, catalog.Condition{}, def.Name, func(c catalog.TopicConfig, exists bool) (catalog.TopicConfig, error) {
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

// lettersFit refuses to compact a topic of dead letters: of each key only the newest would stay.
func (e *Editor) lettersFit(name string, c catalog.TopicConfig, lettersOf string) error {
	if c.Cleanup != catalog.CleanupCompact {
		return nil
	}
	g := lettersOf
	if g == "" {
		g = e.groups.KeepsLetters(name)
	}
	if g == "" {
		return nil
	}
	return fmt.Errorf("%w: cleanup \"compact\" is not for a dead-letter topic, as group %s has it: only the newest letter of a key would stay", catalog.ErrInvalidConfig, g)
}

// lettersGoTo refuses a dead-letter topic that is compacted.
func (e *Editor) lettersGoTo(change admit.GroupChange) error {
	c := change.Config
	t, err := e.topics.Get(c.DeadLetterTopic)
	if change.Kind != catalog.KindShare || !c.DeadLetters || err != nil || t.Def.Config.Cleanup != catalog.CleanupCompact {
		return nil
	}
	return fmt.Errorf("%w: dead_letter.topic is %s, which is compacted: only the newest letter of a key would stay", catalog.ErrInvalidConfig, c.DeadLetterTopic)
}

// editedName names the topic of a group's own that keeps records which were edited when they were redriven.
func editedName(group string) string { return "__r." + group }

// Edited returns the partition of the topic that keeps them; nil if there is none and it is not to be made. Errors: catalog.ErrGroupNotFound, the store's.
func (e *Editor) Edited(ctx context.Context, group string, make bool) (*partition.Partition, error) {
	t := e.topics.Internal(editedName(group))
	if t == nil && !make {
		return nil, nil
	}
	if t == nil {
		unlock, err := e.lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if _, err := e.groups.Share(group); err != nil { // deleted meanwhile
			return nil, err
		}
		if t, err = e.Internal(ctx, editedName(group)); err != nil {
			return nil, err
		}
	}
	return t.Partitions[0], nil
}
