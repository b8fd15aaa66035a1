package badger

import (
	"context"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// garbage names keys that nobody can read any more.
type garbage struct {
	log  store.LogID
	id   journalID     // a journal that was forgotten; with no name and no trim, 0 is the whole log
	name store.Journal // a journal whose checkpoint has moved on
	trim bool          // batches and notes below the log's start
}

// work is the janitor's list. Store.mu guards todo.
type work struct {
	todo map[garbage]struct{}
	bell chan struct{}
}

func newWork() *work { return &work{todo: map[garbage]struct{}{}, bell: make(chan struct{}, 1)} }

func (w *work) add(g garbage) { w.todo[g] = struct{}{} }

func (w *work) addAll(st *state) {}

func (w *work) wake() {}

func (s *Store) purgeDropped(ctx context.Context, id store.LogID) error { return nil }

func (s *Store) loadGarbage() error { return nil }

func (s *Store) janitor() { <-s.closing }

// keep looks after the side file, the free space and the readers' line once a second.
func (s *Store) keep() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.dead:
			return
		case <-tick.C:
		}
		if s.side.behind() {
			if err := s.side.sync(); err != nil {
				s.fail(err)
				return
			}
		}
		if err := s.space.refresh(); err != nil {
			s.log.Warn("free space unknown", "error", err)
		}
	}
}

var _ sync.Mutex
