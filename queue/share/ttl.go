package share

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// Headers that the broker keeps in a stored record for itself; no reader sees them. Users cannot write names with this prefix.
const (
	HeaderTTL       = "holt-ttl"       // 8 bytes big endian: milliseconds
	HeaderID        = "holt-id"        // of a delayed record: its id
	HeaderPriority  = "holt-priority"  // of a delayed record: its priority, in decimal
	HeaderPartition = "holt-partition" // of a delayed record: the partition it was given, in decimal
)

// TTL returns a record's time to live; 0 = none.
func TTL(r record.Record) time.Duration {
	for _, h := range r.Headers {
		if h.Name == HeaderTTL && len(h.Value) == 8 {
			return time.Duration(binary.BigEndian.Uint64(h.Value)) * time.Millisecond
		}
	}
	return 0
}

// WithTTL adds a time to live to a record's headers.
func WithTTL(headers []record.Header, ttl time.Duration) []record.Header {
	return append(headers, record.Header{Name: HeaderTTL, Value: binary.BigEndian.AppendUint64(nil, uint64(ttl.Milliseconds()))})
}

// Visible returns the headers that readers see: all but the broker's own; those of dead letters are for readers.
func Visible(headers []record.Header) []record.Header {
	if !slices.ContainsFunc(headers, hidden) {
		return headers
	}
	return slices.DeleteFunc(slices.Clone(headers), hidden)
}

func hidden(h record.Header) bool {
	switch h.Name {
	case HeaderTTL, HeaderID, HeaderPriority, HeaderPartition:
		return true
	}
	return false
}
