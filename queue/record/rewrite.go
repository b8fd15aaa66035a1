package record

import (
	"fmt"
	"slices"
	"time"
)

// Rewrite returns a batch that covers the same [Base, Last] as b and holds the records that keep tells it to, with their offsets
// and times; maybe none. The codec stays (an empty batch has none). keep sees records in order, which alias b or a buffer and
// must not outlive the call. Errors: ErrCorrupt, ErrUnsupported, ErrTooLarge.
func Rewrite(b []byte, keep func(Record) bool) ([]byte, error) {
	return Join([][]byte{b}, keep)
}

// Join returns one batch in place of several that follow each other: it covers the first's Base to the last's Last and
// holds the records that keep (nil: all) tells it to, with their offsets and times. Its codec is that of the first compressed batch. The rest is as for Rewrite;
// batches that do not follow each other are ErrCorrupt, none at all are ErrEmpty.
func Join(batches [][]byte, keep func(Record) bool) ([]byte, error) {
	whole, err := checkChain(batches)
	if err != nil {
		return nil, err
	}
	var b Builder
	b.Reset(whole.Base)
	for _, batch := range batches {
		if err := b.keepRecords(batch, keep); err != nil {
			return nil, err
		}
	}
	b.next = whole.Last + 1
	if b.count == 0 {
		b.first, b.max = whole.MaxTime.UnixMilli(), whole.MaxTime.UnixMilli()
	}
	return b.Encode(nil, whole.Codec)
}

// Gather is Join for batches in order that may leave holes between them, and before and behind: the batch covers [base, last]. It returns how many records it
// holds; no batch if there are none. Errors: ErrCorrupt, also for a batch out of place, ErrUnsupported, ErrTooLarge.
func Gather(base, last Offset, batches [][]byte, keep func(Record) bool) (out []byte, kept int, err error) {
	if n := last - base + 1; n > MaxSpan {
		return nil, 0, fmt.Errorf("batch at %d: covers %d offsets: %w", base, n, ErrTooLarge)
	}
	var b Builder
	b.Reset(base)
	codec := None
	for _, batch := range batches {
		info, err := Check(batch)
		if err != nil {
			return nil, 0, err
		}
		if info.Base < b.next || info.Last > last {
			return nil, 0, fmt.Errorf("batch %d–%d among those from %d to %d: %w", info.Base, info.Last, b.next, last, ErrCorrupt)
		}
		if codec == None {
			codec = info.Codec
		}
		if err := b.keepRecords(batch, keep); err != nil {
			return nil, 0, err
		}
		b.next = info.Last + 1
	}
	if b.count == 0 {
		return nil, 0, nil
	}
	b.next = last + 1
	out, err = b.Encode(nil, codec)
	return out, b.count, err
}

// checkChain verifies batches and returns what one in their place would cover.
func checkChain(batches [][]byte) (Info, error) {
	if len(batches) == 0 {
		return Info{}, ErrEmpty
	}
	var whole Info
	for i, b := range batches {
		info, err := Check(b)
		if err != nil {
			return Info{}, err
		}
		if i == 0 {
			whole = info
			continue
		}
		if info.Base != whole.Last+1 {
			return Info{}, fmt.Errorf("batch at %d follows one that ends at %d: %w", info.Base, whole.Last, ErrCorrupt)
		}
		whole.Last = info.Last
		whole.MaxTime = later(whole.MaxTime, info.MaxTime)
		if whole.Codec == None {
			whole.Codec = info.Codec
		}
	}
	if n := whole.Last - whole.Base + 1; n > MaxSpan {
		return Info{}, fmt.Errorf("batch at %d: covers %d offsets: %w", whole.Base, n, ErrTooLarge)
	}
	return whole, nil
}

// keepRecords adds the records of a batch that keep tells it to, at their own offsets.
func (b *Builder) keepRecords(batch []byte, keep func(Record) bool) error {
	if err := b.src.Reset(batch); err != nil {
		return err
	}
	b.body = slices.Grow(b.body, len(b.src.body))
	for b.src.Next() {
		if keep != nil && !keep(b.src.Record()) {
			continue
		}
		b.next = b.src.Offset()
		b.copyRecord(b.src.time, b.src.tail)
		if err := b.fits(); err != nil {
			return err
		}
	}
	return b.src.err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
