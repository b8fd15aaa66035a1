package group

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// Sentinels of the set, next to those of the catalog.
var (
	ErrBacklogFull  = errors.New("the topic's backlog is full")
	ErrShuttingDown = errors.New("the server is shutting down")
)

// Set holds the groups at work by name.
type Set struct {
	catalog *catalog.Catalog
	topics  *topic.Set
	env     *share.Env
	streams *ordered.Env
	log     *slog.Logger

	mu      sync.RWMutex // guards the maps
	shared  map[string]*share.Group
	ordered map[string]*ordered.Group

	changes    atomic.Uint64 // of which groups there are and what they read, counted once they are made
	readership atomic.Pointer[readership]
	held       atomic.Pointer[held]
}

// NewSet returns one without groups, which makes share groups with env and ordered ones with streams.
func NewSet(c *catalog.Catalog, topics *topic.Set, env *share.Env, streams *ordered.Env, log *slog.Logger) *Set {
	return &Set{catalog: c, topics: topics, env: env, streams: streams, log: log, shared: map[string]*share.Group{}, ordered: map[string]*ordered.Group{}}
}

// Share returns a share group. Errors: catalog.ErrGroupNotFound, catalog.ErrKindMismatch.
func (s *Set) Share(name string) (*share.Group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g := s.shared[name]; g != nil {
		return g, nil
	}
	if s.ordered[name] != nil {
		return nil, fmt.Errorf("group %s is of kind ordered: %w", name, catalog.ErrKindMismatch)
	}
	return nil, fmt.Errorf("group %s: %w", name, catalog.ErrGroupNotFound)
}

// Ordered returns an ordered group. Errors: catalog.ErrGroupNotFound, catalog.ErrKindMismatch.
func (s *Set) Ordered(name string) (*ordered.Group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g := s.ordered[name]; g != nil {
		return g, nil
	}
	if s.shared[name] != nil {
		return nil, fmt.Errorf("group %s is of kind share: %w", name, catalog.ErrKindMismatch)
	}
	return nil, fmt.Errorf("group %s: %w", name, catalog.ErrGroupNotFound)
}

// Shares returns the share groups, in no order.
func (s *Set) Shares() []*share.Group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.AppendSeq(make([]*share.Group, 0, len(s.shared)), maps.Values(s.shared))
}

// Running returns how many leases run.
func (s *Set) Running() (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.shared {
		n += g.Running()
	}
	return n
}

// Close ends all groups; those that are closed already it leaves alone.
func (s *Set) Close() {
	groups := s.Shares()
	s.mu.RLock()
	for _, g := range s.ordered {
		g.Close()
	}
	s.mu.RUnlock()
	for _, g := range groups {
		g.Close()
	}
}
