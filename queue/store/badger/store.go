package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// Store is one data directory, open. It implements store.Store.
//
// Whoever holds the token writes: it guards seq and everything that a write decides on. applying is held by whoever gives commits to Badger.
// Then mu guards what readers see. Lock order: token, applying, mu. No I/O happens under mu.
type Store struct {
	cfg  Config
	log  *slog.Logger
	db   *badgerdb.DB
	lock *os.File
	side *sideFile

	maxCost, maxCount int // limits of one transaction
	fileLimit         uint64

	token chan struct{} // one slot
	seq   uint64        // the newest commit's, under the token
	opens uint64
	ahead *ahead // likewise

	applying chan struct{} // one slot, too: it is held while Badger writes
	newest   uint64        // the newest commit that Badger has, under applying
	begun    begun         // likewise
	pointed  []byte        // a key whose value lies in the newest value file, or the one before; likewise

	begins, full chan struct{} // one slot each: for the applier

	mu          sync.Mutex
	inBadger    uint64    // the newest commit that readers find in Badger
	behind      []*commit // and those that they find here, oldest first
	behindBytes int
	index       index // of behind
	logs        map[store.LogID]*state
	readers     readers
	closed      bool
	calls       sync.WaitGroup // in flight; Add under mu while not closed

	bypass  bypass
	work    *work
	space   *space
	closing chan struct{}
	workers sync.WaitGroup

	dead     chan struct{}
	deadOnce sync.Once
	reason   atomic.Pointer[error]
}

var _ store.Store = (*Store)(nil)

// Open implements store.Store. There is one owner, this process; a second Open of a log voids checkpoints that were begun.
func (s *Store) Open(ctx context.Context, id store.LogID) (store.Log, error) {
	st, err := s.openLog(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open log %d: %w", id, err)
	}
	return &log{s, st}, nil
}

func (s *Store) openLog(ctx context.Context, id store.LogID) (*state, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if st := s.opened(id); st != nil {
		s.mu.Lock()
		st.abandon()
		s.mu.Unlock()
		return st, nil
	}
	if err := s.catchUp(); err != nil {
		return nil, err
	}
	if err := s.purgeDropped(ctx, id); err != nil {
		return nil, err
	}
	var st *state
	err := s.look(ctx, func(txn *badgerdb.Txn) (err error) {
		st, err = loadState(ctx, txn, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.logs[id] = st
	s.work.addLog(st)
	s.mu.Unlock()
	return st, nil
}

// opened returns the state of a log that is open, or nil.
func (s *Store) opened(id store.LogID) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[id]
}

// abandon forgets the checkpoints that were begun. The caller holds Store.mu.
func (st *state) abandon() {
	for name, j := range st.journals {
		if j.pending != 0 {
			c := *j
			c.pending, c.pieces = 0, 0
			st.journals[name] = &c
		}
	}
}

// Meta implements store.Store.
func (s *Store) Meta() store.Meta { return meta{s} }

// Health implements store.Store.
func (s *Store) Health() store.Health {
	h := store.Health{Engine: "badger", Opens: s.opens, Dead: s.dead, Cause: s.cause()}
	h.Used, h.Free, h.Low = s.space.report()
	h.Spent = s.space.spent()
	return h
}

// enter takes the token. leave must follow.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.beginCall(); err != nil {
		return err
	}
	select {
	case s.token <- struct{}{}:
	case <-ctx.Done():
		s.calls.Done()
		return ctx.Err()
	case <-s.dead:
		s.calls.Done()
		return died(s.cause())
	}
	if err := s.cause(); err != nil {
		s.leave()
		return died(err)
	}
	return nil
}

func (s *Store) leave() {
	<-s.token
	s.calls.Done()
}

// beginCall counts a call in flight, which Close waits for.
func (s *Store) beginCall() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginCallLocked()
}

func (s *Store) beginCallLocked() error {
	if s.closed {
		return store.ErrClosed
	}
	if err := s.cause(); err != nil {
		return died(err)
	}
	s.calls.Add(1)
	return nil
}

// beginRead registers a reader of what is durable, and returns what Badger has of it; take runs at that moment. endRead must follow.
func (s *Store) beginRead(take func()) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.beginCallLocked(); err != nil {
		return 0, err
	}
	take()
	s.readers.begin(s.inBadger)
	return s.inBadger, nil
}

func (s *Store) endRead(seq uint64) {
	s.mu.Lock()
	s.readers.end(seq)
	s.mu.Unlock()
	s.calls.Done()
}

// look runs fn in a transaction that sees what Badger has, and once more in a new one if a value looked damaged.
func (s *Store) look(ctx context.Context, fn func(*badgerdb.Txn) error) error {
	err := s.lookOnce(ctx, fn)
	if errors.Is(err, errDamaged) || errors.Is(err, store.ErrCorrupt) {
		err = s.lookOnce(ctx, fn)
	}
	if errors.Is(err, errDamaged) {
		return corrupt("%v", err)
	}
	return err
}

func (s *Store) lookOnce(ctx context.Context, fn func(*badgerdb.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	seq, err := s.beginRead(func() {})
	if err != nil {
		return err
	}
	defer s.endRead(seq)
	txn := s.db.NewTransactionAt(seq, false)
	defer txn.Discard()
	return fn(txn)
}

// fail ends the store: the first cause stands.
func (s *Store) fail(cause error) {
	s.deadOnce.Do(func() {
		s.reason.Store(&cause)
		close(s.dead)
		s.log.Error("storage failed", "error", cause)
	})
}

// cause returns why the store is dead, or nil.
func (s *Store) cause() error {
	if p := s.reason.Load(); p != nil {
		return *p
	}
	return nil
}

// Close implements store.Store. After a storage error it does not touch the disk again: what is not durable may be half there,
// and only a new start may judge it.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	s.calls.Wait()
	s.workers.Wait()
	s.bypass.closeIf(func(string) bool { return true })
	err := s.catchUp()
	if cause := s.cause(); cause != nil {
		return errors.Join(died(cause), s.ahead.close(), s.side.close(), unlockDir(s.lock))
	}
	if err == nil {
		err = s.closeDB()
	}
	if err == nil {
		err = s.side.finish(s.seq)
	}
	err = errors.Join(err, s.ahead.close(), s.side.close(), unlockDir(s.lock))
	if err != nil {
		return fmt.Errorf("close %s: %w", s.cfg.Dir, err)
	}
	s.log.Info("store closed", "sequence", s.seq)
	return nil
}

// closeDB closes Badger, which writes its table in memory out and, if that fails, tries for ever. It is left to the
// end of the process then.
func (s *Store) closeDB() error {
	done := make(chan error, 1)
	go func() { done <- s.db.Close() }()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-s.dead:
	}
	return s.cause()
}
