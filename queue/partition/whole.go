package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Whole is stored batches that follow each other, as they are; batches without records are left out. Records before the offset that was asked for are
// among them. The bytes are shared: nobody changes them.
type Whole struct {
	Batches [][]byte
	Records int           // in the batches
	Bytes   int64         // of the batches
	Next    record.Offset // where to go on
}

// passing is entries for who reads a partition from one end to the other: what is not in the cache does not come into it, where it would push out what others read.
func (p *Partition) passing(ctx context.Context, from record.Offset, maxBytes int) ([]store.Batch, error) {
	start, end := p.Bounds()
	switch {
	case from < start:
		return nil, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, from, store.ErrTrimmed)
	case from == end:
		return nil, nil
	}
	if held := p.cache.read(p.ID, from, maxBytes); held != nil {
		out := make([]store.Batch, len(held))
		for i, e := range held {
			out[i] = e.Batch
		}
		return out, nil
	}
	batches, err := p.log.Read(ctx, from, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, from, err)
	}
	return batches, nil
}

// Stream is Scan for who reads a partition from one end to the other, up to end: it leaves the cache to those who read here and there.
func (p *Partition) Stream(ctx context.Context, from, end record.Offset, chunk int, fn func(*record.Reader) error) error {
	for from < end {
		batches, err := p.passing(ctx, from, chunk)
		if err != nil || len(batches) == 0 {
			return err
		}
		for _, b := range batches {
			if b.Base >= end {
				return nil
			}
			if err := scanBatch(b, from, fn); errors.Is(err, errStop) {
				return nil
			} else if err != nil {
				return fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, b.Base, damaged(err))
			}
			from = b.Last + 1
		}
	}
	return nil
}

// wholeChunk is about how many bytes one step of ReadWhole takes.
const wholeChunk = 1 << 20

// ReadWhole reads the batches from the one that covers an offset on, up to end: one, and more until there are count records or bytes of them, unless the next one
// would go over bytes. Errors: store.ErrTrimmed, store.ErrOutOfRange, store.ErrCorrupt.
func (p *Partition) ReadWhole(ctx context.Context, from, end record.Offset, count int, bytes int64) (w Whole, err error) {
	w.Next = from
	for w.Next < end && w.Records < count && w.Bytes < bytes {
		batches, err := p.passing(ctx, w.Next, int(min(bytes-w.Bytes, wholeChunk)))
		if err != nil || len(batches) == 0 {
			return w, err
		}
		for _, e := range batches {
			size := int64(len(e.Bytes))
			if w.Records >= count || w.Records > 0 && w.Bytes+size > bytes || e.Base >= end {
				return w, nil
			}
			w.Next = e.Last + 1
			if size == 0 { // a hole
				continue
			}
			info, err := record.Peek(e.Bytes)
			if err != nil {
				return w, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, e.Base, damaged(err))
			}
			if info.Count > 0 {
				w.Batches = append(w.Batches, e.Bytes)
				w.Records += info.Count
				w.Bytes += size
			}
		}
	}
	return w, nil
}
