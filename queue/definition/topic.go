package definition

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// PutTopic creates a topic or changes it: edit gets the configuration that is, or the defaults, and returns the one to
// be. Errors: catalog.ErrInvalidName, catalog.ErrInvalidConfig, catalog.ErrCannotShrink, catalog.ErrPrecondition, edit's.
func (e *Editor) PutTopic(ctx context.Context, name string, cond catalog.Condition, edit func(old catalog.TopicConfig, exists bool) (catalog.TopicConfig, error)) (info group.Topic, created bool, err error) {
	if err := catalog.CheckName(name); err != nil {
		return info, false, err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	t, created, err := e.putTopic(context.WithoutCancel(ctx), name, cond, "", edit)
	if err != nil {
		return info, false, err
	}
	return e.groups.Topic(t), created, nil
}

// putTopic is PutTopic with the catalog's turn held. A definition that was stored but whose partitions could not be opened is taken up again. ctx should not
// end on the way: what is stored must be opened.
func (e *Editor) putTopic(ctx context.Context, name string, cond catalog.Condition, lettersOf string, edit func(catalog.TopicConfig, bool) (catalog.TopicConfig, error)) (t *topic.Topic, created bool, err error) {
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic(), LettersOf: lettersOf}
	was, err := e.catalog.Topic(name)
	if err == nil {
		def = *was
	}
	if err := cond.Check(def.Tag(), def.ID != 0); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	maxValue := e.limits.MaxValue
	if was != nil { // made when the server took more
		maxValue = max(maxValue, was.Config.MaxRecordBytes)
	}
	if def.Config, err = edit(def.Config, def.ID != 0); err != nil {
		return nil, false, err
	}
	if err := def.Config.Validate(maxValue); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := e.lettersFit(name, def.Config, def.LettersOf); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := e.checkSchema(ctx, &def, was); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if was != nil && !cond.Force && growsKeys(was.Config, def.Config) {
		if g := e.keyOrdered(def.ID); g != "" {
			return nil, false, fmt.Errorf("topic %s: group %s reads it in key order, and growing it moves keys: %w", name, g, catalog.ErrTopicInUse)
		}
	}
	stored, err := e.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, false, err
	}
	old, _ := e.topics.Get(name)
	if t, err = topic.Open(ctx, e.openings, stored, old, false); err != nil {
		return nil, false, err
	}
	e.topics.Put(t)
	t.Backlog.Progressed() // its limit may be another
	e.indexes.Keep(t.Partitions, t.Def.Config.Cleanup == catalog.CleanupCompact)
	e.tails.Changed(name)
	if old != nil {
		e.groups.Grown(t, len(old.Partitions))
		if err := e.durable(ctx); err != nil {
			return nil, false, err
		}
	}
	return t, was == nil, nil
}

func growsKeys(old, c catalog.TopicConfig) bool {
	return c.Partitions > old.Partitions || c.Priorities > old.Priorities
}

// keyOrdered returns a group that reads a topic in key order, or "".
func (e *Editor) keyOrdered(topicID uint64) string {
	for _, g := range e.groups.Readers(topicID) {
		if def := g.Definition(); def.Config.Ordering == catalog.OrderingKey {
			return def.Name
		}
	}
	return ""
}

// DeleteTopic deletes a topic; its space comes back later. force detaches the groups that read it and gives open dead
// letters up. Errors: catalog.ErrTopicNotFound, catalog.ErrTopicInUse, catalog.ErrPrecondition.
func (e *Editor) DeleteTopic(ctx context.Context, name string, force bool, cond catalog.Condition) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx) // what is begun is finished
	t, err := e.topics.Get(name)
	if err != nil {
		return err
	}
	if err := cond.Check(t.Def.Tag(), true); err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	readers := e.groups.Readers(t.Def.ID)
	if len(readers) > 0 && !force {
		return fmt.Errorf("topic %s: group %s reads it: %w", name, readers[0].Definition().Name, catalog.ErrTopicInUse)
	}
	streams := e.groups.OrderedReaders(t.Def.ID)
	if len(streams) > 0 && !force {
		return fmt.Errorf("topic %s: group %s reads it: %w", name, streams[0].Definition().Name, catalog.ErrTopicInUse)
	}
	unbar, err := e.groups.BarLetters(t, force)
	if err != nil {
		return err
	}
	if err := e.deleteTopic(ctx, t); err != nil {
		unbar()
		return err
	}
	e.closeTopic(t)
	return nil
}

// deleteTopic takes a topic off its readers and its schedules, and its definition out.
func (e *Editor) deleteTopic(ctx context.Context, t *topic.Topic) error {
	if err := e.groups.Detach(ctx, t); err != nil {
		return err
	}
	if err := e.endSchedulesOf(ctx, t.Def.ID); err != nil {
		return err
	}
	return e.catalog.DeleteTopic(ctx, t.Def)
}

// drop gives the space of a deleted topic back and then forgets it.
func (e *Editor) drop(t *topic.Topic) {
	e.openings.Committer.Turn("drop of " + t.Def.Name)
	ctx := context.Background()
	if err := t.Drop(ctx, e.openings.Committer); err != nil {
		return // the next start goes on
	}
	if err := e.catalog.ForgetTopic(ctx, t.Def); err != nil && !errors.Is(err, store.ErrClosed) {
		e.log.Warn("a deleted topic could not be forgotten; the next start tries again", "topic", t.Def.Name, "error", err)
	}
}

// closeTopic ends an open topic whose definition is gone, and gives its space back later.
func (e *Editor) closeTopic(t *topic.Topic) {
	e.topics.Remove(t) // before the close, which wakes readers: they must not find it any more
	t.Backlog.Progressed()
	t.Close()
	e.groups.LoseLetters(t)
	e.indexes.End(t.Partitions)
	e.tails.Changed(t.Def.Name)
	e.work.Go(func() { e.drop(t) })
}

// DropDeleted goes on with deletions that the last run did not finish.
func (e *Editor) DropDeleted(ctx context.Context) error {
	deleted, err := e.catalog.DeletedTopics(ctx)
	if err != nil {
		return err
	}
	for _, def := range deleted {
		t, err := topic.Open(ctx, e.openings, def, nil, true) // nobody asks for the size of what is dropped
		if err != nil {
			return err
		}
		e.work.Go(func() { e.drop(t) })
	}
	return nil
}
