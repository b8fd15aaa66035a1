package record

import (
	"fmt"
	"time"
)

// Reader goes through the records of one batch after the other. The zero value has no records; Reset gives it some.
//
// It is strict: lengths must fit, offsets must rise within [Base, Last], and the records must be as many as the header
// says and fill the batch.
type Reader struct {
	info Info
	base int64 // milliseconds that timestamp deltas count from
	same bool  // all records have the time base

	body []byte // the records, uncompressed: the batch's own bytes, or buf
	buf  []byte // kept from batch to batch
	pos  int    // where the next record begins in body
	left int    // records not yet read
	prev int64  // the current record's offset delta, −1 before the first
	err  error

	// The current record.
	time    int64
	key     []byte
	value   []byte
	tail    []byte // from the key's length to the end: what a merge copies
	headers []byte // the headers, encoded
	named   int    // how many there are
	size    int

	slab []Header // where Record takes its Headers from; handed out once
	last []Header // those of the record before, for their names
}

// NewReader returns a Reader at the start of the batch that is b. It looks at the header, not at the checksum, which is
// for Check, and decompresses if needed. Errors: ErrCorrupt, ErrUnsupported.
func NewReader(b []byte) (*Reader, error) {
	r := new(Reader)
	if err := r.Reset(b); err != nil {
		return nil, err
	}
	return r, nil
}

// Reset makes r read the batch that is b, as NewReader does. Records read before from a compressed batch are overwritten.
// After an error r has no records.
func (r *Reader) Reset(b []byte) error {
	r.clear()
	info, err := Peek(b)
	if err != nil {
		return r.stop(err)
	}
	body := b[HeaderSize:]
	if info.Codec != None && len(body) > 0 { // an empty batch may say any codec
		if cap(r.buf) > keepBuffer {
			r.buf = nil
		}
		if body, err = decompress(r.buf[:0], info.Codec, body); err != nil {
			return r.stop(fmt.Errorf("batch at %d: %w", info.Base, err))
		}
		r.buf = body
	}
	if !countFits(info.Count, len(body), None) {
		return r.stop(fmt.Errorf("batch at %d: %d records in %d bytes: %w", info.Base, info.Count, len(body), ErrCorrupt))
	}
	r.info, r.body, r.left = info, body, info.Count
	r.base, r.same = timeAt(b, atFirstTime).UnixMilli(), hasAppendTime(b)
	if r.same {
		r.base = info.MaxTime.UnixMilli()
	}
	return nil
}

// clear forgets the batch and keeps the buffers.
func (r *Reader) clear() {
	*r = Reader{buf: r.buf, slab: r.slab, prev: -1}
}

// Next moves to the next record. It returns false at the end and at damage: see Err.
func (r *Reader) Next() bool {
	if r.left == 0 {
		if r.pos != len(r.body) {
			r.fail("bytes after the last record")
		}
		return false
	}
	length, i := varintAt(r.body, r.pos)
	if i < 0 || length <= 0 || length > int64(len(r.body)-i) {
		return r.fail("bad length")
	}
	end := i + int(length)
	rec := r.body[i:end:end]
	elapsed, i := varlongAt(rec, 1) // byte 0 is attributes, which Kafka has no use for
	delta, i := varintAt(rec, i)
	if i < 0 || delta <= r.prev || delta > int64(r.info.Last-r.info.Base) {
		return r.fail("bad deltas")
	}
	r.tail = rec[i:]
	if !r.split() {
		return r.fail("bad key, value or headers")
	}
	r.time = r.base
	if !r.same {
		r.time += elapsed
	}
	r.prev, r.pos = delta, end
	r.left--
	return true
}

// split finds key, value and headers in the tail and measures them.
func (r *Reader) split() bool {
	key, i := bytesAt(r.tail, 0)
	value, i := bytesAt(r.tail, i)
	named, i := varintAt(r.tail, i)
	if i < 0 || named < 0 {
		return false
	}
	r.key, r.value, r.headers, r.named = key, value, r.tail[i:], int(named)
	r.size = len(key) + len(value)
	if named == 0 {
		return len(r.headers) == 0
	}
	n, ok := measureHeaders(r.headers, r.named)
	r.size += n
	return ok
}

// measureHeaders returns the bytes of names and values; false unless b is exactly n headers.
func measureHeaders(b []byte, n int) (size int, ok bool) {
	if n > len(b)/2 {
		return 0, false
	}
	i := 0
	for range n {
		length, at := varintAt(b, i)
		if at < 0 || length < 0 || length > int64(len(b)-at) {
			return 0, false
		}
		value, next := bytesAt(b, at+int(length))
		if next < 0 {
			return 0, false
		}
		size += int(length) + len(value)
		i = next
	}
	return size, i == len(b)
}

// Record returns the current record. Key, Value and header values are slices of the batch, or, if it is compressed, of a
// buffer that the next Reset overwrites; Headers and header names are the caller's to keep. Only headers cost anything: they are
// decoded here, and for the names of the record before nothing is allocated.
func (r *Reader) Record() Record {
	rec := Record{
		Offset: r.Offset(), Timestamp: time.UnixMilli(r.time).UTC(), Key: r.key, Value: r.value,
	}
	if r.named > 0 {
		rec.Headers = r.decodeHeaders()
	}
	return rec
}

// EachHeader calls fn with the name and value of each header of the current record, which are slices of the batch: Record().Headers, but cheaper.
func (r *Reader) EachHeader(fn func(name, value []byte)) {
	for n, i := 0, 0; n < r.named; n++ {
		name, at := bytesAt(r.headers, i)
		value, next := bytesAt(r.headers, at)
		fn(name, value)
		i = next
	}
}

// Time is the current record's timestamp in milliseconds: Record().Timestamp.UnixMilli(), but cheaper.
func (r *Reader) Time() int64 { return r.time }

// Offset is the current record's offset: Record().Offset, but cheaper.
func (r *Reader) Offset() Offset { return r.info.Base + Offset(r.prev) }

// Key is the current record's key: Record().Key, but cheaper.
func (r *Reader) Key() []byte { return r.key }

// Size is the bytes of the current record's key, value, header names and header values: Record().Size(), but cheaper.
func (r *Reader) Size() int { return r.size }

// Err is the damage that ended the reading, or nil. It wraps ErrCorrupt or ErrUnsupported.
func (r *Reader) Err() error { return r.err }

// decodeHeaders decodes what measureHeaders found good.
func (r *Reader) decodeHeaders() []Header {
	hs := r.takeHeaders(r.named)
	i := 0
	for n := range hs {
		name, at := bytesAt(r.headers, i)
		hs[n].Value, i = bytesAt(r.headers, at)
		if n < len(r.last) && r.last[n].Name == string(name) {
			hs[n].Name = r.last[n].Name
		} else {
			hs[n].Name = string(name)
		}
	}
	r.last = hs
	return hs
}

// takeHeaders cuts n headers off the slab. A slab is never filled twice, so what was cut off is its taker's.
func (r *Reader) takeHeaders(n int) []Header {
	if n > len(r.slab) {
		r.slab = make([]Header, max(n, min(64, n*(r.left+1))))
	}
	hs := r.slab[:n:n]
	r.slab = r.slab[n:]
	return hs
}

// fail ends the reading at damage in the current record.
func (r *Reader) fail(what string) bool {
	r.stop(fmt.Errorf("batch at %d: record %d of %d: %s: %w", r.info.Base, r.info.Count-r.left+1, r.info.Count, what, ErrCorrupt))
	return false
}

func (r *Reader) stop(err error) error {
	r.clear()
	r.err = err
	return err
}
