package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
)

// Value is a record's value to publish: JSON, Text, Bytes or Tombstone.
type Value struct {
	wire api.Value
	err  error
}

// JSON is v as encoding/json writes it, without HTML escapes. A json.RawMessage loses nothing but white space.
func JSON(v any) Value {
	b, err := encode(v)
	if err == nil && !utf8.Valid(b) {
		err = errors.New("JSON must be UTF-8")
	}
	if err != nil {
		return Value{err: fmt.Errorf("value: %w", err)}
	}
	return Value{wire: api.Value{Value: b}}
}

// Text is s as it is.
func Text(s string) Value { return Bytes([]byte(s)) }

// Bytes is b as it is. A nil b is the empty value, not a tombstone.
func Bytes(b []byte) Value {
	if utf8.Valid(b) {
		return Value{wire: api.Value{Text: new(string(b))}}
	}
	return Value{wire: api.Value{ValueBase64: new(base64.StdEncoding.EncodeToString(b))}}
}

// Tombstone is no value: it deletes its key from a compacted topic.
func Tombstone() Value { return Value{wire: api.Value{Tombstone: true}} }

// RecordOption sets what a record has beside its value.
type RecordOption func(*api.NewRecord)

// Key sets the key. Records of equal keys go to one partition.
func Key(key string) RecordOption { return KeyBytes([]byte(key)) }

// KeyBytes sets a key that need not be UTF-8.
func KeyBytes(key []byte) RecordOption {
	return func(r *api.NewRecord) {
		r.Key, r.KeyBase64 = nil, nil
		if utf8.Valid(key) {
			r.Key = new(string(key))
		} else {
			r.KeyBase64 = new(base64.StdEncoding.EncodeToString(key))
		}
	}
}

// Header adds a header. Names are [a-z0-9._-], 1 to 128 bytes, upper case is lowered; the value may be any bytes.
func Header(name, value string) RecordOption {
	return func(r *api.NewRecord) {
		if utf8.ValidString(value) {
			put(&r.Headers, name, value)
			delete(r.HeadersBase64, name)
		} else {
			put(&r.HeadersBase64, name, base64.StdEncoding.EncodeToString([]byte(value)))
			delete(r.Headers, name)
		}
	}
}

// ID makes a repeated publish harmless: within the topic's dedupe window a second record of an id is not stored.
func ID(id string) RecordOption { return func(r *api.NewRecord) { r.ID = id } }

// Delay has the record appended after d.
func Delay(d time.Duration) RecordOption {
	return func(r *api.NewRecord) { r.Delay = new(api.Duration(d)) }
}

// DeliverAt has the record appended at t; a time past is now.
func DeliverAt(t time.Time) RecordOption {
	return func(r *api.NewRecord) { r.DeliverAt = new(api.Time(t)) }
}

// TTL is how long after its append share groups still deliver the record.
func TTL(d time.Duration) RecordOption {
	return func(r *api.NewRecord) { r.TTL = new(api.Duration(d)) }
}

// Priority is the record's lane: 0 low, up to the topic's priorities − 1.
func Priority(p int) RecordOption { return func(r *api.NewRecord) { r.Priority = &p } }

// Partition fixes the partition. Not together with Priority.
func Partition(p int) RecordOption { return func(r *api.NewRecord) { r.Partition = &p } }

// NewRecord builds a record for PublishBatch or for a settle's publish.
func NewRecord(value Value, opts ...RecordOption) (api.NewRecord, error) {
	if value.err != nil {
		return api.NewRecord{}, value.err
	}
	r := api.NewRecord{Value: value.wire}
	if r.Value.Value == nil && r.Text == nil && r.ValueBase64 == nil && !r.Tombstone {
		return api.NewRecord{}, errors.New("value: none given (JSON, Text, Bytes or Tombstone make one)")
	}
	for _, o := range opts {
		o(&r)
	}
	return r, nil
}

func put(m *map[string]string, name, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[name] = value
}
