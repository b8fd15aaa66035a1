package topic

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/schema"
	"github.com/holtmq/holt/queue/store"
)

// HeaderSchema tells readers by which version of its topic's schema a record was checked. Users cannot write names with this prefix.
const HeaderSchema = letter.HeaderSchema

// besideSchema is what the header takes in a record, at most.
const besideSchema = len(HeaderSchema) + 12

// maxStamped is how many bytes the records of a unit may take with their versions.
const maxStamped = store.MaxUnitBytes - 128<<10

// Violation says which record of a request is not what its topic's schema asks for. It wraps ErrSchemaViolation.
type Violation struct {
	Topic   string
	Version int
	Record  int    // of the records for this topic
	Pointer string // RFC 6901, into the value; "" is the whole value
	Reason  string
}

// Error implements error.
func (v *Violation) Error() string {
	return fmt.Sprintf("topic %s, record %d, at %q: %s (schema version %d)", v.Topic, v.Record, v.Pointer, v.Reason, v.Version)
}

// Unwrap implements errors.Unwrap.
func (v *Violation) Unwrap() error { return ErrSchemaViolation }

// CheckValues refuses messages whose values are not what the topic's schema asks for, and notes in the others by which version they were checked. A
// message that was checked by that version is not checked again; a tombstone is no value. Errors: *Violation.
func (t *Topic) CheckValues(msgs []Message) error {
	if t.Def.Compiled == nil {
		return nil
	}
	for i := range msgs {
		m := &msgs[i]
		if m.Value == nil || m.CheckedBy == t.Def.SchemaVersion {
			continue
		}
		if err := t.Def.Compiled.Check(m.Value); err != nil {
			bad := &Violation{Topic: t.Def.Name, Version: t.Def.SchemaVersion, Record: i, Reason: err.Error()}
			if v := (*schema.Violation)(nil); errors.As(err, &v) {
				bad.Pointer, bad.Reason = v.Pointer, v.Reason
			}
			return bad
		}
		m.CheckedBy = t.Def.SchemaVersion
	}
	return nil
}

// stamp checks the messages of all items, and refuses them if they do not fit into a unit with their versions.
func stamp(items []*Item) error {
	size, stamped := 0, false
	for _, it := range items {
		if it.Topic.Def.Compiled == nil || it.Exempt || it.fired != nil {
			continue
		}
		stamped = true
		if err := it.Topic.CheckValues(it.Messages); err != nil {
			return err
		}
		for i := range it.Messages {
			size += it.Messages[i].Size() + besideSchema
		}
	}
	if stamped && size > maxStamped {
		return fmt.Errorf("the records take %d bytes with the version of their schema, at most %d in one request: %w", size, maxStamped, ErrRequestTooLarge)
	}
	return nil
}

func withSchema(headers []record.Header, version int) []record.Header {
	return append(headers, record.Header{Name: HeaderSchema, Value: strconv.AppendInt(nil, int64(version), 10)})
}
