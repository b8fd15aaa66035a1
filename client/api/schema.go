package api

import "encoding/json"

// SchemaVersion is one version of a topic's schema.
type SchemaVersion struct {
	Version       int             `json:"version"`
	Schema        json.RawMessage `json:"schema"`
	Compatibility string          `json:"compatibility,omitempty"` // what was asked for when it was made
	CreatedAt     Time            `json:"created_at"`
}

// SchemaVersionList answers GET /v1/topics/{topic}/schema/versions.
type SchemaVersionList struct {
	Items      []SchemaVersion `json:"items"`
	NextCursor string          `json:"next_cursor,omitempty"`
}

// Violation says where and why a value is not what its topic's schema asks for.
type Violation struct {
	Topic   string `json:"topic"`
	Version int    `json:"version"`
	Record  int    `json:"record"`  // its place among the records for the topic
	Pointer string `json:"pointer"` // JSON pointer into the value; "" is the whole value
	Reason  string `json:"reason"`
}

// SchemaCheck is the body of POST /v1/topics/{topic}/schema/check.
type SchemaCheck struct {
	Schema              json.RawMessage   `json:"schema,omitempty"`               // absent: the topic's
	SchemaCompatibility string            `json:"schema_compatibility,omitempty"` // absent: the topic's
	Values              []json.RawMessage `json:"values,omitempty"`
}

// SchemaCheckResponse answers it.
type SchemaCheckResponse struct {
	Accepted   bool        `json:"accepted"`         // the schema may follow, and the values satisfy it
	Reason     string      `json:"reason,omitempty"` // why the schema may not
	Violations []Violation `json:"violations"`
}
