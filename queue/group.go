package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// group returns a share group. Errors: ErrGroupNotFound, ErrKindMismatch.
func (b *Broker) group(name string) (*share.Group, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if g := b.groups[name]; g != nil {
		return g, nil
	}
	if b.ordered[name] != nil {
		return nil, fmt.Errorf("group %s is of kind ordered, and this is a call for share groups: %w", name, ErrKindMismatch)
	}
	return nil, fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
}

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
	info, err = b.groupInfo(ctx, name)
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
	gone, added, err := b.attach(&def, change.Topics)
	if err != nil {
		return false, fmt.Errorf("group %s: %w", name, err)
	}
	apply := b.applyShare
	if def.Kind == catalog.KindOrdered {
		apply = b.applyOrdered
	}
	err = apply(ctx, name, gone, added, func() (*catalog.Group, error) { return b.catalog.PutGroup(ctx, def) })
	if err != nil {
		return false, err
	}
	return !exists, b.durable(ctx)
}

// applyShare stores a share group's definition with put and brings it to life, or to what the definition says now.
func (b *Broker) applyShare(ctx context.Context, name string, gone, added []catalog.Attachment, put func() (*catalog.Group, error)) error {
	defer b.changes.Add(1)
	var parts []share.Part
	for _, a := range added {
		t, err := b.topics.Get(a.Topic)
		if err != nil {
			return err
		}
		more, err := share.NewParts(ctx, t, a)
		if err != nil {
			return err
		}
		parts = append(parts, more...)
	}
	stored, err := put()
	if err != nil {
		return err
	}
	g, err := b.group(name)
	if err != nil {
		g = share.NewGroup(b.env, stored, parts, nil, nil)
		b.mu.Lock()
		b.groups[name] = g
		b.mu.Unlock()
		return nil
	}
	g.Detach(stored, b.logsOf(gone), false)
	g.Configure(stored)
	g.Attach(stored, parts)
	return nil
}

// attach changes a definition to a list of topics, and returns which attachments go and which are new.
func (b *Broker) attach(def *catalog.Group, names []string) (gone, added []catalog.Attachment, err error) {
	topics := make([]*topic.Topic, len(names))
	for i, name := range names {
		if topics[i], err = b.topics.Get(name); err != nil {
			return nil, nil, err
		}
	}
	gone, added = topic.Attachments(def, topics)
	return gone, added, nil
}

// logsOf returns the logs of attachments' topics.
func (b *Broker) logsOf(as []catalog.Attachment) []store.LogID {
	var out []store.LogID
	for _, a := range as {
		if t, err := b.topics.Get(a.Topic); err == nil && t.Def.ID == a.ID {
			out = append(out, t.Logs()...)
		}
	}
	return out
}

// detach takes a topic that is being deleted off a group; the catalog's turn is held.
func (b *Broker) detach(ctx context.Context, g *share.Group, t *topic.Topic) error {
	def := *g.Definition()
	def.Topics = slices.DeleteFunc(slices.Clone(def.Topics), func(a catalog.Attachment) bool { return a.ID == t.Def.ID })
	stored, err := b.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	g.Detach(stored, t.Logs(), true)
	b.changes.Add(1)
	return nil
}

// Group describes a group. Errors: ErrGroupNotFound.
func (b *Broker) Group(ctx context.Context, name string) (GroupInfo, error) {
	info, err := b.groupInfo(ctx, name)
	if err != nil {
		return info, err
	}
	return info, b.durable(ctx) // memory may run ahead of the disk, answers never
}

// Groups describes up to limit groups with names after the given one, by name.
func (b *Broker) Groups(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	var out []GroupInfo
	for _, def := range b.catalog.Groups(after, limit) {
		info, err := b.groupInfo(ctx, def.Name)
		if errors.Is(err, ErrGroupNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, b.durable(ctx)
}

func (b *Broker) groupInfo(ctx context.Context, name string) (GroupInfo, error) {
	g, err := b.group(name)
	if errors.Is(err, ErrKindMismatch) {
		return b.orderedInfo(ctx, name)
	} else if err != nil {
		return GroupInfo{}, err
	}
	def := g.Definition()
	info := GroupInfo{
		Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt,
		Tag: def.Tag(), Partitions: []GroupPartition{}, Members: []GroupMember{},
	}
	for _, p := range g.Progress() {
		oldest, err := p.OldestUnsettled(ctx)
		if err != nil && ctx.Err() != nil {
			return info, err
		} else if err != nil { // a damaged record hides nothing else
			b.log.Error("the oldest unsettled record cannot be read", "group", def.Name, "topic", p.Partition.Topic, "partition", p.Partition.Index, "error", err)
		}
		next, _ := p.OldestAvailable(ctx) // what cannot be read was told just now
		info.Partitions = append(info.Partitions, GroupPartition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Start, End: p.End, LogEnd: p.LogEnd,
			Lag: p.Lag, Available: p.Available, Leased: p.Leased, Deferred: p.Deferred, OldestUnsettled: oldest, OldestAvailable: next,
		})
		info.Totals.Lag += p.Lag
		info.Totals.Available += p.Available
		info.Totals.Leased += p.Leased
		info.Totals.Deferred += p.Deferred
	}
	info.Totals.DeadLetters = g.OpenLetters("")
	info.Counters, info.Measures, info.Waiters = g.Counters(), g.Measures(), g.Waiters()
	for _, m := range g.Members() {
		info.Members = append(info.Members, GroupMember{Member: m.Name, Leases: m.Leases, LastSeen: m.LastSeen})
	}
	return info, nil
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
	if def.Kind == catalog.KindOrdered {
		return b.deleteOrdered(ctx, def, force)
	}
	g, err := b.group(name)
	if err != nil {
		return err
	}
	if n := g.Running(""); n > 0 && !force {
		return fmt.Errorf("group %s: %d leases run; wait for them or use force: %w", name, n, ErrGroupInUse)
	}
	if n := g.OpenLetters(""); n > 0 && !force {
		return fmt.Errorf("group %s: %d dead letters are open; purge them or use force: %w", name, n, ErrGroupInUse)
	}
	if err := b.catalog.DeleteGroup(ctx, def); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.groups, name)
	b.mu.Unlock()
	b.changes.Add(1)
	g.Detach(def, b.logsOf(def.Topics), false)
	g.Close()
	g.ForgetLetters()
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
