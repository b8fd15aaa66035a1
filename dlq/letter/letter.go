package letter

import (
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/varint"
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

// Names of the headers that a letter keeps for the broker; no reader sees them.
const (
	HeaderType        = "holt-error-type"
	HeaderFingerprint = "holt-fingerprint"
	HeaderHistory     = "holt-history" // the last attempts, as the broker encodes them
	HeaderOuter       = "holt-outer"   // of a letter that died as a record: what it was a letter by, see outer
)

// Hidden tells whether a header is for the broker alone.
func Hidden(name string) bool {
	return name == HeaderType || name == HeaderFingerprint || name == HeaderHistory || name == HeaderOuter
}

// HeaderSchema is the one header of the server that a letter keeps: by which version of its topic's schema the record was checked.
const HeaderSchema = "holt-schema-version"

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

	ErrorType   string
	Fingerprint string
	History     []byte // opaque
}

// Wrap returns the letter of a record. Offset and timestamp are those of its append, not of the record.
func Wrap(r record.Record, o Origin) record.Record {
	headers := Plain(r.Headers)
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
	add(HeaderType, o.ErrorType)
	add(HeaderFingerprint, o.Fingerprint)
	add(HeaderHistory, string(o.History))
	add(HeaderOuter, string(outer(r.Headers)))
	return record.Record{Key: r.Key, Value: r.Value, Headers: headers}
}

// What a letter says, instead of what the worker said last, when its record could not go into it: it then has no key, value and headers.
const (
	Damaged = "the record is damaged: its key, value and headers could not be read"
	Gone    = "the record is gone: retention took it before its dead letter was written"
)

// Unreadable is what is said of a letter that is damaged itself.
const Unreadable = "the dead letter is damaged: what it holds could not be read"

// Lost tells that a letter's record could not go into it, and why: Damaged or Gone; "" = it did.
func Lost(l record.Record) (why string) {
	if l.Key != nil || l.Value != nil {
		return ""
	}
	for _, h := range l.Headers {
		switch {
		case h.Name == HeaderOuter || plain(h.Name):
			return ""
		case h.Name == HeaderError && (string(h.Value) == Damaged || string(h.Value) == Gone):
			why = string(h.Value)
		}
	}
	return why
}

// Body returns the record that a letter holds: without what Wrap added. Offset and timestamp are the letter's.
func Body(l record.Record) record.Record {
	headers := Plain(l.Headers)
	for _, h := range l.Headers {
		if h.Name == HeaderOuter {
			headers = append(headers, parseOuter(h.Value)...)
		}
	}
	l.Headers = headers
	return l
}

// BodySize is Body(l).Size(), but cheaper.
func BodySize(l record.Record) int {
	size := len(l.Key) + len(l.Value)
	for _, h := range l.Headers {
		switch {
		case h.Name == HeaderOuter:
			return Body(l).Size()
		case plain(h.Name):
			size += len(h.Name) + len(h.Value)
		}
	}
	return size
}

// Plain returns headers without the server's, but for HeaderSchema.
func Plain(headers []record.Header) []record.Header {
	out := make([]record.Header, 0, len(headers)+10)
	for _, h := range headers {
		if plain(h.Name) {
			out = append(out, h)
		}
	}
	return out
}

func plain(name string) bool { return !strings.HasPrefix(name, "holt-") || name == HeaderSchema }

// outer encodes what a record that is itself a letter was a letter by: a group may read the letters of another, and the one that gets the record again is to see all
// that it had. Names and values follow each other, each after its length as a uvarint. Empty for any other record.
func outer(headers []record.Header) (b []byte) {
	for _, h := range headers {
		if strings.HasPrefix(h.Name, Prefix) || h.Name == HeaderOuter {
			b = varint.AppendString(varint.AppendString(b, h.Name), h.Value)
		}
	}
	return b
}

// parseOuter reads what outer wrote; nothing from where it is damaged on.
func parseOuter(b []byte) (headers []record.Header) {
	for r := varint.NewReader(b); r.More(); {
		h := record.Header{Name: r.String(), Value: r.Bytes()}
		if !r.Bad() {
			headers = append(headers, h)
		}
	}
	return headers
}

// OriginOf reads what Wrap wrote. What is missing or damaged is empty: anybody can publish to a dead-letter topic. Headers beginning with
// holt- are the broker's alone, so what is there is true.
func OriginOf(l record.Record) Origin {
	var o Origin
	for _, h := range l.Headers {
		v := string(h.Value)
		switch h.Name {
		case HeaderGroup:
			o.Group = v
		case HeaderTopic:
			o.Topic = v
		case HeaderPartition:
			o.Partition, _ = strconv.Atoi(v)
		case HeaderOffset:
			at, _ := strconv.ParseInt(v, 10, 64)
			o.Offset = record.Offset(at)
		case HeaderAttempts:
			o.Attempts, _ = strconv.Atoi(v)
		case HeaderReason:
			o.Reason = Reason(v)
		case HeaderError:
			o.Error = v
		case HeaderMember:
			o.Member = v
		case HeaderFirstAt:
			o.FirstAt = parseTime(v)
		case HeaderAt:
			o.At = parseTime(v)
		case HeaderType:
			o.ErrorType = v
		case HeaderFingerprint:
			o.Fingerprint = v
		case HeaderHistory:
			o.History = h.Value
		}
	}
	return o
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
