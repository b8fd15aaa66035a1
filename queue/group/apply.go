package group

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
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
		return s.orderedKind().apply(ctx, def, gone, added)
	}
	defer s.changes.Add(1)
	return s.shareKind().apply(ctx, def, gone, added)
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
		s.shareKind().grown(g, t, n)
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		s.orderedKind().grown(g, t, n)
	}
}

// Detach takes a topic that is being deleted off all groups that read it. Errors: the catalog's.
func (s *Set) Detach(ctx context.Context, t *topic.Topic) error {
	for _, g := range s.Readers(t.Def.ID) {
		if err := s.shareKind().detach(ctx, g, t); err != nil {
			return err
		}
		s.changes.Add(1)
	}
	for _, g := range s.OrderedReaders(t.Def.ID) {
		if err := s.orderedKind().detach(ctx, g, t); err != nil {
			return err
		}
	}
	return nil
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
		return fmt.Errorf("group %s: %d leases run: %w", def.Name, leases, catalog.ErrGroupInUse)
	case letters > 0:
		return fmt.Errorf("group %s: %d dead letters are open: %w", def.Name, letters, catalog.ErrGroupInUse)
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
		return fmt.Errorf("group %s: it has %d members: %w", def.Name, n, catalog.ErrGroupInUse)
	}
	if err := s.catalog.DeleteGroup(ctx, def); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.ordered, def.Name)
	s.mu.Unlock()
	g.Delete() // first: a parked poll must not hear that nothing is left to read
	g.Detach(def, s.logsOf(def.Topics), false)
	return nil
}
