package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// entries returns the batch that covers from and its successors, up to about maxBytes; none at the end.
// Errors: store.ErrTrimmed, store.ErrOutOfRange, store.ErrCorrupt.
func (p *Partition) entries(ctx context.Context, from record.Offset, maxBytes int) ([]*entry, error) {
	start, end := p.Bounds()
	if from < start {
		return nil, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, from, store.ErrTrimmed)
	}
	if from == end {
		return nil, nil
	}
	if held := p.cache.read(p.ID, from, maxBytes); held != nil {
		return held, nil
	}
	age := p.cache.age(p.ID)
	batches, err := p.log.Read(ctx, from, maxBytes)
	if err != nil {
		return nil, p.failed(from, err)
	}
	return p.cache.keep(p.ID, batches, age), nil
}

// cached returns the batch that covers an offset, nil if it is not in the cache or is trimmed.
func (p *Partition) cached(at record.Offset) []*entry {
	if start, _ := p.Bounds(); at < start {
		return nil
	}
	return p.cache.read(p.ID, at, 0)
}

// errStop ends a Scan without an error.
var errStop = errors.New("stop")

// Stop is what Scan's function returns to end it.
func Stop() error { return errStop }

// Scan calls fn for each record from an offset on until the durable end, in order, until fn returns Stop or another
// error. chunk is about how many bytes are read at a time. Holes are passed over. fn gets the reader at the
// record: it asks only for what it needs, and keeps no reference to the reader. The bytes are shared: nobody changes them.
func (p *Partition) Scan(ctx context.Context, from record.Offset, chunk int, fn func(*record.Reader) error) error {
	_, end := p.Bounds()
	for from < end {
		batches, err := p.entries(ctx, from, chunk)
		if err != nil {
			return err
		}
		for _, b := range batches {
			if b.Base >= end {
				// The store and the cache have a batch a moment before Bounds does: who got its records now could not find them again.
				return nil
			}
			if err := scanBatch(b.Batch, from, fn); err != nil {
				if errors.Is(err, errStop) {
					return nil
				}
				return p.failed(b.Base, err)
			}
			from = b.Last + 1
		}
	}
	return nil
}

// Piece is some batches of a partition, in a row, that were read for what nobody is likely to read again soon: the cache keeps nothing of them.
type Piece struct {
	part    *Partition
	from    record.Offset
	batches []store.Batch
	next    record.Offset
}

// Piece reads about len(into) bytes from an offset on; they may lie in into. At the durable end there are none.
func (p *Partition) Piece(ctx context.Context, from record.Offset, into []byte) (Piece, error) {
	start, end := p.Bounds()
	if from >= end {
		return Piece{next: end}, nil
	}
	if from < start {
		return Piece{}, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, from, store.ErrTrimmed)
	}
	read := func(ctx context.Context, from record.Offset, into []byte) ([]store.Batch, error) {
		return p.log.Read(ctx, from, len(into))
	}
	if f, ok := p.log.(store.Filler); ok {
		read = f.Fill
	}
	batches, err := read(ctx, from, into)
	if err != nil {
		return Piece{}, p.failed(from, err)
	}
	for n := len(batches); n > 0 && batches[n-1].Base >= end; n-- {
		batches = batches[:n-1]
	}
	x := Piece{part: p, from: from, batches: batches, next: end}
	if n := len(batches); n > 0 {
		x.next = batches[n-1].Last + 1
	}
	return x, nil
}

// Beyond is the piece without records that damage is: the next one begins behind it.
func (p *Partition) Beyond(d *store.Damage) Piece { return Piece{part: p, next: d.Last + 1} }

// Next is where the piece behind this one begins; the durable end if there is none.
func (x *Piece) Next() record.Offset { return x.next }

// Each calls fn for each record of the piece, in order, as Scan does.
func (x *Piece) Each(fn func(*record.Reader) error) error {
	for _, b := range x.batches {
		if err := scanBatch(b, x.from, fn); err != nil {
			return x.part.failed(b.Base, err)
		}
	}
	return nil
}

// damaged says in the store's words that a batch cannot be decoded from an offset on. What only another version can read is not given up.
func damaged(err error, from, last record.Offset) error {
	switch {
	case errors.Is(err, record.ErrCorrupt):
		return &store.Damage{From: from, Last: last, Err: fmt.Errorf("%w: %w", store.ErrCorrupt, err)}
	case errors.Is(err, record.ErrUnsupported):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return err
}

func scanBatch(b store.Batch, from record.Offset, fn func(*record.Reader) error) error {
	if len(b.Bytes) == 0 { // a hole
		return nil
	}
	next := max(from, b.Base)
	r, err := record.NewReader(b.Bytes)
	if err != nil {
		return damaged(err, next, b.Last)
	}
	for r.Next() {
		if r.Offset() < from {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
		next = r.Offset() + 1
	}
	if err := r.Err(); err != nil {
		return damaged(err, next, b.Last)
	}
	return nil
}

// Find returns one record, or record.ErrNotFound for a hole; store.ErrTrimmed, store.ErrOutOfRange (at or past the end). Its bytes are shared.
func (p *Partition) Find(ctx context.Context, at record.Offset) (record.Record, error) {
	return NewCursor(p).Find(ctx, at)
}

// OffsetForTime returns the offset of the first record not before t; the end if there is none.
func (p *Partition) OffsetForTime(ctx context.Context, t time.Time) (record.Offset, error) {
	from, err := p.log.OffsetForTime(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("look up a time in %s/%d: %w", p.Topic, p.Index, err)
	}
	start, end := p.Bounds()
	at := end
	err = p.Scan(ctx, max(from, start), 0, func(r *record.Reader) error {
		if r.Record().Timestamp.Before(t) {
			return nil
		}
		at = r.Offset()
		return Stop()
	})
	if d := (*store.Damage)(nil); errors.As(err, &d) { // it may lie in there
		return max(d.From, start), nil
	}
	return at, err
}
