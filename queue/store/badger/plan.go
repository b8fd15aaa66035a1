package badger

import (
	"errors"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// op is one key to write or, with a nil value, to delete.
type op struct {
	key, value []byte
}

// isBatch says whether it stores a batch.
func (o *op) isBatch() bool { return o.key[0] == kindBatch && o.value != nil }

// cost bounds what an op takes of a transaction's size, as Badger counts it.
func (o *op) cost() int {
	const fixed = 2 + 10 // meta, user meta, version
	if len(o.value) < valueThreshold {
		return len(o.key) + len(o.value) + fixed
	}
	const pointer = 12
	return len(o.key) + pointer + fixed
}

// plan is one unit, checked and turned into operations.
type plan struct {
	drafts  []*draft
	ops     []op
	deltas  []delta
	bound   int   // of its cost
	bytes   int   // of values
	freed   int64 // bytes of batches that go
	garbage []garbage
}

// delta is one delta to pack with its neighbours.
type delta struct {
	log   store.LogID
	id    journalID
	seq   uint64
	bytes []byte
}

func (p *plan) put(key, value []byte) {
	o := op{key, value}
	p.ops = append(p.ops, o)
	p.bound += o.cost()
	p.bytes += len(value)
}

// count bounds the number of the unit's operations.
func (p *plan) count() int {
	n := len(p.ops) + len(p.deltas)
	for _, d := range p.drafts {
		n += d.count()
	}
	return n
}

// edit checks one edit against the draft, which it moves on, and plans it. txn reads what is durable; it is nil unless
// the edit rewrites. The order of parts is the suite's: Append, Start, Rewrite, Entries, Notes.
func (p *plan) edit(d *draft, e *store.Edit, txn *badgerdb.Txn) error {
	if d.dropped {
		return invalid("not open")
	}
	if e.Drop {
		d.dropped = true
		p.garbage = append(p.garbage, garbage{kind: dropped, log: e.Log})
		return nil
	}
	before := d.head.end
	if err := p.append(d, e); err != nil {
		return err
	}
	if e.Start > d.head.end {
		return invalid("start %d is past the end %d", e.Start, d.head.end)
	}
	if e.Start > d.head.start {
		d.head.start, d.moved = e.Start, true
		p.garbage = append(p.garbage, garbage{kind: trimmed, log: e.Log})
	}
	if e.Rewrite != nil {
		if err := p.rewrite(d, e.Rewrite, before, txn); err != nil {
			return err
		}
	}
	for i := range e.Entries {
		if err := p.entry(d, &e.Entries[i]); err != nil {
			return err
		}
	}
	for i := range e.Notes {
		p.note(d, &e.Notes[i])
	}
	return nil
}

func (p *plan) append(d *draft, e *store.Edit) error {
	for i := range e.Append {
		b := &e.Append[i]
		if b.Base != d.head.end {
			return invalid("append at %d, the end is %d", b.Base, d.head.end)
		}
		t := b.MaxTime.UnixMilli()
		if t < d.head.maxTime {
			return invalid("time of batch at %d goes back", b.Base)
		}
		key := batchKey(e.Log, b.Base)
		p.put(key, appendBatch(make([]byte, 0, batchHeaderLen+len(b.Bytes)), key, b))
		d.head.end, d.head.maxTime, d.moved = b.Last+1, t, true
	}
	return nil
}

// rewrite plans one batch in place of all that lie in its range.
func (p *plan) rewrite(d *draft, b *store.Batch, before store.Offset, txn *badgerdb.Txn) error {
	log := d.st.id
	fail := func(why string) error { return invalid("rewrite of %d–%d: %s", b.Base, b.Last, why) }
	if b.Last >= before {
		return fail("past the end")
	}
	var gone [][]byte
	for at := b.Base; at <= b.Last; {
		key := batchKey(log, at)
		old, size, err := readHeader(txn, key)
		if err != nil {
			return err
		}
		p.freed += size
		if old == nil || old.Last > b.Last || (at == b.Base && old.Last < d.head.start) {
			return fail("not at the edges of batches")
		}
		if at != b.Base {
			gone = append(gone, key)
		}
		at = old.Last + 1
	}
	if err := checkTimes(txn, d, b); err != nil {
		return err
	}
	key := batchKey(log, b.Base)
	p.put(key, appendBatch(make([]byte, 0, batchHeaderLen+len(b.Bytes)), key, b))
	for _, k := range gone {
		p.put(k, nil)
	}
	d.head.rewrites++
	d.moved = true
	return nil
}

// checkTimes checks that a rewritten batch does not break the order of times with its neighbours.
func checkTimes(txn *badgerdb.Txn, d *draft, b *store.Batch) error {
	log, t := d.st.id, b.MaxTime.UnixMilli()
	if b.Base > d.head.start {
		key, v, err := lastBelow(txn, logKey(kindBatch, log), batchKey(log, b.Base-1))
		if err != nil {
			return err
		}
		if key != nil {
			prev, err := parseBatch(key, v)
			if err != nil {
				return err
			}
			if b.MaxTime.Before(prev.MaxTime) {
				return invalid("rewrite of %d–%d: time before its predecessor's", b.Base, b.Last)
			}
		}
	}
	next, _, err := readHeader(txn, batchKey(log, b.Last+1))
	if err != nil {
		return err
	}
	if t > d.head.maxTime || (next != nil && b.MaxTime.After(next.MaxTime)) {
		return invalid("rewrite of %d–%d: time after its successor's", b.Base, b.Last)
	}
	return nil
}

// readHeader returns the batch stored at a key without its bytes, and how many those are; nil if there is none.
func readHeader(txn *badgerdb.Txn, key []byte) (b *store.Batch, size int64, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	err = item.Value(func(v []byte) error {
		got, err := parseBatch(key, v)
		size = int64(len(got.Bytes))
		got.Bytes = nil // the value is only there for the moment
		b = &got
		return err
	})
	return b, size, err
}

func (p *plan) entry(d *draft, e *store.Entry) error {
	log := d.st.id
	old := d.journal(e.Journal)
	if old == nil {
		old = &journal{}
	}
	fail := func(format string, args ...any) error {
		return invalid("journal %q: "+format, append([]any{e.Journal}, args...)...)
	}
	switch e.Kind {
	case store.Delta:
		if e.Seq != old.last+1 {
			return fail("delta %d after %d", e.Seq, old.last)
		}
		j := d.changeJournal(e.Journal, false)
		j.last = e.Seq
		p.deltas = append(p.deltas, delta{log, j.id, e.Seq, e.Bytes})
		p.bound += 48 + min(len(e.Bytes), valueThreshold)
		p.bytes += len(e.Bytes)
	case store.Piece:
		if e.Seq <= old.checkpoint || e.Seq > old.last {
			return fail("piece at %d, want one after %d and up to %d", e.Seq, old.checkpoint, old.last)
		}
		if e.Part > 0 && (e.Seq != old.pending || e.Part != old.pieces) {
			return fail("piece %d of %d, while piece %d of %d is due", e.Part, e.Seq, old.pieces, old.pending)
		}
		j := d.changeJournal(e.Journal, false)
		if e.Part == 0 {
			j.pending, j.rounds = e.Seq, j.rounds+1
		}
		j.pieces = e.Part + 1
		key := pieceKey(log, j.id, j.rounds, e.Seq, e.Part)
		p.put(key, seal(key, append(make([]byte, 0, len(e.Bytes)+sumLen), e.Bytes...)))
	case store.Checkpoint:
		if e.Seq != old.pending || e.Part != old.pieces {
			return fail("checkpoint %d of %d pieces, while there are %d of %d", e.Seq, e.Part, old.pieces, old.pending)
		}
		j := d.changeJournal(e.Journal, true)
		j.checkpoint, j.parts, j.round = e.Seq, e.Part, j.rounds
		j.pending, j.pieces = 0, 0
		p.garbage = append(p.garbage, garbage{kind: checkpointed, log: log, name: e.Journal})
	case store.Forget:
		if old.id == 0 {
			return nil
		}
		d.setJournal(e.Journal, nil, true)
		key := garbageKey(log, old.id)
		p.put(key, numbers(key))
		p.garbage = append(p.garbage, garbage{kind: forgotten, log: log, id: old.id})
	}
	return nil
}

func (p *plan) note(d *draft, n *store.Note) {
	j := d.journal(n.Journal)
	if n.At < d.head.start || (j == nil && len(n.Bytes) == 0) {
		return // gone already
	}
	if j == nil {
		j = d.changeJournal(n.Journal, true)
	}
	key := noteKey(d.st.id, j.id, n.At)
	if len(n.Bytes) == 0 {
		p.put(key, nil)
		return
	}
	p.put(key, seal(key, append(make([]byte, 0, len(n.Bytes)+sumLen), n.Bytes...)))
}
