package group

import (
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// Apply stores a definition that is to read the named topics and brings its group to life, or to what the definition says now. The turn of positions is held:
// nothing goes between the attachment and its window. Errors: catalog.ErrTopicNotFound, the catalog's, the store's.
func (s *Set) Apply(ctx context.Context, def catalog.Group, names []string) error {
	gone, added, err := s.attach(&def, names)
	if err != nil {
		return fmt.Errorf("group %s: %w", def.Name, err)
	}
	if def.Kind == catalog.KindOrdered {
		return s.applyOrdered(ctx, def, gone, added)
	}
	return s.applyShare(ctx, def, gone, added)
}

// attach changes a definition to a list of topics, and returns which attachments go and which are new.
func (s *Set) attach(def *catalog.Group, names []string) (gone, added []catalog.Attachment, err error) {
	topics := make([]*topic.Topic, len(names))
	for i, name := range names {
		if topics[i], err = s.topics.Get(name); err != nil {
			return nil, nil, err
		}
	}
	gone, added = topic.Attachments(def, topics)
	return gone, added, nil
}

func (s *Set) applyShare(ctx context.Context, def catalog.Group, gone, added []catalog.Attachment) error {
	defer s.changes.Add(1)
	parts, err := partsOf(ctx, s.topics, added, share.NewParts)
	if err != nil {
		return err
	}
	stored, err := s.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	g, err := s.Share(def.Name)
	if err != nil {
		g = share.NewGroup(s.env, stored, parts, nil, nil)
		s.mu.Lock()
		s.shared[def.Name] = g
		s.mu.Unlock()
		return nil
	}
	g.Detach(stored, s.logsOf(gone), false)
	g.Configure(stored)
	g.Attach(stored, parts)
	return nil
}

func (s *Set) applyOrdered(ctx context.Context, def catalog.Group, gone, added []catalog.Attachment) error {
	parts, err := partsOf(ctx, s.topics, added, ordered.NewParts)
	if err != nil {
		return err
	}
	stored, err := s.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	g, err := s.Ordered(def.Name)
	if err != nil {
		s.mu.Lock()
		s.ordered[def.Name] = ordered.NewGroup(s.streams, stored, parts, nil)
		s.mu.Unlock()
		return nil
	}
	g.Detach(stored, s.logsOf(gone), false)
	g.Configure(stored)
	g.Attach(stored, parts)
	return nil
}

// partsOf returns the partitions of new attachments.
func partsOf[P any](ctx context.Context, topics *topic.Set, added []catalog.Attachment, of func(context.Context, *topic.Topic, catalog.Attachment) ([]P, error)) (parts []P, err error) {
	for _, a := range added {
		t, err := topics.Get(a.Topic)
		if err != nil {
			return nil, err
		}
		more, err := of(ctx, t, a)
		if err != nil {
			return nil, err
		}
		parts = append(parts, more...)
	}
	return parts, nil
}

// logsOf returns the logs of attachments' topics.
func (s *Set) logsOf(as []catalog.Attachment) []store.LogID {
	var out []store.LogID
	for _, a := range as {
		if t, err := s.topics.Get(a.Topic); err == nil && t.Def.ID == a.ID {
			out = append(out, t.Logs()...)
		}
	}
	return out
}

// Grown attaches the groups that read a topic to what it has from partition n on, from the beginning.
func (s *Set) Grown(t *topic.Topic, n int) {
	for _, g := range s.Readers(t.Def.ID) {
		g.Grown(t, n)
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		g.Grown(t, n)
	}
}

// Detach takes a topic that is being deleted off all groups that read it. Errors: the catalog's.
func (s *Set) Detach(ctx context.Context, t *topic.Topic) error {
	for _, g := range s.Readers(t.Def.ID) {
		stored, err := s.without(ctx, g.Definition(), t)
		if err != nil {
			return err
		}
		g.Detach(stored, t.Logs(), true)
		s.changes.Add(1)
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		stored, err := s.without(ctx, g.Definition(), t)
		if err != nil {
			return err
		}
		g.Detach(stored, t.Logs(), true)
	}
	return nil
}

// without stores a definition without its attachment to a topic.
func (s *Set) without(ctx context.Context, was *catalog.Group, t *topic.Topic) (*catalog.Group, error) {
	def := *was
	def.Topics = slices.DeleteFunc(slices.Clone(def.Topics), func(a catalog.Attachment) bool { return a.ID == t.Def.ID })
	return s.catalog.PutGroup(ctx, def)
}

// Delete deletes a group with its progress. force does so with leases running, dead letters open, or members there. Errors: catalog.ErrGroupNotFound,
// catalog.ErrGroupInUse, the catalog's.
func (s *Set) Delete(ctx context.Context, def *catalog.Group, force bool) error {
	if def.Kind == catalog.KindOrdered {
		return s.deleteOrdered(ctx, def, force)
	}
	g, err := s.Share(def.Name)
	if err != nil {
		return err
	}
	switch leases, letters := g.End(force); {
	case force:
	case leases > 0:
		return fmt.Errorf("group %s: %d leases run; wait for them or use force: %w", def.Name, leases, catalog.ErrGroupInUse)
	case letters > 0:
		return fmt.Errorf("group %s: %d dead letters are open; purge them or use force: %w", def.Name, letters, catalog.ErrGroupInUse)
	}
	if err := s.catalog.DeleteGroup(ctx, def); err != nil {
		g.Stay()
		return err
	}
	s.mu.Lock()
	delete(s.shared, def.Name)
	s.mu.Unlock()
	s.changes.Add(1)
	g.Detach(def, s.logsOf(def.Topics), false)
	g.Close()
	g.ForgetLetters()
	return nil
}

func (s *Set) deleteOrdered(ctx context.Context, def *catalog.Group, force bool) error {
	g, err := s.Ordered(def.Name)
	if err != nil {
		return err
	}
	if n := g.Len(); n > 0 && !force {
		return fmt.Errorf("group %s: it has %d members; have them leave or use force: %w", def.Name, n, catalog.ErrGroupInUse)
	}
	if err := s.catalog.DeleteGroup(ctx, def); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.ordered, def.Name)
	s.mu.Unlock()
	g.Detach(def, s.logsOf(def.Topics), false)
	g.Delete()
	return nil
}
