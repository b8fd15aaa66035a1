package httpapi

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
)

// Limits of a record's fields that are the same on every server.
const (
	maxHeaderName = 128 // bytes
	maxTTL        = 100 * 365 * 24 * time.Hour
	maxLane       = catalog.MaxPriorities - 1
)

// batch is the records of one publish. Keys and values point into the request's body.
type batch struct {
	limits  *queue.Limits
	msgs    []queue.Message
	headers []record.Header // of all records, one after the other
}

// batch returns an empty batch; done takes it back.
func (a *API) batch() *batch {
	b, ok := a.batches.Get().(*batch)
	if !ok {
		b = &batch{limits: &a.limits}
	}
	return b
}

// keptBatch is how many records the largest batch has room for that is kept for later requests.
const keptBatch = 1024

func (a *API) done(b *batch) {
	if cap(b.msgs) > keptBatch || cap(b.headers) > keptBatch {
		return
	}
	clear(b.msgs)
	clear(b.headers)
	b.msgs, b.headers = b.msgs[:0], b.headers[:0]
	a.batches.Put(b)
}

// add makes room for one more record; nil, with the error in s, if there are too many.
func (b *batch) add(s *scanner) *queue.Message {
	if int64(len(b.msgs)) >= b.limits.MaxPublish {
		s.fail(newFault(http.StatusRequestEntityTooLarge, api.RequestTooLarge, "more than %d records: send them in several requests", b.limits.MaxPublish))
		return nil
	}
	b.msgs = append(b.msgs, queue.Message{})
	return &b.msgs[len(b.msgs)-1]
}

// fields tells which fields of a record were given.
type fields struct {
	key, value, delay, place int
	firstHeader              int // of this record in batch.headers
}

// oneOrMany reads a body that is a record, or {"records":[…]}.
func (b *batch) oneOrMany(s *scanner) {
	var m *queue.Message
	var given fields
	many := false
	s.object(func(name []byte) bool {
		if string(name) == "records" {
			if many = true; m != nil {
				s.fail(invalid("a body is either one record or {\"records\":[…]}"))
				return true
			}
			s.array(func(int) { b.one(s) })
			return true
		}
		if many {
			s.fail(invalid("a body is either one record or {\"records\":[…]}"))
			return true
		}
		if m == nil {
			if m = b.add(s); m == nil {
				return true
			}
		}
		return b.field(s, m, &given, name)
	})
	switch {
	case s.err != nil:
	case m != nil:
		b.check(s, m, &given)
	case len(b.msgs) == 0:
		s.fail(invalid(`no record: send one, as in {"value":{"any":"json"}}, or several in {"records":[…]}`))
	}
}

// one reads one record.
func (b *batch) one(s *scanner) {
	m := b.add(s)
	if m == nil {
		return
	}
	given := fields{firstHeader: len(b.headers)}
	s.object(func(name []byte) bool { return b.field(s, m, &given, name) })
	if s.err == nil {
		b.check(s, m, &given)
	}
}

// field reads one field of a record. What is null is absent, but for value, where it is the JSON value null.
func (b *batch) field(s *scanner, m *queue.Message, given *fields, name []byte) bool {
	if string(name) == "value" {
		given.value++
		m.Value = s.raw()
		return true
	}
	known := true
	read := func(do func()) {
		if !s.null() {
			do()
		}
	}
	switch string(name) {
	case "text":
		read(func() { given.value++; m.Value = present(s.bytes()) })
	case "value_base64":
		read(func() { given.value++; m.Value = s.base64() })
	case "tombstone":
		read(func() {
			if s.bool() {
				given.value++
			}
		})
	case "key":
		read(func() { given.key++; m.Key = present(s.bytes()) })
	case "key_base64":
		read(func() { given.key++; m.Key = s.base64() })
	case "headers":
		b.headersOf(s, given, s.bytes)
	case "headers_base64":
		b.headersOf(s, given, s.base64)
	case "id":
		read(func() { m.ID = s.string(); b.checkID(s, m.ID) })
	case "delay":
		read(func() { given.delay++; m.Delay = s.duration(0, b.limits.MaxDelay) })
	case "deliver_at":
		read(func() { given.delay++; m.DeliverAt = s.time() })
	case "ttl":
		read(func() { m.TTL = s.duration(time.Millisecond, maxTTL) })
	case "priority":
		read(func() { given.place++; m.Priority = new(int(s.int(0, maxLane))) })
	case "partition":
		read(func() { given.place++; m.Partition = new(int(s.int(0, math.MaxInt64))) })
	default:
		known = false
	}
	return known
}

// present makes sure that what was given is not nil: the empty key is a key, the empty value no tombstone.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// headersOf reads an object of headers, whose values read reads.
func (b *batch) headersOf(s *scanner, given *fields, read func() []byte) {
	s.object(func(name []byte) bool {
		value := present(read())
		if s.err == nil {
			b.header(s, given, string(name), value)
		}
		return true
	})
}

// header adds one header to the record whose headers begin at given.firstHeader.
func (b *batch) header(s *scanner, given *fields, name string, value []byte) {
	name, f := headerName(name)
	if f != nil {
		s.fail(f)
		return
	}
	mine := b.headers[given.firstHeader:]
	for _, h := range mine {
		if h.Name == name {
			s.fail(invalid("the header %q is given twice; case does not count", name))
			return
		}
	}
	if int64(len(mine)) >= b.limits.MaxHeaders {
		s.fail(newFault(http.StatusRequestEntityTooLarge, api.RecordTooLarge, "the record has more than %d headers", b.limits.MaxHeaders))
		return
	}
	b.headers = append(b.headers, record.Header{Name: name, Value: value})
}

// headerName returns a header's name in lower case.
func headerName(name string) (string, *fault) {
	if name == "" || len(name) > maxHeaderName {
		return "", invalid("a header's name has 1 to %d characters of a-z, 0-9, \".\", \"_\" and \"-\"", maxHeaderName)
	}
	for i := range len(name) {
		c := name[i] | 0x20
		if n := name[i]; !(c >= 'a' && c <= 'z' && n != '@' && n != '[' || n >= '0' && n <= '9' || n == '.' || n == '_' || n == '-') {
			return "", invalid("%q cannot name a header: use a-z, 0-9, \".\", \"_\" and \"-\"", cut(name))
		}
	}
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "holt-") || strings.HasPrefix(name, "nats-") {
		return "", invalid("%q cannot name a header: the beginnings holt- and nats- are the server's", name)
	}
	return name, nil
}

func (b *batch) checkID(s *scanner, id string) {
	if s.err == nil && (id == "" || int64(len(id)) > b.limits.MaxID) {
		s.fail(invalid("an id has 1 to %d bytes", b.limits.MaxID))
	}
}

// check looks at a record as a whole once all its fields are read.
func (b *batch) check(s *scanner, m *queue.Message, given *fields) {
	m.Headers = b.headers[given.firstHeader:len(b.headers):len(b.headers)]
	size := int64(0)
	for _, h := range m.Headers {
		size += int64(len(h.Name) + len(h.Value))
	}
	switch {
	case given.value != 1:
		s.fail(invalid(`give exactly one of value (any JSON), text, value_base64 and "tombstone":true`))
	case given.key > 1:
		s.fail(invalid("give key or key_base64, not both"))
	case given.delay > 1:
		s.fail(invalid("give delay or deliver_at, not both"))
	case given.place > 1:
		s.fail(invalid("give partition or priority, not both"))
	case time.Until(m.DeliverAt) > b.limits.MaxDelay:
		s.fail(invalid("deliver_at is more than %s ahead", api.Duration(b.limits.MaxDelay)))
	case int64(len(m.Key)) > b.limits.MaxKey:
		s.fail(tooLarge("key", int64(len(m.Key)), b.limits.MaxKey))
	case int64(len(m.Value)) > b.limits.MaxValue:
		s.fail(tooLarge("value", int64(len(m.Value)), b.limits.MaxValue))
	case size > b.limits.MaxHeaderBytes:
		s.fail(tooLarge("headers", size, b.limits.MaxHeaderBytes))
	}
}

func tooLarge(part string, n, limit int64) *fault {
	return newFault(http.StatusRequestEntityTooLarge, api.RecordTooLarge, "the record's %s has %d bytes, at most %d: keep large data elsewhere and publish where it is", part, n, limit)
}
