package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// PutTopic creates a topic or changes it: edit gets the configuration that is, or the defaults, and returns the one to
// be. Errors: ErrInvalidName, ErrInvalidConfig, ErrCannotShrink, ErrPrecondition, edit's.
func (b *Broker) PutTopic(ctx context.Context, name string, cond Condition, edit func(old TopicConfig, exists bool) (TopicConfig, error)) (info TopicInfo, created bool, err error) {
	if err := catalog.CheckName(name); err != nil {
		return info, false, err
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	t, created, err := b.putTopic(context.WithoutCancel(ctx), name, cond, "", edit)
	if err != nil {
		return info, false, err
	}
	return b.topicInfo(t, b.groups.Readers(t.Def.ID)), created, nil
}

// putTopic is PutTopic with the catalog's turn held. A definition that was stored but whose partitions could not be opened is taken up again. ctx should not
// end on the way: what is stored must be opened.
func (b *Broker) putTopic(ctx context.Context, name string, cond Condition, lettersOf string, edit func(TopicConfig, bool) (TopicConfig, error)) (t *topic.Topic, created bool, err error) {
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic(), LettersOf: lettersOf}
	was, err := b.catalog.Topic(name)
	if err == nil {
		def = *was
	}
	if err := cond.Check(def.Tag(), def.ID != 0); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if def.Config, err = edit(def.Config, def.ID != 0); err != nil {
		return nil, false, err
	}
	if err := def.Config.Validate(b.cfg.Limits.MaxValue); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := b.lettersFit(name, def.Config, def.LettersOf); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := b.checkSchema(ctx, &def, was); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if was != nil && !cond.Force && growsKeys(was.Config, def.Config) {
		if g := b.keyOrdered(def.ID); g != "" {
			return nil, false, fmt.Errorf("topic %s: group %s reads it in key order, and growing it moves keys; use force to do so: %w", name, g, ErrTopicInUse)
		}
	}
	stored, err := b.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, false, err
	}
	old, _ := b.topics.Get(name)
	if t, err = topic.Open(ctx, b.openings, stored, old, false); err != nil {
		return nil, false, err
	}
	b.topics.Put(t)
	b.indexes.Keep(t.Partitions, t.Def.Config.Cleanup == catalog.CleanupCompact)
	b.tails.Changed(name)
	if old != nil {
		b.groups.Grown(t, len(old.Partitions))
		if err := b.durable(ctx); err != nil {
			return nil, false, err
		}
	}
	return t, was == nil, nil
}

func growsKeys(old, c TopicConfig) bool {
	return c.Partitions > old.Partitions || c.Priorities > old.Priorities
}

// keyOrdered returns a group that reads a topic in key order, or "".
func (b *Broker) keyOrdered(topicID uint64) string {
	for _, g := range b.groups.Readers(topicID) {
		if def := g.Definition(); def.Config.Ordering == catalog.OrderingKey {
			return def.Name
		}
	}
	return ""
}

// Topic describes a topic. Errors: ErrTopicNotFound.
func (b *Broker) Topic(ctx context.Context, name string) (TopicInfo, error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return TopicInfo{}, err
	}
	return b.topicInfo(t, b.groups.Readers(t.Def.ID)), b.durable(ctx)
}

// Topics describes up to limit topics with names after the given one, by name.
func (b *Broker) Topics(ctx context.Context, after string, limit int) ([]TopicInfo, error) {
	var out []TopicInfo
	readers := b.groups.AllReaders()
	for _, def := range b.catalog.Topics(after, limit) {
		if t, err := b.topics.Get(def.Name); err == nil {
			out = append(out, b.topicInfo(t, readers[t.Def.ID]))
		}
	}
	return out, b.durable(ctx)
}

func (b *Broker) topicInfo(t *topic.Topic, readers []*share.Group) TopicInfo {
	info := TopicInfo{
		Name: t.Def.Name, Config: t.Def.Config, CreatedAt: t.Def.CreatedAt, Tag: t.Def.Tag(), Schema: t.Def.SchemaVersion,
		Published: TopicCounters{t.Published.Records.Load(), t.Published.Bytes.Load()},
		Groups:    []TopicGroup{}, Partitions: make([]PartitionInfo, 0, len(t.Partitions)),
	}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		info.Partitions = append(info.Partitions, PartitionInfo{Partition: p.Index, Lane: p.Lane, Start: start, End: end, Bytes: p.Bytes()})
	}
	for _, g := range readers {
		info.Groups = append(info.Groups, g.OnTopic(t.Def.Name, t.Def.Config.Retention.KeepUnsettled))
	}
	if streams := b.groups.OrderedOnTopic(context.Background(), t); len(streams) > 0 {
		info.Groups = append(info.Groups, streams...)
		slices.SortFunc(info.Groups, func(x, y TopicGroup) int { return cmp.Compare(x.Group, y.Group) })
	}
	return info
}

// DeleteTopic deletes a topic; its space comes back later. force detaches the groups that read it and gives open dead
// letters up. Errors: ErrTopicNotFound, ErrTopicInUse, ErrPrecondition.
func (b *Broker) DeleteTopic(ctx context.Context, name string, force bool, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx) // what is begun is finished
	t, err := b.topics.Get(name)
	if err != nil {
		return err
	}
	if err := cond.Check(t.Def.Tag(), true); err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	readers := b.groups.Readers(t.Def.ID)
	if len(readers) > 0 && !force {
		return fmt.Errorf("topic %s: group %s reads it; detach it or use force: %w", name, readers[0].Definition().Name, ErrTopicInUse)
	}
	streams := b.groups.OrderedReaders(t.Def.ID)
	if len(streams) > 0 && !force {
		return fmt.Errorf("topic %s: group %s reads it; detach it or use force: %w", name, streams[0].Definition().Name, ErrTopicInUse)
	}
	unbar, err := b.groups.BarLetters(t, force)
	if err != nil {
		return err
	}
	if err := b.deleteTopic(ctx, t); err != nil {
		unbar()
		return err
	}
	b.closeTopic(t)
	return nil
}

// deleteTopic takes a topic off its readers and its schedules, and its definition out.
func (b *Broker) deleteTopic(ctx context.Context, t *topic.Topic) error {
	if err := b.groups.Detach(ctx, t); err != nil {
		return err
	}
	if err := b.endSchedulesOf(ctx, t.Def.ID); err != nil {
		return err
	}
	return b.catalog.DeleteTopic(ctx, t.Def)
}

// drop gives the space of a deleted topic back and then forgets it.
func (b *Broker) drop(t *topic.Topic) {
	ctx := context.Background()
	if err := t.Drop(ctx, b.committer); err != nil {
		return // the next start goes on
	}
	if err := b.catalog.ForgetTopic(ctx, t.Def); err != nil && !errors.Is(err, store.ErrClosed) {
		b.log.Warn("a deleted topic could not be forgotten; the next start tries again", "topic", t.Def.Name, "error", err)
	}
}
