package partition

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/record"
)

// Whole is stored batches that follow each other, as they are; batches without records are left out. Records before the offset that was asked for are
// among them. The bytes are shared: nobody changes them.
type Whole struct {
	Batches [][]byte
	Records int           // in the batches
	Bytes   int64         // of the batches
	Next    record.Offset // where to go on
}

// wholeChunk is about how many bytes one step of ReadWhole takes.
const wholeChunk = 1 << 20

// ReadWhole reads the batches from the one that covers an offset on, up to end: one, and more until there are count records or bytes of them, unless the next one
// would go over bytes. Errors: store.ErrTrimmed, store.ErrOutOfRange, store.ErrCorrupt.
func (p *Partition) ReadWhole(ctx context.Context, from, end record.Offset, count int, bytes int64) (w Whole, err error) {
	w.Next = from
	for w.Next < end && w.Records < count && w.Bytes < bytes {
		entries, err := p.entries(ctx, w.Next, int(min(bytes-w.Bytes, wholeChunk)))
		if err != nil || len(entries) == 0 {
			return w, err
		}
		for _, e := range entries {
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
