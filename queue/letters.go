package queue

import (
	"context"

	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// ShareGroup returns a share group, for the service of dead letters. Errors: ErrGroupNotFound.
func (b *Broker) ShareGroup(name string) (*share.Group, error) { return b.groups.Share(name) }

// ShareGroups returns all share groups, in no order, for the service of dead letters.
func (b *Broker) ShareGroups() []*share.Group { return b.groups.Shares() }

// Durable waits for everything that was enqueued so far: memory runs ahead of the disk, answers never do. Errors: ErrUnknown.
func (b *Broker) Durable(ctx context.Context) error { return b.committer.Durable(ctx) }

// Turn returns when a piece of background work, which who names, may begin; see Config.Turns.
func (b *Broker) Turn(who string) { b.committer.Turn(who) }

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
	return topic.NewPublication(b.openings, items...)
}

// LaneOf returns the priority that a topic's partition has; 0 if there is no such partition. Errors: ErrTopicNotFound.
func (b *Broker) LaneOf(name string, partition int) (int, error) {
	t, err := b.topics.Get(name)
	if err != nil || partition >= len(t.Partitions) {
		return 0, err
	}
	return t.Partitions[partition].Lane, nil
}

// spent tells that only the last reserve of space is left.
func (b *Broker) spent() bool { return b.store.Health().Spent }
