package group

import (
	"cmp"
	"maps"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/share"
)

// readership is which share groups read each topic, by name, as of some number of changes. Publishes with max_backlog ask for it, so it is not made anew each time.
type readership struct {
	changes uint64
	by      map[uint64][]*share.Group
}

// Readers returns the share groups that read a topic, by name.
func (s *Set) Readers(topicID uint64) []*share.Group { return s.AllReaders()[topicID] }

// AllReaders returns the share groups that read each topic, by name. Nobody changes it.
func (s *Set) AllReaders() map[uint64][]*share.Group {
	changes := s.changes.Load()
	if r := s.readership.Load(); r != nil && r.changes == changes {
		return r.by
	}
	r := &readership{changes: changes, by: map[uint64][]*share.Group{}}
	for _, def := range s.catalog.Groups("", catalog.Everything) {
		s.mu.RLock()
		g := s.shared[def.Name]
		s.mu.RUnlock()
		for _, a := range def.Topics {
			if g != nil {
				r.by[a.ID] = append(r.by[a.ID], g)
			}
		}
	}
	s.readership.Store(r)
	return r.by
}

// OrderedReaders returns the ordered groups that read a topic, by name.
func (s *Set) OrderedReaders(topicID uint64) []*ordered.Group {
	s.mu.RLock()
	all := slices.Collect(maps.Values(s.ordered))
	s.mu.RUnlock()
	out := slices.DeleteFunc(all, func(g *ordered.Group) bool { return g.Definition().Attachment(topicID) == nil })
	slices.SortFunc(out, func(x, y *ordered.Group) int { return cmp.Compare(x.Definition().Name, y.Definition().Name) })
	return out
}
