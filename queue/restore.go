package queue

import (
	"context"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// restore opens all partitions, replays what groups did with them, and starts the committer.
func (b *Broker) restore(ctx context.Context) error {
	groups := b.catalog.Groups("", catalog.Everything)
	was := b.groups.Restore(groups, b.system, b.indexes)
	stray, err := b.system.Open(ctx, b.store)
	if err != nil {
		return err
	}
	for _, def := range append(b.catalog.Internals(), b.catalog.Topics("", catalog.Everything)...) {
		t, err := topic.Open(ctx, b.openings, def, nil, true)
		if err != nil {
			return err
		}
		b.topics.Put(t)
		lost, err := was.Replay(ctx, t)
		if err != nil {
			return err
		}
		stray = append(stray, lost...)
	}
	b.work.Go(b.commit)
	for _, u := range stray {
		b.committer.Enqueue(u)
	}
	for _, def := range groups {
		was.Revive(def)
	}
	for _, t := range b.topics.All() {
		t.Delayed.Arm()
	}
	for _, def := range b.catalog.Schedules("", catalog.Everything) {
		if err := b.cron.Start(def); err != nil {
			return err
		}
	}
	b.indexes.Start()
	b.startRetention()
	return b.definitions.DropDeleted(ctx)
}
