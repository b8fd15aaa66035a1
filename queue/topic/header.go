package topic

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/record"
)

// Headers that the broker keeps in a stored record for itself; no reader sees them. Users cannot write names with this prefix.
const (
	headerTTL       = "holt-ttl"       // 8 bytes big endian: milliseconds
	headerID        = "holt-id"        // of a delayed record: its id
	headerPriority  = "holt-priority"  // of a delayed record: its priority, in decimal
	headerPartition = "holt-partition" // of a delayed record: the partition it was given, in decimal
)

// HiddenHeaders returns the names of the headers that Visible leaves out, for those who get stored batches.
func HiddenHeaders() []string {
	return []string{headerTTL, headerID, headerPriority, headerPartition, letter.HeaderType, letter.HeaderFingerprint, letter.HeaderHistory, letter.HeaderOuter}
}

// TTL returns a record's time to live; 0 = none.
func TTL(r record.Record) time.Duration {
	for _, h := range r.Headers {
		if h.Name == headerTTL && len(h.Value) == 8 {
			return time.Duration(binary.BigEndian.Uint64(h.Value)) * time.Millisecond
		}
	}
	return 0
}

// withTTL adds a time to live to a record's headers.
func withTTL(headers []record.Header, ttl time.Duration) []record.Header {
	return append(headers, record.Header{Name: headerTTL, Value: binary.BigEndian.AppendUint64(nil, uint64(ttl.Milliseconds()))})
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
	case headerTTL, headerID, headerPriority, headerPartition:
		return true
	}
	return letter.Hidden(h.Name)
}
