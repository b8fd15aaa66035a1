package api

import "encoding/json"

// TopicChange is the body of PUT /v1/topics/{topic}: what is nil stays as it is, or gets its default in a new topic.
type TopicChange struct {
	Partitions     *int              `json:"partitions,omitempty"`
	Priorities     *int              `json:"priorities,omitempty"`
	Retention      *RetentionChange  `json:"retention,omitempty"`
	Cleanup        *string           `json:"cleanup,omitempty"`
	DedupeWindow   *Duration         `json:"dedupe_window,omitempty"`
	MaxRecordBytes *int64            `json:"max_record_bytes,omitempty"`
	MaxBacklog     *MaxBacklogChange `json:"max_backlog,omitempty"`

	Schema              json.RawMessage `json:"schema,omitempty"`               // JSON Schema 2020-12
	SchemaCompatibility *string         `json:"schema_compatibility,omitempty"` // none, backward, forward or full
}

// RetentionChange changes a Retention.
type RetentionChange struct {
	Age           *Duration `json:"age,omitempty"`
	Bytes         *int64    `json:"bytes,omitempty"`
	KeepUnsettled *bool     `json:"keep_unsettled,omitempty"`
}

// MaxBacklogChange changes a MaxBacklog.
type MaxBacklogChange struct {
	Records *int64 `json:"records,omitempty"`
	Bytes   *int64 `json:"bytes,omitempty"`
}

// GroupChange is the body of PUT /v1/groups/{group}: what is nil stays as it is, or gets its default in a new group.
type GroupChange struct {
	Kind           *string           `json:"kind,omitempty"`
	Topics         []string          `json:"topics,omitempty"` // the whole list
	Start          *string           `json:"start,omitempty"`
	Pin            *bool             `json:"pin,omitempty"`
	Lease          *Duration         `json:"lease,omitempty"`
	MaxAttempts    *int              `json:"max_attempts,omitempty"`
	Backoff        *BackoffChange    `json:"backoff,omitempty"`
	Ordering       *string           `json:"ordering,omitempty"`
	OnDead         *string           `json:"on_dead,omitempty"`
	MaxInflight    *int              `json:"max_inflight,omitempty"`
	Rate           *RateChange       `json:"rate,omitempty"`
	KeyConcurrency *int              `json:"key_concurrency,omitempty"`
	StrictLeases   *bool             `json:"strict_leases,omitempty"`
	DeadLetter     *DeadLetterChange `json:"dead_letter,omitempty"`
	Paused         *bool             `json:"paused,omitempty"`
}

// BackoffChange changes a Backoff.
type BackoffChange struct {
	Initial    *Duration  `json:"initial,omitempty"`
	Multiplier *float64   `json:"multiplier,omitempty"`
	Max        *Duration  `json:"max,omitempty"`
	Jitter     *float64   `json:"jitter,omitempty"`
	Steps      []Duration `json:"steps,omitempty"`
}

// RateChange changes a Rate.
type RateChange struct {
	PerSecond *float64 `json:"per_second,omitempty"`
	Burst     *int     `json:"burst,omitempty"`
}

// DeadLetterChange changes a DeadLetter.
type DeadLetterChange struct {
	Enabled *bool   `json:"enabled,omitempty"`
	Topic   *string `json:"topic,omitempty"`
	OnTTL   *bool   `json:"on_ttl,omitempty"`
}

// ResetRequest is the body of POST /v1/groups/{group}/reset.
type ResetRequest struct {
	To        string   `json:"to"` // "earliest", "latest", "offset:N", RFC 3339 or "-1h"
	Topics    []string `json:"topics,omitempty"`
	Partition *int     `json:"partition,omitempty"`
	DryRun    bool     `json:"dry_run,omitempty"`
	Force     bool     `json:"force,omitempty"` // of an ordered group: fence its members
}

// ResetResponse answers a reset.
type ResetResponse struct {
	Partitions []ResetPartition `json:"partitions"`
}

// ResetPartition is how far a reset moves one partition: start offsets, committed ones in ordered groups.
type ResetPartition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
}
