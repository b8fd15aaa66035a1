package queue

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// ShareGroup returns a share group, for the service of dead letters. Errors: ErrGroupNotFound.
func (b *Broker) ShareGroup(name string) (*share.Group, error) { return b.groups.Share(name) }

// Durable waits for everything that was enqueued so far: memory runs ahead of the disk, answers never do. Errors: ErrUnknown.
func (b *Broker) Durable(ctx context.Context) error { return b.durable(ctx) }

// OfGroup turns errors of a share group into the broker's.
func (b *Broker) OfGroup(name string, err error) error { return b.ofGroup(name, err) }

// Redrives returns the jobs that deliver dead letters again, as far as they are noted.
func (b *Broker) Redrives() *redrive.Jobs { return b.redrives }

// Republish returns records on their way into topics that there are, all for one unit; no limit holds them back but that of space, and no schema. Errors: ErrTopicNotFound,
// ErrPartitionNotFound, ErrStorageFull, ErrRequestTooLarge.
func (b *Broker) Republish(records []TopicMessages) (share.Publication, error) {
	if err := b.writable(); err != nil {
		return nil, err
	}
	items := make([]*topic.Item, len(records))
	for i, r := range records {
		t, err := b.topics.Get(r.Topic)
		if err != nil {
			return nil, err
		}
		items[i] = &topic.Item{Topic: t, Messages: r.Messages, Exempt: true}
	}
	return topic.NewPublication(b.committer, items...)
}

// LaneOf returns the priority that a topic's partition has; 0 if there is no such partition. Errors: ErrTopicNotFound.
func (b *Broker) LaneOf(name string, partition int) (int, error) {
	t, err := b.topics.Get(name)
	if err != nil || partition >= len(t.Partitions) {
		return 0, err
	}
	return t.Partitions[partition].Lane, nil
}

// editedName names the topic of a group's own that keeps records which were edited when they were redriven.
func editedName(group string) string { return "__r." + group }

// edited returns the partition of that topic; nil if there is none and it is not to be made.
func (b *Broker) edited(ctx context.Context, group string, make bool) (*partition.Partition, error) {
	t := b.topics.Internal(editedName(group))
	if t == nil && !make {
		return nil, nil
	}
	if t == nil {
		unlock, err := b.catalog.Lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if _, err := b.groups.Share(group); err != nil { // deleted meanwhile
			return nil, err
		}
		if t, err = b.internalTopic(ctx, editedName(group)); err != nil {
			return nil, err
		}
	}
	return t.Partitions[0], nil
}

// spent tells that only the last reserve of space is left.
func (b *Broker) spent() bool { return b.store.Health().Spent }

// lettersFit refuses to compact a topic of dead letters: of each key only the newest would stay.
func (b *Broker) lettersFit(name string, c TopicConfig, lettersOf string) error {
	if c.Cleanup != catalog.CleanupCompact {
		return nil
	}
	g := lettersOf
	if g == "" {
		g = b.groups.KeepsLetters(name)
	}
	if g == "" {
		return nil
	}
	return fmt.Errorf("%w: cleanup \"compact\" is not for a dead-letter topic, as group %s has it: only the newest letter of a key would stay", ErrInvalidConfig, g)
}

// lettersGoTo refuses a dead-letter topic that is compacted.
func (b *Broker) lettersGoTo(change GroupChange) error {
	c := change.Config
	t, err := b.topics.Get(c.DeadLetterTopic)
	if change.Kind != catalog.KindShare || !c.DeadLetters || err != nil || t.Def.Config.Cleanup != catalog.CleanupCompact {
		return nil
	}
	return fmt.Errorf("%w: dead_letter.topic is %s, which is compacted: only the newest letter of a key would stay", ErrInvalidConfig, c.DeadLetterTopic)
}
