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
	maxDeletes = 1000 // keys of one transaction of the janitor
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
	freed int64 // bytes of values deleted since the last collection
	stage stage
}

// progress is how far the deletion of whole prefixes has come. It is lost in a restart, which costs a walk over what is
// deleted already.
type progress struct {
	stage int
	at    []byte
}

func newWork() *work { return &work{todo: map[garbage]*progress{}} }

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

// janitor sweeps each second and collects as configured, until the store closes or dies.
func (s *Store) janitor() {
	ctx := context.Background() // what the janitor waits for ends with the store
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	collect := time.NewTicker(s.cfg.CollectEvery)
	defer collect.Stop()
	for {
		var err error
		select {
		case <-s.closing:
			return
		case <-s.dead:
			return
		case <-sweep.C:
			err = s.sweep(ctx)
		case <-collect.C:
			err = s.collect()
		}
		if err != nil && !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrDead) {
			s.log.Warn("space was not reclaimed", "error", err)
		}
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

// broom gathers the deletions of one transaction, and what to change in memory once they are durable.
type broom struct {
	s     *Store
	txn   *badgerdb.Txn
	ops   []op
	n     int // deletions
	freed int64
	after []func() // under Store.mu
	done  []garbage
}

func (b *broom) full() bool { return b.n >= maxDeletes }

func (b *broom) delete(item *badgerdb.Item) {
	b.ops = append(b.ops, op{item.KeyCopy(nil), nil})
	b.freed += item.EstimatedSize()
	b.n++
}

func (b *broom) finish() {
	s := b.s
	s.mu.Lock()
	for _, f := range b.after {
		f()
	}
	for _, g := range b.done {
		delete(s.work.todo, g)
	}
	s.work.freed += b.freed
	s.mu.Unlock()
	s.publish(nil)
}

func (b *broom) sweep(g garbage) (done bool, err error) {
	switch g.kind {
	case trimmed:
		if st := b.s.opened(g.log); st != nil {
			return b.trim(st)
		}
	case checkpointed:
		if st := b.s.opened(g.log); st != nil && st.journals[g.name] != nil {
			return b.checkpoint(st, g.name)
		}
	case forgotten:
		return b.prefixes(g, partKey(kindDeltas, g.log, g.id), partKey(kindPiece, g.log, g.id), partKey(kindNote, g.log, g.id))
	case dropped:
		return b.prefixes(g, logKey(kindBatch, g.log), logKey(kindDeltas, g.log), logKey(kindPiece, g.log), logKey(kindNote, g.log))
	}
	return true, nil
}

// trim deletes batches that end below the log's start, and notes below it.
func (b *broom) trim(st *state) (done bool, err error) {
	low := st.low
	low.batch = b.trimBatches(st)
	if !b.full() {
		for _, j := range st.journals {
			b.rangeOf(partKey(kindNote, st.id, j.id), noteKey(st.id, j.id, low.note), func(key []byte) bool {
				return store.Offset(lastNumber(key)) < st.head.start
			})
		}
	}
	done = !b.full()
	if done {
		low.note = st.head.start
	}
	if low != st.low {
		key := logKey(kindTrim, st.id)
		b.ops = append(b.ops, op{key, numbers(key, uint64(low.batch), uint64(low.note))})
		b.after = append(b.after, func() { st.low = low })
	}
	return done, nil
}

// trimBatches deletes each batch whose successor begins at or below start, and returns where the first one left begins.
func (b *broom) trimBatches(st *state) store.Offset {
	prefix := logKey(kindBatch, st.id)
	it := forward(b.txn, prefix)
	defer it.Close()
	var last *op
	var size int64
	for it.Seek(batchKey(st.id, st.low.batch)); it.Valid(); it.Next() {
		base := store.Offset(lastNumber(it.Item().Key()))
		if base > st.head.start {
			break
		}
		if last != nil {
			b.ops, b.freed, b.n = append(b.ops, *last), b.freed+size, b.n+1
		}
		if b.full() {
			return base
		}
		last, size = &op{key: it.Item().KeyCopy(nil)}, it.Item().EstimatedSize()
	}
	if last == nil {
		return max(st.low.batch, st.head.start)
	}
	if st.head.start == st.head.end {
		b.ops, b.freed, b.n = append(b.ops, *last), b.freed+size, b.n+1
		return st.head.start
	}
	return store.Offset(lastNumber(last.key))
}

// checkpoint deletes the deltas and pieces that a journal's checkpoint has replaced.
func (b *broom) checkpoint(st *state, name store.Journal) (done bool, err error) {
	j := *st.journals[name]
	j.lowDelta = b.trimDeltas(st.id, &j)
	if !b.full() {
		b.rangeOf(partKey(kindPiece, st.id, j.id), roundKey(st.id, j.id, j.lowRound), func(key []byte) bool {
			return roundOf(key) < j.round
		})
	}
	done = !b.full()
	if done {
		j.lowRound = j.round
	}
	key := journalKey(st.id, name)
	b.ops = append(b.ops, op{key, j.encode(key)})
	b.after = append(b.after, func() { st.journals[name] = &j })
	return done, nil
}

// trimDeltas deletes each pack that ends at or below the checkpoint, and returns the sequence of the first one left.
func (b *broom) trimDeltas(log store.LogID, j *journal) uint64 {
	it := forward(b.txn, partKey(kindDeltas, log, j.id))
	defer it.Close()
	var last *op
	var size int64
	for it.Seek(deltasKey(log, j.id, j.lowDelta)); it.Valid(); it.Next() {
		first := lastNumber(it.Item().Key())
		if first > j.checkpoint+1 {
			break
		}
		if last != nil {
			b.ops, b.freed, b.n = append(b.ops, *last), b.freed+size, b.n+1
		}
		if b.full() {
			return first
		}
		last, size = &op{key: it.Item().KeyCopy(nil)}, it.Item().EstimatedSize()
	}
	if last == nil {
		return max(j.lowDelta, j.checkpoint+1)
	}
	if j.last == j.checkpoint {
		b.ops, b.freed, b.n = append(b.ops, *last), b.freed+size, b.n+1
		return j.checkpoint + 1
	}
	return lastNumber(last.key)
}

// rangeOf deletes keys with a prefix from one on, as long as they are below what within says, and returns the key at
// which it stopped because the broom is full.
func (b *broom) rangeOf(prefix, from []byte, within func(key []byte) bool) (stopped []byte) {
	it := forward(b.txn, prefix)
	defer it.Close()
	for it.Seek(from); it.Valid() && within(it.Item().Key()); it.Next() {
		if b.full() {
			return it.Item().KeyCopy(nil)
		}
		b.delete(it.Item())
	}
	return nil
}

// prefixes deletes all keys with the prefixes, and at last the note that they are to be deleted.
func (b *broom) prefixes(g garbage, all ...[]byte) (done bool, err error) {
	p := b.s.progress(g)
	stage, at := p.stage, p.at
	for ; stage < len(all); stage, at = stage+1, nil {
		if at == nil {
			at = all[stage]
		}
		if at = b.rangeOf(all[stage], at, func([]byte) bool { return true }); at != nil {
			break
		}
	}
	b.after = append(b.after, func() { p.stage, p.at = stage, at })
	if stage < len(all) {
		return false, nil
	}
	b.ops = append(b.ops, op{garbageKey(g.log, g.id), nil})
	return true, nil
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
	it := forward(txn, []byte{kindGarbage})
	defer it.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for it.Seek([]byte{kindGarbage}); it.Valid(); it.Next() {
		key := it.Item().Key()
		g := garbage{kind: forgotten, id: journalID(lastNumber(key)), log: store.LogID(lastNumber(key[:len(key)-8]))}
		if g.id == 0 {
			g.kind = dropped
		}
		s.work.add(g)
	}
	return nil
}

// stage is what the next turn of collection does.
type stage uint8

const (
	waiting  stage = iota // until enough is deleted
	flushed               // deletions are on their way out of memory: compact, and rewrite a file
	emptying              // a file was rewritten: there may be another
)

// collect takes one turn of giving back space; it rewrites at most one file of the value log. It runs beside commits.
func (s *Store) collect() error {
	switch stage := s.stage(); {
	case stage == flushed && s.young():
		return s.flushTable() // again, until there are enough tables for a compaction
	case stage != waiting:
		return s.compact(stage)
	case s.due():
		return s.flushTable()
	}
	return nil
}

func (s *Store) stage() stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.stage
}

func (s *Store) setStage(x stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.stage = x
}

// due says whether a collection is worth its work: it rewrites the whole tree of keys.
func (s *Store) due() bool {
	var tree int64
	for _, l := range s.db.Levels() {
		tree += l.Size
	}
	_, _, low := s.space.report()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.freed >= max(s.cfg.valueFile/2, tree) || (low && s.work.freed > 0)
}

// young says whether the tree is so small that all of it lies in its top level, where Badger leaves it.
func (s *Store) young() bool {
	for _, l := range s.db.Levels() {
		if l.Level > 0 && l.NumTables > 0 {
			return false
		}
	}
	return true
}

// compact has Badger merge its tables, which tells it what of each file is deleted, and rewrite a file that is so by half.
func (s *Store) compact(now stage) error {
	if err := s.beginCall(); err != nil {
		return err
	}
	defer s.calls.Done()
	if now == flushed {
		// An error only tells that another compaction has the tables; a real one has reached the watcher.
		_ = s.db.Flatten(1)
	}
	switch err := s.db.RunValueLogGC(0.5); {
	case err == nil:
		s.setStage(emptying)
	case errors.Is(err, badgerdb.ErrNoRewrite), errors.Is(err, badgerdb.ErrRejected): // no file, or the store closes
		s.setStage(waiting)
	default:
		s.setStage(waiting)
		return err
	}
	return nil
}

// flushTable fills Badger's table in memory with padding: only once the deletions are on disk does a compaction see them,
// and Badger has no call for that.
func (s *Store) flushTable() error {
	if err := s.enter(context.Background()); err != nil {
		return err
	}
	defer s.leave()
	const keys, rounds = 512, 9 // a little more than memTableSize
	ops := make([]op, keys)
	for i := range ops {
		ops[i] = op{[]byte{kindPadding, byte(i >> 8), byte(i)}, make([]byte, valueThreshold-1)}
	}
	for range rounds {
		if err := s.write(ops); err != nil {
			return err
		}
	}
	for i := range ops {
		ops[i].value = nil
	}
	if err := s.write(ops); err != nil {
		return err
	}
	s.publish(nil)
	s.mu.Lock()
	s.work.freed, s.work.stage = 0, flushed
	s.mu.Unlock()
	return nil
}
