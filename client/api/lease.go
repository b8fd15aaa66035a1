package api

import "encoding/json"

// LeaseRequest is the body of POST /v1/groups/{group}/lease.
type LeaseRequest struct {
	Max      int            `json:"max,omitempty"`
	Wait     Duration       `json:"wait,omitempty"`
	Lease    Duration       `json:"lease,omitempty"` // 0 = the group's
	MaxBytes int64          `json:"max_bytes,omitempty"`
	Topics   []string       `json:"topics,omitempty"`
	Member   string         `json:"member,omitempty"`
	Request  string         `json:"request,omitempty"`
	Settle   *SettleRequest `json:"settle,omitempty"`
}

// LeasedRecord is one record handed out.
type LeasedRecord struct {
	Receipt       string            `json:"receipt"`
	Topic         string            `json:"topic"`
	Partition     int               `json:"partition"`
	Offset        int64             `json:"offset"`
	Key           *string           `json:"key,omitempty"`
	KeyBase64     *string           `json:"key_base64,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	Value
	Timestamp   Time  `json:"timestamp"`
	Attempt     int   `json:"attempt"`
	Deliveries  int   `json:"deliveries"`
	ExpiresAt   Time  `json:"expires_at"`
	ExpiresInMS int64 `json:"expires_in_ms"`
}

// LeaseResponse answers a lease; Records is empty when nothing came.
type LeaseResponse struct {
	Records []LeasedRecord  `json:"records"`
	Settle  *SettleResponse `json:"settle,omitempty"`
	Created []string        `json:"created,omitempty"`
}

// SettleRequest is the body of POST /v1/groups/{group}/settle.
type SettleRequest struct {
	Ack     []string       `json:"ack,omitempty"`
	Nack    []Nack         `json:"nack,omitempty"`
	Release []string       `json:"release,omitempty"`
	Reject  []Reject       `json:"reject,omitempty"`
	Extend  []Extend       `json:"extend,omitempty"`
	Publish []TopicRecords `json:"publish,omitempty"`
	Request string         `json:"request,omitempty"`
}

// Nack gives a record back as failed.
type Nack struct {
	Receipt string       `json:"receipt"`
	Delay   *Duration    `json:"delay,omitempty"` // absent: the group's backoff
	Error   *WorkerError `json:"error,omitempty"`
}

// Reject gives a record up.
type Reject struct {
	Receipt string       `json:"receipt"`
	Error   *WorkerError `json:"error,omitempty"`
}

// Extend moves a lease's deadline to now + For (absent: the group's lease).
type Extend struct {
	Receipt string    `json:"receipt"`
	For     *Duration `json:"for,omitempty"`
}

// TopicRecords are records to publish together with a settle.
type TopicRecords struct {
	Topic   string      `json:"topic"`
	Records []NewRecord `json:"records"`
}

// WorkerError is what a worker says of a failure; on the wire a plain string stands for one with only a Message.
type WorkerError struct {
	Type        string `json:"type,omitempty"`
	Message     string `json:"message,omitempty"`
	Stack       string `json:"stack,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Error implements error, so that a worker's handler can return one.
func (e *WorkerError) Error() string { return e.Message }

// UnmarshalJSON accepts a string or an object.
func (e *WorkerError) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &e.Message)
	}
	type plain WorkerError
	return json.Unmarshal(b, (*plain)(e))
}

// SettleResponse answers a settle. Settled counts every accepted verb; Failed names those that were not.
type SettleResponse struct {
	Settled int             `json:"settled"`
	Failed  []SettleFailure `json:"failed,omitempty"`
	Records [][]Published   `json:"records,omitempty"` // of publish, by its elements
	Created []string        `json:"created,omitempty"` // in the answer of a lease it stands beside settle
}

// SettleFailure is one receipt that was not settled, or one partition that was not committed.
type SettleFailure struct {
	Receipt   string `json:"receipt,omitempty"`
	Topic     string `json:"topic,omitempty"`
	Partition *int   `json:"partition,omitempty"`
	Code      Code   `json:"code"`
}

// ReceiptsRequest is the body of the one-verb forms ack, nack, release, reject and extend: one receipt or several.
type ReceiptsRequest struct {
	Receipt  string       `json:"receipt,omitempty"`
	Receipts []string     `json:"receipts,omitempty"`
	Delay    *Duration    `json:"delay,omitempty"` // nack
	Error    *WorkerError `json:"error,omitempty"` // nack, reject
	For      *Duration    `json:"for,omitempty"`   // extend
}

// Readiness answers GET /readyz.
type Readiness struct {
	Status      string `json:"status"`                 // ready
	StorageFull bool   `json:"storage_full,omitempty"` // free space is below min_free: publishes are refused, leases and settles go on
}

// ServerInfo answers GET /v1/info.
type ServerInfo struct {
	Version string           `json:"version"`
	Engine  string           `json:"engine"`
	Limits  map[string]int64 `json:"limits"`
}
