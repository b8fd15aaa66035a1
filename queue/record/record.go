package record

import "time"

// Offset is a record's position in its partition, given densely from 0 and never reused.
type Offset int64

// Header is one name and value of a record. Order is kept; names are unique within a record (the caller's duty).
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
