package record

import (
	"fmt"
	"math"
	"slices"
)

// Builder encodes records into a batch. The zero value begins at offset 0. It keeps its buffers from batch to batch, so
// that a record costs no allocation.
//
// Append grows it as far as its caller lets it: a batch over MaxUncompressed is refused by Encode.
type Builder struct {
	span
	body []byte // the records so far, encoded

	src Reader // of what a rewrite takes over
}

// span is what a Builder knows of its records beside their bytes.
type span struct {
	base, next Offset
	count      int
	first, max int64 // milliseconds: of the first record, of the newest
}

// Reset throws the records away and begins a batch at base.
func (b *Builder) Reset(base Offset) {
	if base < 0 {
		panic("record: offsets are not negative")
	}
	if cap(b.body) > keepBuffer {
		b.body = nil
	}
	b.span = span{base: base, next: base}
	b.body = b.body[:0]
}

// Append adds a record at the next offset, whatever its Offset says. Its Timestamp must not be before that of the record
// in front of it: if it is, it becomes the same. Nothing of r is kept.
func (b *Builder) Append(r Record) {
	p := b.front(b.forward(r.Timestamp.UnixMilli()), tailSize(&r))
	p = appendBytes(p, r.Key)
	p = appendBytes(p, r.Value)
	p = appendVarint(p, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		p = append(appendVarint(p, int64(len(h.Name))), h.Name...)
		p = appendBytes(p, h.Value)
	}
	b.body = p
}

// copyRecord adds a record at the next offset, its time taken as it is.
func (b *Builder) copyRecord(ms int64, tail []byte) {
	b.body = append(b.front(ms, len(tail)), tail...)
}

// forward returns the time, in milliseconds, that a record told to have ms gets.
func (b *Builder) forward(ms int64) int64 {
	if b.count == 0 {
		return ms
	}
	return max(ms, b.max)
}

// fits tells whether the records are few enough bytes for a batch.
func (b *Builder) fits() error {
	if len(b.body) > MaxUncompressed {
		return fmt.Errorf("batch at %d: %d bytes of records: %w", b.base, len(b.body), ErrTooLarge)
	}
	return nil
}

// front counts in a record whose tail takes so many bytes, and returns the body with everything of it but the tail and room for that.
func (b *Builder) front(ms int64, tail int) []byte {
	if b.count == 0 {
		b.first, b.max = ms, ms
	}
	b.max = max(b.max, ms)
	elapsed, delta := ms-b.first, int64(b.next-b.base)
	b.next++
	b.count++
	length := 1 + varintSize(elapsed) + varintSize(delta) + tail
	p := slices.Grow(b.body, maxVarint32+length)
	p = appendVarint(p, int64(length))
	p = append(p, 0) // attributes: Kafka has no use for them yet
	p = appendVarint(p, elapsed)
	return appendVarint(p, delta)
}

// Len is how many records there are.
func (b *Builder) Len() int { return b.count }

// Size is the bytes of the batch so far, if not compressed.
func (b *Builder) Size() int { return HeaderSize + len(b.body) }

// Encode appends the sealed batch to dst. The Builder stays as it is. Errors: ErrEmpty without a record, ErrTooLarge,
// ErrUnsupported for an unknown codec.
func (b *Builder) Encode(dst []byte, c Codec) ([]byte, error) {
	if err := b.fits(); err != nil {
		return nil, err
	}
	switch {
	case b.next == b.base:
		return nil, fmt.Errorf("batch at %d: %w", b.base, ErrEmpty)
	case b.next-b.base > MaxSpan || b.base > math.MaxInt64-MaxSpan:
		return nil, fmt.Errorf("batch at %d: covers %d offsets: %w", b.base, b.next-b.base, ErrTooLarge)
	case b.count == 0:
		c = None // decoders of other clients fail on no bytes at all
	}
	at := len(dst)
	if c == None {
		dst = slices.Grow(dst, b.Size())
	} else {
		dst = slices.Grow(dst, HeaderSize+len(b.body)/4)
	}
	dst = append(dst, make([]byte, HeaderSize)...)
	dst, err := compress(dst, c, b.body)
	if err != nil {
		return nil, fmt.Errorf("batch at %d: %w", b.base, err)
	}
	header{
		base: b.base, lastDelta: int64(b.next-b.base) - 1, codec: c, first: b.first, maxTime: b.max, count: b.count,
	}.put(dst[at:])
	return dst, nil
}
