package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// everything is a page size without an end.
const everything = 1 << 30

// restore opens all partitions, replays what groups did with them, and starts the committer.
func (b *Broker) restore(ctx context.Context) error {
	groups := b.catalog.Groups("", everything)
	was := restoring{share.NewRestoring(groups), ordered.NewRestoring(groups, b.system)}
	stray, err := b.system.Open(ctx, b.store)
	if err != nil {
		return err
	}
	for _, def := range append(b.catalog.Internals(), b.catalog.Topics("", everything)...) {
		t, err := topic.Open(ctx, b.openings, def, nil, true)
		if err != nil {
			return err
		}
		b.topics.Put(t)
		lost, err := b.replayTopic(ctx, t, was)
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
		b.revive(def, was)
	}
	for _, t := range b.topics.All() {
		t.Delayed.Arm()
	}
	for _, def := range b.catalog.Schedules("", everything) {
		if err := b.cron.Start(def); err != nil {
			return err
		}
	}
	b.indexes.Start()
	b.startRetention()
	return b.dropDeleted(ctx)
}

// restoring is what replays find of groups, by kind.
type restoring struct {
	shared  *share.Restoring
	ordered *ordered.Restoring
}

// revive brings a restored group to life. The groups made before are at work already.
func (b *Broker) revive(def *catalog.Group, was restoring) {
	if def.Kind == catalog.KindOrdered {
		g := was.ordered.Group(b.streams, def)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ordered[def.Name] = g
		return
	}
	g := was.shared.Group(b.env, def)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups[def.Name] = g
}

// replayTopic restores what groups have on a topic's partitions; stray are journals that nobody owns any more.
func (b *Broker) replayTopic(ctx context.Context, t *topic.Topic, was restoring) (stray []commit.Unit, err error) {
	if err := t.Delayed.Replay(ctx); err != nil {
		return nil, err
	}
	for _, p := range t.Partitions {
		lost, err := b.replayPartition(ctx, t, p, was)
		if err != nil {
			return nil, fmt.Errorf("replay %s/%d: %w", p.Topic, p.Index, err)
		}
		stray = append(stray, lost...)
	}
	return stray, nil
}

func (b *Broker) replayPartition(ctx context.Context, t *topic.Topic, p *partition.Partition, was restoring) (stray []commit.Unit, err error) {
	shared, streams := was.shared.On(t, p), was.ordered.On(t, p)
	var ix *keys.Index
	if t.Def.Config.Cleanup == catalog.CleanupCompact {
		ix = b.indexes.Make(p)
	}
	journals, lost, err := t.Replay(ctx, p, func(name store.Journal) journal.Machine {
		if name == keys.Journal && ix != nil {
			return ix
		}
		if m := streams.Machine(name); m != nil {
			return m
		}
		return shared.Machine(name)
	})
	if err != nil {
		return nil, err
	}
	if ix != nil {
		ix.Recover(journals[keys.Journal])
	}
	for _, name := range lost {
		b.log.Debug("a journal of a group that is gone", "topic", p.Topic, "partition", p.Index, "journal", name)
		stray = append(stray, share.Stray(p, name))
	}
	return stray, errors.Join(shared.Done(ctx, journals), streams.Done(ctx, journals))
}

// dropDeleted goes on with deletions that the last run did not finish.
func (b *Broker) dropDeleted(ctx context.Context) error {
	deleted, err := b.catalog.DeletedTopics(ctx)
	if err != nil {
		return err
	}
	for _, def := range deleted {
		t, err := topic.Open(ctx, b.openings, def, nil, true) // nobody asks for the size of what is dropped
		if err != nil {
			return err
		}
		b.work.Go(func() { b.drop(t) })
	}
	return nil
}
