package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/dedupe"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// topic is an open topic; it is replaced as a whole when its definition changes.
type topic struct {
	def        *catalog.Topic
	partitions []*partition.Partition   // by index
	lanes      [][]*partition.Partition // by priority
	turn       *atomic.Uint64           // spreads records without key
	published  *topicCounters
	ids        *dedupe.Table
	backlog    *partition.Backlog
	delayed    *delayed
}

// topicCounters count since the process started.
type topicCounters struct{ records, bytes atomic.Uint64 }

// openTopic opens the partitions that old, which may be nil, does not have. replay says that the caller replays and recovers them.
func (b *Broker) openTopic(ctx context.Context, def *catalog.Topic, old *topic, replay bool) (*topic, error) {
	t := &topic{def: def, lanes: make([][]*partition.Partition, def.Config.Priorities), turn: new(atomic.Uint64), published: new(topicCounters), ids: new(dedupe.Table), backlog: partition.NewBacklog()}
	if old != nil {
		t.partitions, t.turn, t.published, t.ids, t.backlog = slices.Clone(old.partitions), old.turn, old.published, old.ids, old.backlog
		t.delayed = old.delayed
	}
	if t.delayed == nil {
		p, err := partition.Open(ctx, b.store, b.cache, def.Delayed, def.Name, delayedIndex, 0)
		if err != nil {
			return nil, err
		}
		t.delayed = b.newDelayed(p, def.ID)
		if !replay {
			if err := p.Recover(ctx, nil); err != nil {
				return nil, err
			}
		}
	}
	for i := len(t.partitions); i < len(def.Partitions); i++ {
		p, err := partition.Open(ctx, b.store, b.cache, def.Partitions[i].Log, def.Name, i, def.Partitions[i].Lane)
		if err != nil {
			return nil, err
		}
		p.Backlog = t.backlog
		if !replay {
			if err := p.Recover(ctx, nil); err != nil {
				return nil, err
			}
		}
		t.partitions = append(t.partitions, p)
	}
	for _, p := range t.partitions {
		t.lanes[p.Lane] = append(t.lanes[p.Lane], p)
	}
	return t, nil
}

// topic returns an open topic, or ErrTopicNotFound.
func (b *Broker) topic(name string) (*topic, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if t := b.topics[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("topic %s: %w", name, ErrTopicNotFound)
}

// PutTopic creates a topic or changes it: edit gets the configuration that is, or the defaults, and returns the one to
// be. Errors: ErrInvalidName, ErrInvalidConfig, ErrCannotShrink, ErrPrecondition, edit's.
func (b *Broker) PutTopic(ctx context.Context, name string, cond Condition, edit func(old TopicConfig, exists bool) (TopicConfig, error)) (info TopicInfo, created bool, err error) {
	if err := b.userName(name); err != nil {
		return info, false, err
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	t, created, err := b.putTopic(ctx, name, cond, "", edit)
	if err != nil {
		return info, false, err
	}
	return b.topicInfo(t, b.readers(t.def.ID)), created, nil
}

// putTopic is PutTopic with the catalog's turn held.
func (b *Broker) putTopic(ctx context.Context, name string, cond Condition, lettersOf string, edit func(TopicConfig, bool) (TopicConfig, error)) (t *topic, created bool, err error) {
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic(), LettersOf: lettersOf}
	old, err := b.topic(name)
	if err == nil {
		def = *old.def
	}
	if err := cond.check(tagOf(def.ID, def.Revision), def.ID != 0); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if def.Config, err = edit(def.Config, def.ID != 0); err != nil {
		return nil, false, err
	}
	if err := def.Config.Validate(b.cfg.Limits.MaxValue); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if err := unsupported(def.Config); err != nil {
		return nil, false, fmt.Errorf("topic %s: %w", name, err)
	}
	if old != nil && !cond.Force && growsKeys(old.def.Config, def.Config) {
		if g := b.keyOrdered(def.ID); g != "" {
			return nil, false, fmt.Errorf("topic %s: group %s reads it in key order, and growing it moves keys; use force to do so: %w", name, g, ErrTopicInUse)
		}
	}
	stored, err := b.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, false, err
	}
	if t, err = b.openTopic(ctx, stored, old, false); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	b.topics[name] = t
	b.mu.Unlock()
	if old != nil {
		b.attachGrown(t, len(old.partitions))
		if err := b.durable(ctx); err != nil {
			return nil, false, err
		}
	}
	return t, old == nil, nil
}

// unsupported refuses what this version cannot do.
func unsupported(c TopicConfig) error {
	if c.Cleanup == catalog.CleanupCompact {
		return fmt.Errorf("%w: cleanup \"compact\" is not supported by this version", ErrInvalidConfig)
	}
	return nil
}

func growsKeys(old, c TopicConfig) bool { return c.Partitions > old.Partitions }

// keyOrdered returns a group that reads a topic in key order, or "".
func (b *Broker) keyOrdered(topicID uint64) string {
	for _, g := range b.readers(topicID) {
		if def := g.Definition(); def.Config.Ordering == catalog.OrderingKey {
			return def.Name
		}
	}
	return ""
}

// readers returns the groups that read a topic, by name.
func (b *Broker) readers(topicID uint64) []*share.Group {
	var out []*share.Group
	for _, def := range b.catalog.Groups("", everything) {
		for _, a := range def.Topics {
			if a.ID == topicID {
				b.mu.RLock()
				if g := b.groups[def.Name]; g != nil {
					out = append(out, g)
				}
				b.mu.RUnlock()
			}
		}
	}
	return out
}

// allReaders returns the groups that read each topic, by name.
func (b *Broker) allReaders() map[uint64][]*share.Group {
	out := map[uint64][]*share.Group{}
	for _, def := range b.catalog.Groups("", everything) {
		b.mu.RLock()
		g := b.groups[def.Name]
		b.mu.RUnlock()
		for _, a := range def.Topics {
			if g != nil {
				out[a.ID] = append(out[a.ID], g)
			}
		}
	}
	return out
}

// attachGrown gives the groups that read a topic windows on its partitions from index n on, from their beginning.
func (b *Broker) attachGrown(t *topic, n int) {
	if n == len(t.partitions) {
		return
	}
	for _, g := range b.readers(t.def.ID) {
		def := g.Definition()
		var parts []share.Part
		for _, a := range def.Topics {
			if a.ID == t.def.ID {
				for _, p := range t.partitions[n:] {
					parts = append(parts, share.Part{Partition: p, Epoch: a.Epoch})
				}
			}
		}
		g.Attach(def, parts)
	}
}

// Topic describes a topic. Errors: ErrTopicNotFound.
func (b *Broker) Topic(ctx context.Context, name string) (TopicInfo, error) {
	t, err := b.topic(name)
	if err != nil {
		return TopicInfo{}, err
	}
	return b.topicInfo(t, b.readers(t.def.ID)), b.durable(ctx)
}

// Topics describes up to limit topics with names after the given one, by name.
func (b *Broker) Topics(ctx context.Context, after string, limit int) ([]TopicInfo, error) {
	var out []TopicInfo
	readers := b.allReaders()
	for _, def := range b.catalog.Topics(after, limit) {
		if t, err := b.topic(def.Name); err == nil {
			out = append(out, b.topicInfo(t, readers[t.def.ID]))
		}
	}
	return out, b.durable(ctx)
}

func (b *Broker) topicInfo(t *topic, readers []*share.Group) TopicInfo {
	info := TopicInfo{
		Name: t.def.Name, Config: t.def.Config, CreatedAt: t.def.CreatedAt, Tag: tagOf(t.def.ID, t.def.Revision),
		Published: TopicCounters{t.published.records.Load(), t.published.bytes.Load()},
		Groups:    []TopicGroup{}, Partitions: make([]PartitionInfo, 0, len(t.partitions)),
	}
	for _, p := range t.partitions {
		start, end := p.Bounds()
		info.Partitions = append(info.Partitions, PartitionInfo{Partition: p.Index, Lane: p.Lane, Start: start, End: end, Bytes: p.Bytes()})
	}
	for _, g := range readers {
		info.Groups = append(info.Groups, topicGroup(g, t))
	}
	return info
}

// topicGroup describes what a group has still to do on a topic.
func topicGroup(g *share.Group, t *topic) TopicGroup {
	def := g.Definition()
	out := TopicGroup{Group: def.Name, Kind: def.Kind}
	for _, p := range g.Progress() {
		if p.Partition.Topic != t.def.Name {
			continue
		}
		out.Lag += p.Lag
		if p.Lag == 0 {
			continue
		}
		out.HoldsBytes += p.Partition.BytesFrom(p.Start)
		at, err := p.OldestUnsettled(context.Background())
		if err == nil && !at.IsZero() && (out.OldestUnsettled.IsZero() || at.Before(out.OldestUnsettled)) {
			out.OldestUnsettled = at
		}
	}
	return out
}

// DeleteTopic deletes a topic; its space comes back later. force detaches the groups that read it and gives open dead
// letters up. Errors: ErrTopicNotFound, ErrTopicInUse, ErrPrecondition.
func (b *Broker) DeleteTopic(ctx context.Context, name string, force bool, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := b.topic(name)
	if err != nil {
		return err
	}
	if err := cond.check(tagOf(t.def.ID, t.def.Revision), true); err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	readers := b.readers(t.def.ID)
	if len(readers) > 0 && !force {
		return fmt.Errorf("topic %s: group %s reads it; detach it or use force: %w", name, readers[0].Definition().Name, ErrTopicInUse)
	}
	if g := b.openLetters(t); g != "" && !force {
		return fmt.Errorf("topic %s: it holds open dead letters of group %s; purge them or use force: %w", name, g, ErrTopicInUse)
	}
	for _, g := range readers {
		if err := b.detach(ctx, g, t); err != nil {
			return err
		}
	}
	if err := b.endSchedulesOf(ctx, t.def.ID); err != nil {
		return err
	}
	if err := b.catalog.DeleteTopic(ctx, t.def); err != nil {
		return err
	}
	b.closeTopic(t)
	return nil
}

// logs returns the ids of a topic's logs.
func logs(t *topic) []store.LogID {
	ids := make([]store.LogID, len(t.partitions))
	for i, p := range t.partitions {
		ids[i] = p.ID
	}
	return ids
}

// openLetters returns a group whose open dead letters a topic holds, or "".
func (b *Broker) openLetters(t *topic) string {
	for _, def := range b.catalog.Groups("", everything) {
		g, err := b.group(def.Name)
		if err == nil && g.OpenLetters(t.def.Name) > 0 {
			return def.Name
		}
	}
	return ""
}

// drop gives the space of a deleted topic back and then forgets it.
func (b *Broker) drop(t *topic) {
	ctx := context.Background()
	for _, p := range append(slices.Clone(t.partitions), t.delayed.part) {
		if err := b.committer.Wait(ctx, p.Drop(b.committer)); err != nil {
			return // the next start goes on
		}
	}
	if err := b.catalog.ForgetTopic(ctx, t.def); err != nil && !errors.Is(err, store.ErrClosed) {
		b.log.Warn("a deleted topic could not be forgotten; the next start tries again", "topic", t.def.Name, "error", err)
	}
}

// userName refuses names that a user cannot give.
func (b *Broker) userName(name string) error {
	switch {
	case !catalog.ValidName(name):
		return fmt.Errorf("%w %q: letters, digits, \"_\", \".\" and \"-\", at most %d, not beginning with \".\" or \"-\"", ErrInvalidName, name, catalog.MaxName)
	case catalog.Reserved(name):
		return fmt.Errorf("%w %q: names that begin with \"__\" are the server's own", ErrInvalidName, name)
	}
	return nil
}

// tagOf returns the tag of a definition: it differs between incarnations and revisions.
func tagOf(id, revision uint64) string { return fmt.Sprintf("%x-%x", id, revision) }

// check returns ErrPrecondition if the condition does not hold of the definition with this tag.
func (c Condition) check(tag string, exists bool) error {
	ok := !(c.Absent && exists) && !(c.Exists && !exists) && (len(c.Tags) == 0 || exists && slices.Contains(c.Tags, tag))
	if ok {
		return nil
	}
	return ErrPrecondition
}
