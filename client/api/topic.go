package api

import "encoding/json"

// Retention says how long settled records stay.
type Retention struct {
	Age           Duration `json:"age"`   // 0 = forever
	Bytes         int64    `json:"bytes"` // per partition; 0 = no limit
	KeepUnsettled bool     `json:"keep_unsettled"`
}

// MaxBacklog limits what the slowest share group has not settled; 0 = no limit.
type MaxBacklog struct {
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
}

// TopicConfig is a topic's configuration with every default filled in.
type TopicConfig struct {
	Partitions     int        `json:"partitions"`
	Priorities     int        `json:"priorities"`
	Retention      Retention  `json:"retention"`
	Cleanup        string     `json:"cleanup"`
	DedupeWindow   Duration   `json:"dedupe_window"`
	MaxRecordBytes int64      `json:"max_record_bytes"`
	MaxBacklog     MaxBacklog `json:"max_backlog"`

	Schema              json.RawMessage `json:"schema,omitempty"`     // JSON Schema 2020-12 for values; absent: any value
	SchemaCompatibility string          `json:"schema_compatibility"` // of a new one with the one before: none, backward, forward or full
}

// Topic is the answer of GET /v1/topics/{topic}.
type Topic struct {
	Name          string           `json:"name"`
	Config        TopicConfig      `json:"config"`
	CreatedAt     Time             `json:"created_at"`
	SchemaVersion int              `json:"schema_version,omitempty"` // of config.schema
	Groups        []TopicGroup     `json:"groups"`
	Partitions    []TopicPartition `json:"partitions"`
}

// TopicGroup is one group that reads a topic.
type TopicGroup struct {
	Group             string `json:"group"`
	Kind              string `json:"kind"`
	Lag               int64  `json:"lag"`
	HoldsBytes        int64  `json:"holds_bytes"`
	OldestUnsettledAt *Time  `json:"oldest_unsettled_at,omitempty"`
}

// TopicPartition is one partition of a topic.
type TopicPartition struct {
	Partition   int   `json:"partition"`
	Lane        int   `json:"lane"`
	StartOffset int64 `json:"start_offset"`
	EndOffset   int64 `json:"end_offset"`
	Bytes       int64 `json:"bytes"`
}

// TopicList answers GET /v1/topics.
type TopicList struct {
	Items      []Topic `json:"items"`
	NextCursor string  `json:"next_cursor,omitempty"`
}
