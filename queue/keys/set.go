package keys

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Set is the indexes of all compacted partitions. Its methods may be called from any goroutine.
type Set struct {
	committer *commit.Committer
	log       *slog.Logger

	mu sync.Mutex
	on map[store.LogID]*Index
}

// NewSet returns a set without indexes.
func NewSet(c *commit.Committer, log *slog.Logger) *Set {
	return &Set{committer: c, log: log, on: map[store.LogID]*Index{}}
}

// Of returns a partition's index, or nil.
func (s *Set) Of(p *partition.Partition) *Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on[p.ID]
}

// Make returns a partition's index, a new one if it has none: to replay into, before Start.
func (s *Set) Make(p *partition.Partition) *Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on[p.ID] == nil {
		s.on[p.ID] = New(p, s.committer, s.log)
	}
	return s.on[p.ID]
}

// Start brings the indexes that were replayed to life.
func (s *Set) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ix := range s.on {
		ix.Start()
	}
}

// Keep gives partitions indexes if their topic is compacted now, and forgets those it had if it is not.
func (s *Set) Keep(parts []*partition.Partition, compact bool) {
	for _, p := range parts {
		switch ix := s.Of(p); {
		case compact && ix == nil:
			ix = New(p, s.committer, s.log)
			ix.Recover(nil) // before anybody finds it
			s.mu.Lock()
			s.on[p.ID] = ix
			s.mu.Unlock()
			ix.Start()
		case !compact && ix != nil:
			s.end(p, ix)
			p.Write(s.committer, []store.Entry{{Journal: Journal, Kind: store.Forget}}, nil)
		}
	}
}

// Find returns the newest record of a key among partitions of a topic, and where it is: the one with the later timestamp, if several have the key.
// Errors: record.ErrNotFound, those of Index.Find.
func (s *Set) Find(ctx context.Context, parts []*partition.Partition, key []byte) (newest record.Record, at *partition.Partition, err error) {
	for _, p := range parts {
		ix := s.Of(p)
		if ix == nil { // changed meanwhile
			continue
		}
		switch r, err := ix.Find(ctx, key); {
		case errors.Is(err, record.ErrNotFound), errors.Is(err, ErrGone):
		case err != nil:
			return newest, nil, err
		case at == nil || !r.Timestamp.Before(newest.Timestamp):
			newest, at = r, p
		}
	}
	if at == nil {
		return newest, nil, record.ErrNotFound
	}
	return newest, at, nil
}

// End ends the indexes of partitions that are being dropped.
func (s *Set) End(parts []*partition.Partition) {
	for _, p := range parts {
		if ix := s.Of(p); ix != nil {
			s.end(p, ix)
		}
	}
}

func (s *Set) end(p *partition.Partition, ix *Index) {
	s.mu.Lock()
	delete(s.on, p.ID)
	s.mu.Unlock()
	ix.Close()
}

// Close ends all of them.
func (s *Set) Close() {
	s.mu.Lock()
	all := s.on
	s.on = map[store.LogID]*Index{}
	s.mu.Unlock()
	for _, ix := range all {
		ix.Close()
	}
}
