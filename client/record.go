package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Record is a record as it was read or leased.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Timestamp time.Time         // when it was appended
	Key       []byte            // nil: none; empty: the key ""
	Value     []byte            // nil: a tombstone; JSON may have lost white space between its tokens
	Headers   map[string]string // values are any bytes

	// Of leased records only:

	Receipt    string
	Attempt    int       // 1 + the counted failures so far
	Deliveries int       // every hand-out, this one too
	ExpiresAt  time.Time // by this machine's clock
	length     time.Duration
	outbox     *outbox // of a record that Work handles
}

// JSON decodes the value into v.
func (r *Record) JSON(v any) error { return json.Unmarshal(r.Value, v) }

func leased(w *api.LeasedRecord, now time.Time) (*Record, error) {
	left := time.Duration(w.ExpiresInMS) * time.Millisecond
	r := &Record{
		Topic: w.Topic, Partition: w.Partition, Offset: w.Offset, Timestamp: time.Time(w.Timestamp),
		Receipt: w.Receipt, Attempt: w.Attempt, Deliveries: w.Deliveries, ExpiresAt: now.Add(left), length: left,
	}
	return r, r.fill(w.Key, w.KeyBase64, w.Headers, w.HeadersBase64, w.Value)
}

func stored(topic string, w *api.Record) (*Record, error) {
	r := &Record{Topic: topic, Partition: w.Partition, Offset: w.Offset, Timestamp: time.Time(w.Timestamp)}
	return r, r.fill(w.Key, w.KeyBase64, w.Headers, w.HeadersBase64, w.Value)
}

// fill decodes what has more than one form on the wire.
func (r *Record) fill(key, key64 *string, headers, headers64 map[string]string, v api.Value) (err error) {
	switch {
	case key != nil:
		r.Key = []byte(*key)
	case key64 != nil:
		if r.Key, err = base64.StdEncoding.DecodeString(*key64); err != nil {
			return r.broken("key", err)
		}
	}
	r.Headers = headers
	for name, value := range headers64 {
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return r.broken("header "+name, err)
		}
		put(&r.Headers, name, string(b))
	}
	switch {
	case v.Text != nil:
		r.Value = []byte(*v.Text)
	case v.ValueBase64 != nil:
		if r.Value, err = base64.StdEncoding.DecodeString(*v.ValueBase64); err != nil {
			return r.broken("value", err)
		}
	case !v.Tombstone:
		r.Value = v.Value
	}
	return nil
}

func (r *Record) broken(part string, err error) error {
	return fmt.Errorf("%w: %s of %s/%d/%d: %w", ErrAnswer, part, r.Topic, r.Partition, r.Offset, err)
}
