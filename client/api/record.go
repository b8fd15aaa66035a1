package api

import "encoding/json"

// Value holds a record's value in one of its four forms; exactly one is set.
type Value struct {
	Value       json.RawMessage `json:"value,omitempty"` // any JSON, kept as written
	Text        *string         `json:"text,omitempty"`  // UTF-8
	ValueBase64 *string         `json:"value_base64,omitempty"`
	Tombstone   bool            `json:"tombstone,omitempty"`
}

// NewRecord is one record of a publish.
type NewRecord struct {
	Key           *string           `json:"key,omitempty"`
	KeyBase64     *string           `json:"key_base64,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	ID            string            `json:"id,omitempty"`
	Delay         *Duration         `json:"delay,omitempty"`
	DeliverAt     *Time             `json:"deliver_at,omitempty"`
	TTL           *Duration         `json:"ttl,omitempty"`
	Priority      *int              `json:"priority,omitempty"`
	Partition     *int              `json:"partition,omitempty"`
	Value
}

// PublishRequest is the body of POST /v1/topics/{topic}/records with several records.
type PublishRequest struct {
	Records []NewRecord `json:"records"`
}

// Published says where a record went.
type Published struct {
	Partition int        `json:"partition"`
	Offset    int64      `json:"offset"`
	Timestamp Time       `json:"timestamp"`
	Duplicate bool       `json:"duplicate,omitempty"`
	Scheduled *Scheduled `json:"scheduled,omitempty"` // then the other fields mean nothing
}

// Scheduled says when a delayed record is due.
type Scheduled struct {
	ID        string `json:"id"`
	DeliverAt Time   `json:"deliver_at"`
}

// PublishResponse answers a publish, in request order.
type PublishResponse struct {
	Records []Published `json:"records"`
	Created []string    `json:"created,omitempty"`
}

// Record is a stored record as reads give it.
type Record struct {
	Partition     int               `json:"partition"`
	Offset        int64             `json:"offset"`
	Timestamp     Time              `json:"timestamp"`
	Key           *string           `json:"key,omitempty"`
	KeyBase64     *string           `json:"key_base64,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	Value
}

// ReadResponse answers GET /v1/topics/{topic}/partitions/{p}/records.
type ReadResponse struct {
	Records     []Record `json:"records"`
	NextOffset  int64    `json:"next_offset"`
	StartOffset int64    `json:"start_offset"`
	EndOffset   int64    `json:"end_offset"`
}

// TailGap is the data of a tail's event "gap": the offsets [From, To) of a partition do not come.
type TailGap struct {
	Partition int   `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
}

// TailEnd is the data of a tail's event "end".
type TailEnd struct {
	Reason string `json:"reason"` // topic_deleted, shutting_down, corrupt
}
