package topic

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/holtmq/holt/queue/catalog"
)

// Set holds the open topics by name: those of users, and the server's own, whose names are catalog.Reserved. Its lock is a leaf.
type Set struct {
	mu       sync.RWMutex
	users    map[string]*Topic
	internal map[string]*Topic
}

// NewSet returns an empty one.
func NewSet() *Set { return &Set{users: map[string]*Topic{}, internal: map[string]*Topic{}} }

// Get returns a user's topic, or ErrNotFound: also for the server's own.
func (s *Set) Get(name string) (*Topic, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.users[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("topic %s: %w", name, ErrNotFound)
}

// Internal returns one of the server's own topics, or nil.
func (s *Set) Internal(name string) *Topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.internal[name]
}

// Put adds a topic, in place of the one of its name.
func (s *Set) Put(t *Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.among(t.Def.Name)[t.Def.Name] = t
}

// Remove takes a topic out.
func (s *Set) Remove(t *Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.among(t.Def.Name), t.Def.Name)
}

func (s *Set) among(name string) map[string]*Topic {
	if catalog.Reserved(name) {
		return s.internal
	}
	return s.users
}

// All returns every topic, in the order in which they were made, the server's own among them.
func (s *Set) All() []*Topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Topic, 0, len(s.users)+len(s.internal))
	for _, t := range s.users {
		out = append(out, t)
	}
	for _, t := range s.internal {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Topic) int { return cmp.Compare(a.Def.ID, b.Def.ID) })
	return out
}
