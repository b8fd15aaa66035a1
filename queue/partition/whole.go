package partition

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Whole is stored batches that follow each other, as they are; batches without records are left out. Records before the offset that was asked for are
// among them. The bytes are shared: nobody changes them, nor looks at them after the end of the share that they were read for.
type Whole struct {
	Batches [][]byte      // each element one batch, or several one behind the other
	Records int           // in the batches
	Bytes   int64         // of the batches
	Size    int64         // of the last batch that was read
	Next    record.Offset // where to go on
}

// passing is entries for who reads a partition from one end to the other: what is not in the cache does not come into it, where it would push out what others read.
// The answer that room is of gives the memory, if it can.
func (p *Partition) passing(ctx context.Context, from record.Offset, maxBytes int, room *Share) (batches []store.Batch, err error) {
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
	if filler, into := p.filler(maxBytes, room); into != nil {
		batches, err = filler.Fill(ctx, from, into)
	} else {
		batches, err = p.log.Read(ctx, from, maxBytes)
	}
	if err != nil {
		return nil, p.failed(from, err)
	}
	return batches, nil
}

// filler returns memory of an answer and who reads into it; nil if there is none of both.
func (p *Partition) filler(maxBytes int, room *Share) (store.Filler, []byte) {
	f, ok := p.log.(store.Filler)
	if !ok {
		return nil, nil
	}
	return f, room.space(maxBytes)
}

// Stream is Scan for who reads a partition from one end to the other, up to end: it leaves the cache to those who read here and there.
func (p *Partition) Stream(ctx context.Context, from, end record.Offset, chunk int, fn func(*record.Reader) error) error {
	for from < end {
		batches, err := p.passing(ctx, from, chunk, nil)
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
				return p.failed(b.Base, err)
			}
			from = b.Last + 1
		}
	}
	return nil
}

// wholeChunk is about how many bytes one step of ReadWhole takes.
const wholeChunk = 256 << 10

// ReadWhole reads the batches from the one that covers an offset on, up to end: one, and more until there are count records or bytes of them, unless the next one
// would go over bytes, or one as large as the last would. room is of the answer that they are read for, or nil. Errors: store.ErrTrimmed, store.ErrOutOfRange, store.ErrCorrupt.
func (p *Partition) ReadWhole(ctx context.Context, from, end record.Offset, count int, bytes int64, room *Share) (w Whole, err error) {
	w.Next = from
	began := time.Now()
	for w.Next < end && w.Records < count && w.Bytes < bytes && w.Bytes+w.Size <= bytes {
		if w.Bytes > 0 {
			began = pace(began)
		}
		batches, err := p.passing(ctx, w.Next, int(min(bytes-w.Bytes, wholeChunk)), room)
		if err != nil || len(batches) == 0 {
			return w, err
		}
		for _, e := range batches {
			w.Size = int64(len(e.Bytes))
			if w.Records >= count || w.Records > 0 && w.Bytes+w.Size > bytes || e.Base >= end {
				return w, nil
			}
			b := room.use(e.Bytes)
			w.Next = e.Last + 1
			if w.Size == 0 { // a hole
				continue
			}
			info, err := record.Peek(b)
			if err != nil {
				return w, p.failed(e.Base, damaged(err, e.Base, e.Last))
			}
			if info.Count > 0 {
				w.add(b, info.Count)
			}
		}
	}
	return w, nil
}

// Bounds of pause.
const (
	crowded   = 50 * time.Microsecond // somebody waited for the processor
	pauseTime = 4                     // times what a chunk took
	maxPause  = 5 * time.Millisecond
)

// pace stands between two chunks, of which the first began a while ago, and returns when the second begins. Those run who wait for the processor: their calls are short.
func pace(began time.Time) time.Time {
	took := time.Since(began)
	yielded := time.Now()
	runtime.Gosched()
	if d := pause(took, time.Since(yielded)); d > 0 {
		time.Sleep(d)
	}
	return time.Now()
}

// pause returns how long a reader in bulk stands back after a chunk, when it had to wait that long for its turn: a fifth of the time is left to it, of the disk too. Alone it
// never waits.
func pause(took, waited time.Duration) time.Duration {
	if waited <= crowded {
		return 0
	}
	return min(pauseTime*took, maxPause)
}

// add adds a batch: to the element before, if it lies right behind it.
func (w *Whole) add(b []byte, records int) {
	w.Records += records
	w.Bytes += int64(len(b))
	if n := len(w.Batches); n > 0 && adjoin(w.Batches[n-1], b) {
		last := w.Batches[n-1]
		w.Batches[n-1] = last[:len(last)+len(b)]
		return
	}
	w.Batches = append(w.Batches, b)
}

// adjoin tells whether b lies right behind a in memory, and within a's capacity.
func adjoin(a, b []byte) bool {
	return len(b) > 0 && cap(a)-len(a) >= len(b) && &a[:len(a)+1][len(a)] == &b[0]
}
