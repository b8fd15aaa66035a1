package record

import "time"

// Offset is a record's position in its partition, given densely from 0 and never reused.
type Offset int64

// Header is one name and value of a record. Order is kept; names are unique within a record (the caller's duty).
// A nil Value is a null in the batch, an empty one is empty.
type Header struct {
	Name  string
	Value []byte
}

// Record is one record of a partition.
//
// A nil Key is no key (an empty, non-nil one is the key ""); a nil Value is a tombstone.
type Record struct {
	Offset    Offset
	Timestamp time.Time // append time, UTC, whole milliseconds
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Size is the bytes of the record's own data: key, value, header names and header values.
func (r Record) Size() int {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Name) + len(r.Headers[i].Value)
	}
	return n
}

// EncodedSize is an upper bound, within 17 bytes, of what the record adds to an uncompressed batch.
func EncodedSize(r Record) int {
	const front = maxVarint32 + 1 + maxVarint64 + maxVarint32 // length, attributes, timestamp delta, offset delta
	return front + tailSize(&r)
}

// tailSize is the encoded bytes of what follows a record's deltas: key, value, headers.
func tailSize(r *Record) int {
	n := bytesSize(r.Key) + bytesSize(r.Value) + varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varintSize(int64(len(h.Name))) + len(h.Name) + bytesSize(h.Value)
	}
	return n
}
