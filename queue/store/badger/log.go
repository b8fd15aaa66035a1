package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// log is one open log. It implements store.Log and store.Filler. After Drop all of it is trimmed.
type log struct {
	s  *Store
	st *state
}

// view is a moment of a log: its bounds, and a transaction and the commits behind it that hold exactly what they tell of.
type view struct {
	seq  uint64 // of what Badger has
	head head
	tail tail
	edge store.Offset // from here on batches are in the tail
	txn  *badgerdb.Txn
}

// maxTries bounds how often a read begins anew because the log was trimmed or rewritten beneath it.
const maxTries = 8

// Bounds implements store.Log.
func (l *log) Bounds() (start, end store.Offset, newest time.Time) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if h := l.st.head; h.maxTime != noTime {
		newest = time.UnixMilli(h.maxTime).UTC()
	}
	return l.st.head.start, l.st.head.end, newest
}

// Read implements store.Log.
func (l *log) Read(ctx context.Context, from store.Offset, maxBytes int) ([]store.Batch, error) {
	return l.run(ctx, from, maxBytes, nil)
}

// Fill implements store.Filler.
func (l *log) Fill(ctx context.Context, from store.Offset, into []byte) ([]store.Batch, error) {
	return l.run(ctx, from, len(into), into)
}

// run reads batches, into memory that is given if they fit.
func (l *log) run(ctx context.Context, from store.Offset, maxBytes int, into []byte) ([]store.Batch, error) {
	var out []store.Batch
	err := l.read(ctx, func(v *view) (err error) {
		out, err = l.batches(v, from, maxBytes, into)
		return err
	})
	if errors.Is(err, store.ErrCorrupt) {
		err = l.extent(ctx, from, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read log %d at %d: %w", l.st.id, from, err)
	}
	return out, nil
}

// extent says how far the damage goes that was met at an offset: up to the next batch, since batches follow each other without holes. Keys are in the tables, which
// are checked when they are opened, whatever became of values.
func (l *log) extent(ctx context.Context, from store.Offset, damage error) error {
	v, err := l.begin(ctx)
	if err != nil {
		return damage
	}
	defer l.end(v)
	if from < v.head.start || from >= v.edge {
		return damage
	}
	return &store.Damage{From: from, Last: l.nextBase(v, from) - 1, Err: damage}
}

// nextBase returns where the next batch behind an offset begins, up to the view's edge.
func (l *log) nextBase(v *view, at store.Offset) store.Offset {
	it := v.txn.NewIterator(badgerdb.IteratorOptions{Prefix: logKey(kindBatch, l.st.id)})
	defer it.Close()
	if it.Seek(batchKey(l.st.id, at+1)); it.Valid() {
		return min(v.edge, store.Offset(lastNumber(it.Item().Key())))
	}
	return v.edge
}

// OffsetForTime implements store.Log.
func (l *log) OffsetForTime(ctx context.Context, t time.Time) (store.Offset, error) {
	var at store.Offset
	look := func(header func(*view, store.Offset) (store.Batch, error)) error {
		return l.read(ctx, func(v *view) (err error) {
			at, err = search(v, t, header)
			return err
		})
	}
	err := look(l.header)
	if errors.Is(err, store.ErrCorrupt) {
		err = look(l.headerOrNext)
	}
	if err != nil {
		return 0, fmt.Errorf("look up time in log %d: %w", l.st.id, err)
	}
	return at, nil
}

// Note implements store.Log. A note below the log's start is gone.
func (l *log) Note(ctx context.Context, j store.Journal, at store.Offset) ([]byte, error) {
	var note []byte
	id := l.journalID(j)
	key := noteKey(l.st.id, id, at)
	behind := l.s.noted(key) // before the view begins, which has what Badger gets until then
	err := l.read(ctx, func(v *view) (err error) {
		if id == 0 || at < v.head.start {
			return nil
		}
		sealed := bytes.Clone(behind.value)
		if behind.seq == 0 {
			sealed, err = getValue(v.txn, key)
		}
		if err != nil || sealed == nil {
			return err
		}
		note, err = unseal(key, sealed)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("note %q of log %d at %d: %w", j, l.st.id, at, err)
	}
	return note, nil
}

func (l *log) journalID(name store.Journal) journalID {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if j := l.st.journals[name]; j != nil {
		return j.id
	}
	return 0
}

// noted returns the note behind at a key; its seq is 0 if there is none.
func (s *Store) noted(key []byte) noted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.notes[string(key)]
}

// read runs fn in a view of the log. What looks damaged is read once more in a new view, because Badger may have moved the value to
// another file meanwhile, and as often as the log's start or its rewrites tell that what was looked for is gone by right.
func (l *log) read(ctx context.Context, fn func(*view) error) error {
	var before head
	for try := 0; ; try++ {
		v, err := l.begin(ctx)
		if err != nil {
			return err
		}
		err = fn(v)
		l.end(v)
		if !errors.Is(err, errDamaged) {
			return err
		}
		same := before.start == v.head.start && before.rewrites == v.head.rewrites
		if (try > 0 && same) || try == maxTries {
			return corrupt("%v", err)
		}
		before = v.head
	}
}

// begin opens a view. end must follow.
func (l *log) begin(ctx context.Context) (*view, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := new(view)
	var err error
	v.seq, err = l.s.beginRead(func() { v.head, v.tail = l.st.head, l.s.index.tails[l.st.id] })
	if err != nil {
		return nil, err
	}
	v.edge = v.tail.edge(v.head.end)
	v.txn = l.s.db.NewTransactionAt(v.seq, false)
	return v, nil
}

func (l *log) end(v *view) {
	v.txn.Discard()
	l.s.endRead(v.seq)
}

// batches returns the batch that covers from and its successors.
func (l *log) batches(v *view, from store.Offset, maxBytes int, into []byte) ([]store.Batch, error) {
	switch {
	case from < v.head.start:
		return nil, fmt.Errorf("%w: the start is %d", store.ErrTrimmed, v.head.start)
	case from > v.head.end:
		return nil, fmt.Errorf("%w: the end is %d", store.ErrOutOfRange, v.head.end)
	case from == v.head.end:
		return nil, nil
	}
	b, err := l.covering(v, from, into)
	if err != nil {
		return nil, err
	}
	out := []store.Batch{b}
	for size := len(b.Bytes); size < maxBytes && b.Last+1 < v.head.end; size += len(b.Bytes) {
		into = into[min(len(b.Bytes), len(into)):]
		b, err = l.batch(v, b.Last+1, maxBytes-size, into)
		if errors.Is(err, errLarge) || errors.Is(err, errDamaged) { // who reads on there hears of it
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// errLarge says that a batch has more bytes than were asked for.
var errLarge = errors.New("the batch is too large")

// batch returns the batch that begins at base, checked. Errors: also badgerdb.ErrKeyNotFound, in errDamaged; errLarge.
func (l *log) batch(v *view, base store.Offset, maxBytes int, into []byte) (b store.Batch, err error) {
	if base >= v.edge {
		return l.batchBehind(v, base, maxBytes, into)
	}
	key := batchKey(l.st.id, base)
	item, err := v.txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err == nil {
		b, err = l.s.readBatch(item, key, maxBytes, into)
	}
	if err == nil {
		err = checkBatch(&b, v.head.end)
	}
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch at %d: %w", base, err)
	}
	return b, nil
}

// readBatch reads a stored batch as copyBatch does.
func (s *Store) readBatch(item *badgerdb.Item, key []byte, maxBytes int, into []byte) (b store.Batch, err error) {
	var head [batchHeaderLen]byte
	if s.bypass.read(item, head[:], func(n int) []byte {
		switch b, err = parseBatch(key, head[:]); {
		case err != nil || n == 0:
			return nil
		case n > maxBytes:
			err = errLarge
			return nil
		case n > len(into):
			into = make([]byte, n)
		}
		b.Bytes = into[:n:n]
		return b.Bytes
	}) {
		return b, err
	}
	err = item.Value(func(value []byte) error {
		b, err = copyBatch(key, value, maxBytes, into)
		return err
	})
	return b, err
}

// copyBatch reads a stored batch of at most maxBytes and copies its bytes: to the beginning of into, if there is room for them.
func copyBatch(key, value []byte, maxBytes int, into []byte) (store.Batch, error) {
	b, err := parseBatch(key, value)
	if err != nil {
		return b, err
	}
	if len(b.Bytes) > maxBytes {
		return b, errLarge
	}
	b.Bytes = append(into[:0:len(into)], b.Bytes...)
	return b, nil
}

// batchBehind returns the batch that covers an offset from the view's edge on.
func (l *log) batchBehind(v *view, at store.Offset, maxBytes int, into []byte) (store.Batch, error) {
	b := v.tail.covering(at)
	if b == nil {
		return store.Batch{}, corrupt("batch that covers %d is not among the newest commits", at)
	}
	return copyBatch(b.key, b.value, maxBytes, into)
}

// covering returns the batch that covers an offset: mostly one begins there, because readers go from batch to batch.
func (l *log) covering(v *view, at store.Offset, into []byte) (store.Batch, error) {
	if at >= v.edge {
		return l.batchBehind(v, at, math.MaxInt, into)
	}
	b, err := l.batch(v, at, math.MaxInt, into)
	if !errors.Is(err, badgerdb.ErrKeyNotFound) {
		return b, err
	}
	err = l.floor(v, at, func(key []byte, item *badgerdb.Item) (err error) {
		b, err = l.s.readBatch(item, key, math.MaxInt, into)
		return err
	})
	if err == nil && b.Last < at {
		err = errDamaged // the chain is broken between the two
	}
	if err == nil {
		err = checkBatch(&b, v.head.end)
	}
	if err != nil {
		return store.Batch{}, fmt.Errorf("batch that covers %d: %w", at, err)
	}
	return b, nil
}

// floor calls fn with the last batch that begins at an offset or before it.
func (l *log) floor(v *view, at store.Offset, fn func(key []byte, item *badgerdb.Item) error) error {
	it := v.txn.NewIterator(badgerdb.IteratorOptions{Prefix: logKey(kindBatch, l.st.id), Reverse: true})
	defer it.Close()
	it.Seek(batchKey(l.st.id, at))
	if !it.Valid() {
		return errDamaged
	}
	return fn(it.Item().KeyCopy(nil), it.Item())
}

// checkBatch checks a batch's bytes against their own checksum, and its place against the log's end.
func checkBatch(b *store.Batch, end store.Offset) error {
	if b.Last >= end {
		return errDamaged
	}
	if len(b.Bytes) == 0 {
		return nil
	}
	if _, err := record.Check(b.Bytes); err != nil {
		return fmt.Errorf("%w: %v", errDamaged, err)
	}
	return nil
}

// search finds the first batch whose time is not before t. Times never go back, so that halving offsets finds it.
func search(v *view, t time.Time, header func(*view, store.Offset) (store.Batch, error)) (store.Offset, error) {
	lo, hi := v.head.start, v.head.end // the answer lies in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		b, err := header(v, mid)
		if err != nil {
			return 0, err
		}
		if b.MaxTime.Before(t) {
			lo = b.Last + 1
		} else {
			hi = max(lo, b.Base)
		}
	}
	return lo, nil
}

// header returns the batch that covers an offset, without its bytes.
func (l *log) header(v *view, at store.Offset) (b store.Batch, err error) {
	if at >= v.edge {
		b, err = l.batchBehind(v, at, math.MaxInt, nil)
		b.Bytes = nil
		return b, err
	}
	err = l.floor(v, at, func(key []byte, item *badgerdb.Item) error {
		return item.Value(func(value []byte) error {
			b, err = parseBatch(key, value)
			b.Bytes = nil
			return err
		})
	})
	if err == nil && (b.Last < at || b.Last >= v.head.end) {
		err = errDamaged
	}
	if err != nil {
		return b, fmt.Errorf("batch that covers %d: %w", at, err)
	}
	return b, nil
}

// headerOrNext is header where that may be damaged: then it is of the time of the next batch whose header is not, which is not before its own.
func (l *log) headerOrNext(v *view, at store.Offset) (store.Batch, error) {
	for next := at; ; {
		b, err := l.header(v, next)
		switch {
		case err == nil && next != at:
			return store.Batch{Base: at, Last: b.Base - 1, MaxTime: b.MaxTime}, nil
		case !errors.Is(err, errDamaged):
			return b, err
		}
		if next = l.nextBase(v, next); next >= v.head.end { // all of the newest: it has their time
			return store.Batch{Base: at, Last: v.head.end - 1, MaxTime: time.UnixMilli(v.head.maxTime).UTC()}, nil
		}
	}
}
