package catalog

import (
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/schema"
	"github.com/holtmq/holt/queue/store"
)

// Limits of a topic's definition.
const (
	MaxPartitions   = 1000
	MaxPriorities   = 10
	MaxDedupeWindow = 7 * 24 * time.Hour
)

// Cleanup says what retention does with settled records.
type Cleanup string

// The cleanups.
const (
	CleanupDelete  Cleanup = "delete"
	CleanupCompact Cleanup = "compact"
)

// Retention says how long records stay; Age and Bytes 0 mean for ever and without limit.
type Retention struct {
	Age           time.Duration `json:"age"`
	Bytes         int64         `json:"bytes"` // per partition
	KeepUnsettled bool          `json:"keep_unsettled"`
}

// TopicConfig is what an operator can set of a topic. Every field is filled in: DefaultTopic gives the defaults.
type TopicConfig struct {
	Partitions        int           `json:"partitions"` // of each lane
	Priorities        int           `json:"priorities"` // lanes
	Retention         Retention     `json:"retention"`
	Cleanup           Cleanup       `json:"cleanup"`
	DedupeWindow      time.Duration `json:"dedupe_window"` // 0 = off
	MaxRecordBytes    int64         `json:"max_record_bytes"`
	MaxBacklogRecords int64         `json:"max_backlog_records"` // 0 = no limit
	MaxBacklogBytes   int64         `json:"max_backlog_bytes"`   // 0 = no limit

	Schema              string               `json:"-"` // JSON Schema for values, "" = none; stored as a SchemaVersion
	SchemaCompatibility schema.Compatibility `json:"schema_compatibility,omitempty"`
}

// DefaultTopic returns the documented defaults.
func DefaultTopic() TopicConfig {
	return TopicConfig{
		Partitions:     4,
		Priorities:     1,
		Retention:      Retention{Age: 168 * time.Hour, KeepUnsettled: true},
		Cleanup:        CleanupDelete,
		DedupeWindow:   10 * time.Minute,
		MaxRecordBytes: 1 << 20,
	}
}

// Validate reports every fault at once; nil if there is none. maxValue is the server's limit of a value's bytes; the default may be above it, since the
// smaller of the two counts.
func (c TopicConfig) Validate(maxValue int64) error {
	var e faults
	valueFits := c.MaxRecordBytes >= 1 && (c.MaxRecordBytes <= maxValue || c.MaxRecordBytes == DefaultTopic().MaxRecordBytes)
	e.check(c.Partitions >= 1 && c.Partitions <= MaxPartitions, "partitions is %d: it must be 1 to %d", c.Partitions, MaxPartitions)
	e.check(c.Priorities >= 1 && c.Priorities <= MaxPriorities, "priorities is %d: it must be 1 to %d", c.Priorities, MaxPriorities)
	e.check(c.Partitions*c.Priorities <= MaxPartitions, "partitions × priorities is %d: at most %d", c.Partitions*c.Priorities, MaxPartitions)
	e.check(c.Retention.Age >= 0, "retention.age is negative; \"0s\" keeps records for ever")
	e.check(c.Retention.Bytes >= 0, "retention.bytes is negative; 0 is no limit")
	e.check(c.Cleanup == CleanupDelete || c.Cleanup == CleanupCompact, "cleanup is %q: it must be \"delete\" or \"compact\"", c.Cleanup)
	e.check(c.DedupeWindow >= 0 && c.DedupeWindow <= MaxDedupeWindow, "dedupe_window must be \"0s\" (off) to \"7d\"")
	e.check(valueFits, "max_record_bytes is %d: it must be 1 to %d", c.MaxRecordBytes, maxValue)
	c.checkSchema(&e)
	e.check(c.MaxBacklogRecords >= 0 && c.MaxBacklogBytes >= 0, "max_backlog is negative; 0 is no limit")
	return e.err()
}

// Partition is one partition of a topic: its log and the lane it was made for.
type Partition struct {
	Log  store.LogID `json:"log"`
	Lane int         `json:"lane"`
}

// Topic is a topic's definition. A *Topic handed out is never changed.
type Topic struct {
	ID         uint64      `json:"id"` // never reused
	Name       string      `json:"-"`
	Config     TopicConfig `json:"config"`
	CreatedAt  time.Time   `json:"created_at"`
	Partitions []Partition `json:"partitions"`
	Delayed    store.LogID `json:"delayed"`              // the log of its delayed records
	LettersOf  string      `json:"letters_of,omitempty"` // the group whose dead letters it was made for
	Deleted    bool        `json:"deleted,omitempty"`    // its logs are being dropped

	SchemaVersion  int            `json:"schema_version,omitempty"`  // the one that values are checked by; 0 = none
	SchemaVersions int            `json:"schema_versions,omitempty"` // made so far
	Compiled       *schema.Schema `json:"-"`                         // of SchemaVersion; nil = none

	Revision uint64 `json:"-"`
}

// grown returns the partitions of a topic after its configuration became c: those it has, then the new ones at the end.
func grown(have []Partition, c TopicConfig, next func() store.LogID) []Partition {
	out := append([]Partition(nil), have...)
	for lane := range c.Priorities {
		n := 0
		for _, p := range have {
			if p.Lane == lane {
				n++
			}
		}
		for ; n < c.Partitions; n++ {
			out = append(out, Partition{Log: next(), Lane: lane})
		}
	}
	return out
}

// faults gathers what is wrong with a configuration.
type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalidConfig, errors.Join(f...))
}
