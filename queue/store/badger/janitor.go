package badger

import (
	"context"
	"errors"
	"fmt"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// A trim, a checkpoint, Forget and Drop only say that keys are of no use any more. The janitor deletes them afterwards
// in bounded transactions, and then lets Badger give the space back: a compaction finds out which files of the value
// log hold mostly what was deleted, and one of them at a time is rewritten.
const (
	sweepEvery = time.Second
	minRest    = 50 * time.Millisecond // between two turns of collection
	maxDeletes = 1000                  // keys of one transaction of the janitor
)

// garbage names keys that nobody can read any more.
type garbage struct {
	kind garbageKind
	log  store.LogID
	id   journalID     // of a forgotten journal; 0 for a dropped log
	name store.Journal // of a journal whose checkpoint has moved on
}

type garbageKind uint8

const (
	trimmed      garbageKind = iota // batches and notes below a log's start
	checkpointed                    // deltas and pieces that a checkpoint replaced
	forgotten                       // all of a journal
	dropped                         // all of a log
)

// work is the janitor's list. Store.mu guards it.
type work struct {
	todo  map[garbage]*progress
	freed int64 // bytes of values deleted since the last collection began
	owed  int64 // bytes deleted before that whose space is not back, about
	stage stage
	worth chan struct{} // one slot: a collection is due
}

// progress is how far the deletion of whole prefixes has come. It is lost in a restart, which costs a walk over what is
// deleted already.
type progress struct {
	stage int
	at    []byte
}

// newWork counts a byte as freed: nobody knows what was deleted before a restart, and where space is short one collection finds out.
func newWork() *work {
	return &work{todo: map[garbage]*progress{}, freed: 1, worth: make(chan struct{}, 1)}
}

// add puts something on the list. The caller holds Store.mu.
func (w *work) add(g garbage) {
	if w.todo[g] == nil {
		w.todo[g] = new(progress)
	}
}

// addLog puts on the list what a restart has interrupted in a log. The caller holds Store.mu.
func (w *work) addLog(st *state) {
	if st.head.start > st.low.note || st.head.start > st.low.batch {
		w.add(garbage{kind: trimmed, log: st.id})
	}
	for name, j := range st.journals {
		if j.lowDelta <= j.checkpoint || j.lowRound < j.round {
			w.add(garbage{kind: checkpointed, log: st.id, name: name})
		}
	}
}

// janitor sweeps each second, until the store closes or dies.
func (s *Store) janitor() {
	ctx := context.Background() // what the janitor waits for ends with the store
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.dead:
			return
		case <-sweep.C:
			s.reclaimed(s.sweep(ctx))
		}
		if s.due() {
			select {
			case s.work.worth <- struct{}{}:
			default:
			}
		}
	}
}

// collector collects as configured, at once when much is deleted, and turn after turn as long as that gives space back. So that commits have the disk, it rests
// between turns, the less the more is owed. It ends when the store closes or dies.
func (s *Store) collector() {
	next := time.NewTimer(s.cfg.CollectEvery)
	defer next.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.dead:
			return
		case <-s.work.worth:
		case <-next.C:
		}
		began := time.Now()
		s.reclaimed(s.collect())
		if s.stage() == waiting {
			next.Reset(s.cfg.CollectEvery)
		} else {
			next.Reset(min(s.cfg.CollectEvery, max(minRest, s.rest(time.Since(began)))))
		}
	}
}

// rest returns how long to leave the disk to others after a turn that took so long.
func (s *Store) rest(took time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch owed := s.work.owed + s.work.freed; {
	case owed > 3*s.cfg.valueFile:
		return 0
	case owed > 2*s.cfg.valueFile:
		return took
	default:
		return 3 * took
	}
}

func (s *Store) reclaimed(err error) {
	if err != nil && !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrDead) {
		s.log.Warn("space was not reclaimed", "error", err)
	}
}

// sweep deletes everything on the list.
func (s *Store) sweep(ctx context.Context) error {
	for {
		more, err := s.sweepOnce(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// sweepOnce deletes up to maxDeletes keys in one transaction, and says whether there is more to do.
func (s *Store) sweepOnce(ctx context.Context) (more bool, err error) {
	if s.idle() {
		return false, nil
	}
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	defer s.leave()
	return s.deleteSome(s.todo())
}

func (s *Store) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.work.todo) == 0
}

func (s *Store) todo() []garbage {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]garbage, 0, len(s.work.todo))
	for g := range s.work.todo {
		list = append(list, g)
	}
	return list
}

// deleteSome makes one transaction of the list. The caller holds the token.
func (s *Store) deleteSome(list []garbage) (more bool, err error) {
	if err := s.catchUp(); err != nil {
		return false, err
	}
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	b := &broom{s: s, txn: txn}
	for _, g := range list {
		if b.full() {
			more = true
			break
		}
		done, err := b.sweep(g)
		if err != nil {
			return false, fmt.Errorf("log %d: %w", g.log, err)
		}
		if done {
			b.done = append(b.done, g)
		} else {
			more = true
		}
	}
	if len(b.ops) > 0 {
		if err := s.write(b.ops); err != nil {
			return false, err
		}
	}
	b.finish()
	return more, nil
}

func (s *Store) progress(g garbage) *progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.add(g)
	return s.work.todo[g]
}

// purgeDropped deletes at once what is left of a log that was dropped, so that it can be opened as a new one. The caller
// holds the token.
func (s *Store) purgeDropped(ctx context.Context, id store.LogID) error {
	left := false
	err := s.look(ctx, func(txn *badgerdb.Txn) (err error) {
		left, err = has(txn, garbageKey(id, 0))
		return err
	})
	for left && err == nil {
		if err = ctx.Err(); err == nil {
			left, err = s.deleteSome([]garbage{{kind: dropped, log: id}})
		}
	}
	return err
}

// loadGarbage puts on the list what is left of forgotten journals and dropped logs.
func (s *Store) loadGarbage() error {
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	var found []garbage
	it := forward(txn, []byte{kindGarbage})
	defer it.Close()
	for it.Seek([]byte{kindGarbage}); it.Valid(); it.Next() {
		key := it.Item().Key()
		g := garbage{kind: forgotten, id: journalID(lastNumber(key)), log: store.LogID(lastNumber(key[:len(key)-8]))}
		if g.id == 0 {
			g.kind = dropped
		}
		found = append(found, g)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range found {
		s.work.add(g)
	}
	return nil
}
