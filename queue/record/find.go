package record

import (
	"fmt"
	"time"
)

// Find returns the record at an offset of the batch that is b; it aliases b, or a buffer of its own if b is compressed.
// Errors: ErrNotFound if there is none, ErrCorrupt, ErrUnsupported.
func Find(b []byte, at Offset) (Record, error) {
	var r Reader
	if err := r.Reset(b); err != nil {
		return Record{}, err
	}
	if at >= r.info.Base && at <= r.info.Last {
		r.skipTo(int64(at - r.info.Base))
		if r.Next() && r.Offset() == at {
			return r.Record(), nil
		}
	}
	if r.err != nil {
		return Record{}, r.err
	}
	return Record{}, fmt.Errorf("offset %d: %w", at, ErrNotFound)
}

// skipTo hops over the records before an offset delta, by their lengths. It stops in front of anything odd, for Next to report.
func (r *Reader) skipTo(delta int64) {
	for r.left > 0 {
		length, i := varintAt(r.body, r.pos)
		if i < 0 || length <= 0 || length > int64(len(r.body)-i) {
			return
		}
		rec := r.body[i : i+int(length)]
		_, at := varlongAt(rec, 1)
		d, at := varintAt(rec, at)
		if at < 0 || d <= r.prev || d >= delta {
			return
		}
		r.prev, r.pos = d, i+len(rec)
		r.left--
	}
}

// FirstAt returns the offset of the first record of the batch that is b whose Timestamp is not before t; false if there is none.
// Errors: ErrCorrupt, ErrUnsupported.
func FirstAt(b []byte, t time.Time) (Offset, bool, error) {
	var r Reader
	if err := r.Reset(b); err != nil {
		return 0, false, err
	}
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	for r.Next() {
		if r.time >= ms {
			return r.Offset(), true, nil
		}
	}
	return 0, false, r.err
}
