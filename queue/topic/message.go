package topic

import (
	"strconv"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// Message is one record to publish.
type Message struct {
	Key       []byte // nil = none
	Value     []byte // nil = a tombstone
	Headers   []record.Header
	ID        string        // "" = none
	Delay     time.Duration // 0 = none
	DeliverAt time.Time     // zero = none
	TTL       time.Duration // 0 = none
	Priority  *int
	Partition *int

	CheckedBy int // the version of the topic's schema that the value satisfies: the topic notes it, callers leave it 0
}

// BesideRecord is what a unit holds of a record beside it, at most: the broker's headers of a delayed one, the hash of its id, offset and time in the
// table of ids or in the schedule; or its place in the answer that a settle remembers, or one settled lease.
const BesideRecord = 128

// Size is how many bytes a unit takes for the message, at most.
func (m *Message) Size() int {
	n := record.EncodedSize(m.record())
	if m.ID != "" || m.Delay != 0 || !m.DeliverAt.IsZero() {
		n += len(m.ID) + BesideRecord
	}
	return n
}

func (m *Message) record() record.Record {
	r := record.Record{Key: m.Key, Value: m.Value, Headers: m.Headers}
	if m.TTL > 0 {
		r.Headers = withTTL(r.Headers[:len(r.Headers):len(r.Headers)], m.TTL)
	}
	if m.CheckedBy > 0 {
		r.Headers = withSchema(r.Headers[:len(r.Headers):len(r.Headers)], m.CheckedBy)
	}
	return r
}

// later tells whether a message is to be appended later, and fixes when.
func (m *Message) later(now time.Time) bool {
	if m.Delay > 0 {
		m.DeliverAt, m.Delay = now.Add(m.Delay), 0
	}
	return m.DeliverAt.After(now)
}

// due is when a delayed message is due, in ms, never before its time.
func (m *Message) due() int64 { return m.DeliverAt.Add(time.Millisecond - 1).UnixMilli() }

// delayedRecord is a message with what is needed to publish it when it is due.
func (m *Message) delayedRecord() record.Record {
	r := m.record()
	r.Headers = r.Headers[:len(r.Headers):len(r.Headers)]
	add := func(name, value string) {
		r.Headers = append(r.Headers, record.Header{Name: name, Value: []byte(value)})
	}
	if m.ID != "" {
		add(headerID, m.ID)
	}
	if m.Priority != nil {
		add(headerPriority, strconv.Itoa(*m.Priority))
	}
	if m.Partition != nil {
		add(headerPartition, strconv.Itoa(*m.Partition))
	}
	return r
}

// messageOf reads a delayed record back.
func messageOf(r record.Record) Message {
	m := Message{Key: r.Key, Value: r.Value, Headers: Visible(r.Headers), TTL: TTL(r)}
	for _, h := range r.Headers {
		switch h.Name {
		case headerID:
			m.ID = string(h.Value)
		case headerPriority:
			m.Priority = atoi(h.Value)
		case headerPartition:
			m.Partition = atoi(h.Value)
		}
	}
	return m
}

func atoi(b []byte) *int {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return nil
	}
	return &n
}
