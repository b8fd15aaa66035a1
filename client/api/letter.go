package api

import "encoding/json"

// Letter is a record that a group gave up on: an item of GET /v1/groups/{group}/dead-letters.
type Letter struct {
	ID            string            `json:"id"`    // of the group and the record's place
	State         string            `json:"state"` // open, redriven, purged
	Topic         string            `json:"topic"`
	Partition     int               `json:"partition"`
	Offset        int64             `json:"offset"`
	Key           *string           `json:"key,omitempty"`
	KeyBase64     *string           `json:"key_base64,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	Value
	Attempts         int    `json:"attempts"`
	Reason           string `json:"reason"` // max_attempts, rejected, ttl
	Error            string `json:"error,omitempty"`
	ErrorType        string `json:"error_type,omitempty"`
	Fingerprint      string `json:"fingerprint,omitempty"`
	Member           string `json:"member,omitempty"`             // who had it last
	FirstDeliveredAt *Time  `json:"first_delivered_at,omitempty"` // absent: no delivery failed
	DeadAt           *Time  `json:"dead_at,omitempty"`
	Redrives         int    `json:"redrives"`
	Pending          bool   `json:"pending,omitempty"` // redriven to the group, and not settled since
	Damaged          bool   `json:"damaged,omitempty"` // it, or the record before it, was damaged on the disk: the value is missing

	Stack   string    `json:"stack,omitempty"`   // of one letter, and in exports
	History []Attempt `json:"history,omitempty"` // likewise: the last failed attempts, oldest first
}

// LetterList answers GET /v1/groups/{group}/dead-letters.
type LetterList struct {
	Items      []Letter `json:"items"`
	Total      int      `json:"total"` // that the filter chooses
	NextCursor string   `json:"next_cursor,omitempty"`
}

// LetterSummary answers GET /v1/groups/{group}/dead-letters/summary, the largest bucket first.
type LetterSummary struct {
	Items []LetterBucket `json:"items"`
	Total int            `json:"total"` // values there are
}

// LetterBucket counts the dead letters of one value.
type LetterBucket struct {
	Value       *string `json:"value"`                  // null: letters without key, or one that is not UTF-8
	ValueBase64 *string `json:"value_base64,omitempty"` // of one that is not
	Count       int     `json:"count"`
	DiedAgain   int     `json:"died_again,omitempty"` // of them: after a redrive
	FirstAt     Time    `json:"first_at"`
	LastAt      Time    `json:"last_at"`
	SampleID    string  `json:"sample_id"` // the newest
}

// LetterFilter chooses dead letters; what is empty chooses all.
type LetterFilter struct {
	State       string  `json:"state,omitempty"` // open (default), redriven, purged
	Reason      string  `json:"reason,omitempty"`
	Error       string  `json:"error,omitempty"` // a substring
	Fingerprint string  `json:"fingerprint,omitempty"`
	Topic       string  `json:"topic,omitempty"`
	Key         *string `json:"key,omitempty"`
	KeyBase64   *string `json:"key_base64,omitempty"`
	Since       string  `json:"since,omitempty"` // a time, or how long ago: "-1h"
	Until       string  `json:"until,omitempty"` // likewise; not included
}

// LetterChoice says which dead letters a call is about: those of IDs that the filter chooses, all that it chooses, or all.
type LetterChoice struct {
	LetterFilter
	IDs    []string `json:"ids,omitempty"`
	All    bool     `json:"all,omitempty"`
	Limit  int      `json:"limit,omitempty"` // the oldest ones
	DryRun bool     `json:"dry_run,omitempty"`
}

// RedriveRequest is the body of POST /v1/groups/{group}/dead-letters/redrive.
type RedriveRequest struct {
	LetterChoice
	Rate          float64 `json:"rate,omitempty"`            // letters per second
	Ramp          bool    `json:"ramp,omitempty"`            // 1, 2, 5, 10, … going on while what came back succeeds
	StopOnRedeath float64 `json:"stop_on_redeath,omitempty"` // a share of what came back
	To            string  `json:"to,omitempty"`              // group (default), topic
}

// RedrivePreview answers a redrive with dry_run.
type RedrivePreview struct {
	Matched int      `json:"matched"`
	Samples []Letter `json:"samples"`
}

// Redrive is a job that redrives dead letters: the answer of GET /v1/redrives/{id}.
type Redrive struct {
	ID            string          `json:"id"`
	Group         string          `json:"group"`
	State         string          `json:"state"` // running, done, cancelled, failed
	Matched       int             `json:"matched"`
	Redriven      int             `json:"redriven"`
	Succeeded     int             `json:"succeeded"`  // of those redriven: settled, and not dead again
	DiedAgain     int             `json:"died_again"` // likewise
	Skipped       int             `json:"skipped"`    // not open any more when their turn came
	To            string          `json:"to"`
	Rate          float64         `json:"rate,omitempty"`
	Ramp          bool            `json:"ramp,omitempty"`
	StopOnRedeath float64         `json:"stop_on_redeath,omitempty"`
	Filter        json.RawMessage `json:"filter"`          // what was asked for
	Error         string          `json:"error,omitempty"` // of a failed one: why
	CreatedAt     Time            `json:"created_at"`
	FinishedAt    *Time           `json:"finished_at,omitempty"`
}

// RedriveList answers GET /v1/redrives, the newest first.
type RedriveList struct {
	Items      []Redrive `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// RedriveEdit is the body of POST /v1/groups/{group}/dead-letters/{id}/redrive: without a value and headers the record goes as it is.
type RedriveEdit struct {
	Value
	Headers       map[string]string `json:"headers,omitempty"` // with headers_base64: all that the record is to have
	HeadersBase64 map[string]string `json:"headers_base64,omitempty"`
	Delay         *Duration         `json:"delay,omitempty"`
	To            string            `json:"to,omitempty"` // group (default), topic
}

// Redriven answers the redrive of one dead letter.
type Redriven struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Redrives  int        `json:"redrives"`
	To        string     `json:"to"`
	Topic     string     `json:"topic"`
	Partition int        `json:"partition"` // of the record: its own place, or where it was published
	Offset    int64      `json:"offset"`
	Scheduled *Scheduled `json:"scheduled,omitempty"` // published with a delay: then it has no partition and offset yet
}

// MarshalJSON implements json.Marshaler: what is not published yet has no place.
func (r Redriven) MarshalJSON() ([]byte, error) {
	type plain Redriven
	if r.Scheduled == nil {
		return json.Marshal(plain(r))
	}
	return json.Marshal(struct {
		plain
		Partition *int   `json:"partition,omitempty"`
		Offset    *int64 `json:"offset,omitempty"`
	}{plain: plain(r)})
}

// PurgeResponse answers POST /v1/groups/{group}/dead-letters/purge: how many were purged, or with dry_run would be.
type PurgeResponse struct {
	Purged int `json:"purged"`
}
