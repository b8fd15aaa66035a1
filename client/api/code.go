package api

// Code is a stable error code of the HTTP API.
type Code string

// The codes, by HTTP status.
const (
	InvalidRequest         Code = "invalid_request"          // 400
	InvalidConfig          Code = "invalid_config"           // 400
	Unauthenticated        Code = "unauthenticated"          // 401
	Forbidden              Code = "forbidden"                // 403
	TopicNotFound          Code = "topic_not_found"          // 404
	GroupNotFound          Code = "group_not_found"          // 404
	PartitionNotFound      Code = "partition_not_found"      // 404
	RecordNotFound         Code = "record_not_found"         // 404
	DeadLetterNotFound     Code = "dead_letter_not_found"    // 404
	ScheduleNotFound       Code = "schedule_not_found"       // 404
	MemberNotFound         Code = "member_not_found"         // 404
	RedriveNotFound        Code = "redrive_not_found"        // 404
	NotFound               Code = "not_found"                // 404
	MethodNotAllowed       Code = "method_not_allowed"       // 405
	LeaseLost              Code = "lease_lost"               // 409
	AlreadySettled         Code = "already_settled"          // 409
	InvalidReceipt         Code = "invalid_receipt"          // 409
	Fenced                 Code = "fenced"                   // 409
	GroupKindMismatch      Code = "group_kind_mismatch"      // 409
	PartitionsCannotShrink Code = "partitions_cannot_shrink" // 409
	TopicInUse             Code = "topic_in_use"             // 409
	GroupInUse             Code = "group_in_use"             // 409
	Rebalancing            Code = "rebalancing"              // 409
	PreconditionFailed     Code = "precondition_failed"      // 412
	RecordTooLarge         Code = "record_too_large"         // 413
	RequestTooLarge        Code = "request_too_large"        // 413
	UnsupportedMediaType   Code = "unsupported_media_type"   // 415
	OffsetOutOfRange       Code = "offset_out_of_range"      // 416
	UnknownHost            Code = "unknown_host"             // 421
	SchemaViolation        Code = "schema_violation"         // 422
	BacklogFull            Code = "backlog_full"             // 429
	RateLimited            Code = "rate_limited"             // 429
	HeadersTooLarge        Code = "headers_too_large"        // 431
	Internal               Code = "internal"                 // 500
	Corrupt                Code = "corrupt"                  // 500
	ShuttingDown           Code = "shutting_down"            // 503
	Unavailable            Code = "unavailable"              // 503
	StorageFull            Code = "storage_full"             // 507
)

// Problem is the body of every error answer: RFC 9457 application/problem+json.
type Problem struct {
	Type         string          `json:"type"`
	Title        string          `json:"title"`
	Status       int             `json:"status"`
	Detail       string          `json:"detail,omitempty"` // says what to do
	Code         Code            `json:"code"`
	RequestID    string          `json:"request_id,omitempty"`
	RetryAfterMS int64           `json:"retry_after_ms,omitempty"`
	StartOffset  *int64          `json:"start_offset,omitempty"` // of offset_out_of_range
	EndOffset    *int64          `json:"end_offset,omitempty"`
	Damage       *Damage         `json:"damage,omitempty"`    // of corrupt, where it is known how far it goes
	Failed       []SettleFailure `json:"failed,omitempty"`    // of a settle that applied nothing
	Violation    *Violation      `json:"violation,omitempty"` // of schema_violation
}

// Damage is offsets of a partition that cannot be read: from Offset up to, not including, NextOffset, where a reader may go on who passes over them.
type Damage struct {
	Topic      string `json:"topic"`
	Partition  int    `json:"partition"`
	Offset     int64  `json:"offset"`
	NextOffset int64  `json:"next_offset"`
}
