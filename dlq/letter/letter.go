package letter

import (
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// Prefix of the headers that a letter gains.
const Prefix = "holt-dl-"

// Names of the headers that a letter gains.
const (
	HeaderGroup     = Prefix + "group"
	HeaderTopic     = Prefix + "topic"
	HeaderPartition = Prefix + "partition"
	HeaderOffset    = Prefix + "offset"
	HeaderAttempts  = Prefix + "attempts"
	HeaderReason    = Prefix + "reason"
	HeaderError     = Prefix + "error"
	HeaderMember    = Prefix + "member"
	HeaderFirstAt   = Prefix + "first-at"
	HeaderAt        = Prefix + "at"
)

// Reason is why a group gave up.
type Reason string

// The reasons.
const (
	MaxAttempts Reason = "max_attempts"
	Rejected    Reason = "rejected"
	TTL         Reason = "ttl"
)

// Origin says where a letter comes from and why it died. Empty fields become no header.
type Origin struct {
	Group     string
	Topic     string
	Partition int
	Offset    record.Offset
	Attempts  int
	Reason    Reason
	Error     string
	Member    string
	FirstAt   time.Time // first delivery that failed
	At        time.Time // of the death
}

// Wrap returns the letter of a record. Offset and timestamp are those of its append, not of the record.
func Wrap(r record.Record, o Origin) record.Record {
	headers := make([]record.Header, 0, len(r.Headers)+10)
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Name, "holt-") {
			headers = append(headers, h)
		}
	}
	add := func(name, value string) {
		if value != "" {
			headers = append(headers, record.Header{Name: name, Value: []byte(value)})
		}
	}
	add(HeaderGroup, o.Group)
	add(HeaderTopic, o.Topic)
	add(HeaderPartition, strconv.Itoa(o.Partition))
	add(HeaderOffset, strconv.FormatInt(int64(o.Offset), 10))
	add(HeaderAttempts, strconv.Itoa(o.Attempts))
	add(HeaderReason, string(o.Reason))
	add(HeaderError, o.Error)
	add(HeaderMember, o.Member)
	add(HeaderFirstAt, formatTime(o.FirstAt))
	add(HeaderAt, formatTime(o.At))
	return record.Record{Key: r.Key, Value: r.Value, Headers: headers}
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
