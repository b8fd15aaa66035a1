package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holtmq/holt/queue/store"
)

// Config sets up a Store; its zero value is a store without faults.
type Config struct {
	Seed   uint64 // source of all chance in faults
	Low    bool   // Health().Low from the beginning
	Faults Faults
}

// Store is one opening of data in memory. It implements store.Store.
type Store struct {
	disk  *disk
	opens uint64
	dead  chan struct{}

	seed   uint64
	low    atomic.Bool
	spent  atomic.Bool
	faults atomic.Pointer[Faults]

	// Under disk.mu.
	closed   bool
	cause    error          // not nil: dead is closed
	inflight sync.WaitGroup // commits; grows under disk.mu while not closed, so never beside Close's Wait
}

var _ store.Store = (*Store)(nil)

// disk is what outlives a Store.
type disk struct {
	mu    sync.RWMutex
	opens uint64
	logs  map[store.LogID]*log
	defs  map[string]definition
	rev   uint64 // newest revision of any definition; never given twice

	used    atomic.Int64
	commits atomic.Uint64
	metas   atomic.Uint64
}

// Causes of death, in Health().Cause.
var (
	errCrashed = errors.New("crash injected")
	errKilled  = errors.New("storage error injected")
)

// New returns an empty store.
func New(c Config) *Store {
	d := &disk{logs: map[store.LogID]*log{}, defs: map[string]definition{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open(c.Seed, c.Low, &c.Faults)
}

// open makes the next Store over d, with no log open. Under d.mu.
func (d *disk) open(seed uint64, low bool, f *Faults) *Store {
	d.opens++
	for _, l := range d.logs {
		l.shut()
	}
	s := &Store{disk: d, opens: d.opens, dead: make(chan struct{}), seed: seed}
	s.low.Store(low)
	s.faults.Store(f)
	return s
}

// Crash kills the store as a power cut would, and returns a new one with exactly what was durable, under the same Faults.
// Calls in flight on the old one end in store.ErrUnknown, later ones in store.ErrDead. It may be called at any time, from Faults too.
func (s *Store) Crash() *Store {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	s.die(errCrashed)
	return d.open(s.seed, s.low.Load(), s.faults.Load())
}

// Reopen closes the store, unless it is closed already, and returns a new one with the same data and Faults.
func (s *Store) Reopen() *Store {
	_ = s.Close() // closed twice is as good as once
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open(s.seed, s.low.Load(), s.faults.Load())
}

// SetFaults replaces the faults from the next call on.
func (s *Store) SetFaults(f Faults) { s.faults.Store(&f) }

// SetLow sets Health().Low.
func (s *Store) SetLow(low bool) { s.low.Store(low) }

// SetSpent sets Health().Spent.
func (s *Store) SetSpent(spent bool) { s.spent.Store(spent) }

// Open implements store.Store. A commit in flight on the log is fenced: it ends in store.ErrFenced.
func (s *Store) Open(ctx context.Context, id store.LogID) (store.Log, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open log %d: %w", id, err)
	}
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, fmt.Errorf("open log %d: %w", id, err)
	}
	l := d.logs[id]
	if l == nil {
		l = &log{journals: map[store.Journal]*journal{}}
		d.logs[id] = l
	}
	l.shut()
	l.opened = true
	return &handle{store: s, id: id, log: l, life: l.life}, nil
}

// Meta implements store.Store.
func (s *Store) Meta() store.Meta { return meta{s} }

// Health implements store.Store. Used counts the bytes of batches, entries, notes and definitions.
func (s *Store) Health() store.Health {
	h := store.Health{
		Engine: "memory",
		Used:   s.disk.used.Load(),
		Free:   -1,
		Low:    s.low.Load(),
		Spent:  s.spent.Load(),
		Opens:  s.opens,
		Dead:   s.dead,
	}
	select {
	case <-s.dead:
		h.Cause = s.cause // written before dead was closed, never after
	default:
	}
	return h
}

// Close implements store.Store. The data stays for Reopen.
func (s *Store) Close() error {
	s.disk.mu.Lock()
	if s.closed {
		s.disk.mu.Unlock()
		return fmt.Errorf("close: %w", store.ErrClosed)
	}
	s.closed = true
	s.disk.mu.Unlock()
	s.inflight.Wait()
	return nil
}

// usable says whether a call may begin. Under disk.mu.
func (s *Store) usable() error {
	if s.closed {
		return store.ErrClosed
	}
	if s.cause != nil {
		return fmt.Errorf("%w: %w", store.ErrDead, s.cause)
	}
	return nil
}

// die makes the store dead for good. Under disk.mu.
func (s *Store) die(cause error) {
	if s.cause == nil {
		s.cause = cause
		close(s.dead)
	}
}
