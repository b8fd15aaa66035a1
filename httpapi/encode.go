package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
)

// encoding says in which form values are answered.
type encoding uint8

const (
	encodeAuto   encoding = iota // value if the bytes are JSON, else text if they are UTF-8, else value_base64
	encodeText                   // text if the bytes are UTF-8, else value_base64
	encodeBase64                 // value_base64
)

// encoder appends answers that carry records.
type encoder struct {
	b      []byte
	values encoding
	stamp  time.Time // the last time written, and
	at     int       // where: the records of an answer often share theirs
}

func (e *encoder) raw(s string) { e.b = append(e.b, s...) }

func (e *encoder) int(n int64) { e.b = strconv.AppendInt(e.b, n, 10) }

// comma appends what stands before the ith of several things.
func (e *encoder) comma(i int) {
	if i > 0 {
		e.raw(",")
	}
}

// string appends a string of JSON; s must be UTF-8.
func (e *encoder) string(s string) { e.b = appendString(e.b, s) }

const stampLen = len("2006-01-02T15:04:05.000Z")

func (e *encoder) time(t time.Time) {
	e.b = append(e.b, '"')
	if e.at > 0 && t.Equal(e.stamp) {
		e.b = append(e.b, e.b[e.at:e.at+stampLen]...)
	} else {
		at := len(e.b)
		e.b = t.UTC().AppendFormat(e.b, api.TimeFormat)
		if len(e.b)-at == stampLen {
			e.at, e.stamp = at, t
		}
	}
	e.b = append(e.b, '"')
}

// record appends the fields that all answers give of a stored record, without braces, from its key on.
func (e *encoder) record(r *record.Record) {
	e.content(r.Key, r.Headers, r.Value)
	e.raw(`,"timestamp":`)
	e.time(r.Timestamp)
}

// content appends what a publisher gave: key, headers and value.
func (e *encoder) content(key []byte, headers []record.Header, value []byte) {
	if key != nil {
		if utf8.Valid(key) {
			e.raw(`"key":`)
			e.b = appendString(e.b, key)
		} else {
			e.raw(`"key_base64":`)
			e.base64(key)
		}
		e.raw(",")
	}
	if len(headers) > 0 {
		e.headers(headers)
	}
	e.value(value)
}

// headers appends what headers there are of text, then those of other bytes.
func (e *encoder) headers(headers []record.Header) {
	e.headersIf(`"headers":{`, headers, func(v []byte) bool { return utf8.Valid(v) }, func(v []byte) { e.b = appendString(e.b, v) })
	e.headersIf(`"headers_base64":{`, headers, func(v []byte) bool { return !utf8.Valid(v) }, e.base64)
}

func (e *encoder) headersIf(open string, headers []record.Header, which func(v []byte) bool, write func(v []byte)) {
	any := false
	for _, h := range headers {
		if !which(h.Value) {
			continue
		}
		if any {
			e.raw(",")
		} else {
			e.raw(open)
			any = true
		}
		e.string(h.Name)
		e.raw(":")
		write(h.Value)
	}
	if any {
		e.raw("},")
	}
}

// value appends a value in one of its four forms.
func (e *encoder) value(v []byte) {
	switch {
	case v == nil:
		e.raw(`"tombstone":true`)
	case e.values == encodeAuto && validJSON(v):
		e.raw(`"value":`)
		e.b = append(e.b, v...)
	case e.values != encodeBase64 && utf8.Valid(v):
		e.raw(`"text":`)
		e.b = appendString(e.b, v)
	default:
		e.raw(`"value_base64":`)
		e.base64(v)
	}
}

func (e *encoder) base64(v []byte) {
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, v)
	e.b = append(e.b, '"')
}

// marshal appends a struct of client/api.
func (e *encoder) marshal(v any) error {
	out := bytes.NewBuffer(e.b)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	e.b = bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	return nil
}

func (e *encoder) strings(list []string) {
	e.raw("[")
	for i, s := range list {
		e.comma(i)
		e.string(s)
	}
	e.raw("]")
}

// created appends what a call made on the way, if anything.
func (e *encoder) created(names []string) {
	if len(names) > 0 {
		e.raw(`,"created":`)
		e.strings(names)
	}
}

// appendString appends s as a string of JSON. Only what must be escaped is.
func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// published appends the answer of a publish.
func (e *encoder) published(places []queue.Place, created []string) {
	e.raw(`{"records":`)
	e.places(places)
	e.created(created)
	e.raw("}")
}

// places appends where records went, or when they will.
func (e *encoder) places(places []queue.Place) {
	e.raw("[")
	for i, p := range places {
		e.comma(i)
		if p.Scheduled != "" {
			e.raw(`{"scheduled":{"id":`)
			e.string(p.Scheduled)
			e.raw(`,"deliver_at":`)
			e.time(p.Timestamp)
			e.raw("}")
		} else {
			e.raw(`{"partition":`)
			e.int(int64(p.Partition))
			e.raw(`,"offset":`)
			e.int(int64(p.Offset))
			e.raw(`,"timestamp":`)
			e.time(p.Timestamp)
		}
		if p.Duplicate {
			e.raw(`,"duplicate":true`)
		}
		e.raw("}")
	}
	e.raw("]")
}

// appendRead appends one record as reads give it.
func (e *encoder) appendRead(partition int, r *record.Record) {
	e.raw(`{"partition":`)
	e.int(int64(partition))
	e.raw(`,"offset":`)
	e.int(int64(r.Offset))
	e.raw(",")
	e.record(r)
	e.raw("}")
}

// appendDelivery appends one record as a lease gives it.
func (e *encoder) appendDelivery(d *queue.Delivery) {
	e.raw(`{"receipt":`)
	e.string(d.Receipt)
	e.raw(`,"topic":`)
	e.string(d.Topic)
	e.raw(`,"partition":`)
	e.int(int64(d.Partition))
	e.raw(`,"offset":`)
	e.int(int64(d.Record.Offset))
	e.raw(",")
	e.record(&d.Record)
	e.raw(`,"attempt":`)
	e.int(int64(d.Attempt))
	e.raw(`,"deliveries":`)
	e.int(int64(d.Deliveries))
	e.raw(`,"expires_at":`)
	e.time(d.ExpiresAt)
	e.raw(`,"expires_in_ms":`)
	e.int(d.ExpiresIn.Milliseconds())
	e.raw("}")
}

// leased appends the answer of a lease; settled is what came of the settle that it carried, nil if it carried none.
func (e *encoder) leased(ds []queue.Delivery, settled *queue.SettleResult, created []string) {
	e.raw(`{"records":[`)
	for i := range ds {
		e.comma(i)
		e.appendDelivery(&ds[i])
	}
	e.raw("]")
	if settled != nil {
		e.raw(`,"settle":{`)
		e.settled(settled)
		e.raw("}")
	}
	e.created(created)
	e.raw("}")
}

// settlement appends the answer of a settle.
func (e *encoder) settlement(r *queue.SettleResult) {
	e.raw("{")
	e.settled(r)
	e.created(r.Created)
	e.raw("}")
}

// settled appends the fields that tell what came of a settle.
func (e *encoder) settled(r *queue.SettleResult) {
	e.raw(`"settled":`)
	e.int(int64(r.Settled))
	if len(r.Failed) > 0 {
		e.raw(`,"failed":[`)
		for i, f := range r.Failed {
			e.comma(i)
			e.raw(`{"receipt":`)
			e.string(cut(f.Receipt))
			e.raw(`,"code":`)
			e.string(string(failureCode(f.Err)))
			e.raw("}")
		}
		e.raw("]")
	}
	if len(r.Places) > 0 {
		e.raw(`,"records":[`)
		for i, places := range r.Places {
			e.comma(i)
			e.places(places)
		}
		e.raw("]")
	}
}
