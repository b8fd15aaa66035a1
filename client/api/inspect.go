package api

// GroupRecord is one record as a share group sees it: an item of GET /v1/groups/{group}/records.
type GroupRecord struct {
	Topic      string  `json:"topic"`
	Partition  int     `json:"partition"`
	Offset     int64   `json:"offset"`
	Key        *string `json:"key,omitempty"`
	KeyBase64  *string `json:"key_base64,omitempty"`
	State      string  `json:"state"`   // available, leased, deferred; of one record also settled
	Attempt    int     `json:"attempt"` // the one running, or the next one
	Deliveries int     `json:"deliveries"`
	Member     string  `json:"member,omitempty"`     // of a leased one
	LeasedAt   *Time   `json:"leased_at,omitempty"`  // of a leased one: when it was handed out, if that is known
	ExpiresAt  *Time   `json:"expires_at,omitempty"` // of a leased one
	DueAt      *Time   `json:"due_at,omitempty"`     // of a deferred one
	Error      string  `json:"error,omitempty"`      // of its last failed attempt
	Why        Why     `json:"why"`
}

// GroupRecordList answers GET /v1/groups/{group}/records.
type GroupRecordList struct {
	Items      []GroupRecord `json:"items"`
	NextCursor string        `json:"next_cursor,omitempty"`
}

// GroupRecordDetail answers GET /v1/groups/{group}/records/{topic}/{partition}/{offset}.
type GroupRecordDetail struct {
	GroupRecord
	Outcome string    `json:"outcome,omitempty"` // of a settled one, while it is known: acked, dead_lettered, dropped, skipped
	History []Attempt `json:"history,omitempty"` // the last failed attempts, oldest first
}

// Why says what a record waits for: Code is nothing, lease, backoff, key, rate, paused, inflight or settled.
type Why struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Offset *int64 `json:"offset,omitempty"` // of key: the record that it waits behind
}

// Attempt is one failed attempt of a record.
type Attempt struct {
	Attempt  int          `json:"attempt"`
	Delivery int          `json:"delivery"` // which hand-out it was
	At       Time         `json:"at"`       // when it was handed out
	TookMS   int64        `json:"took_ms"`  // until it failed
	Member   string       `json:"member,omitempty"`
	Outcome  string       `json:"outcome"` // nacked, rejected, expired
	Error    *WorkerError `json:"error,omitempty"`
}

// ExtendRecord is the body of POST /v1/groups/{group}/records/{topic}/{partition}/{offset}/extend.
type ExtendRecord struct {
	For *Duration `json:"for,omitempty"` // absent: the group's lease
}

// ExtendedRecord answers it.
type ExtendedRecord struct {
	ExpiresAt Time `json:"expires_at"`
}
