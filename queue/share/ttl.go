package share

import (
	"encoding/binary"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// Headers that the broker keeps in a stored record for itself; no reader sees them. Users cannot write names with this prefix.
const (
	HeaderTTL = "holt-ttl" // 8 bytes big endian: milliseconds
	HeaderID  = "holt-id"  // the record's id
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

// Visible returns the headers that readers see.
func Visible(headers []record.Header) []record.Header {
	out := headers[:0:0]
	for _, h := range headers {
		if h.Name != HeaderTTL && h.Name != HeaderID {
			out = append(out, h)
		}
	}
	return out
}
