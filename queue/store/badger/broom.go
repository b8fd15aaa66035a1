package badger

import (
	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

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
	s.publish(nil, nil)
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
