package api

import (
	"encoding/json"
	"time"
)

// Backoff is the wait before the next attempt: exponential, or the Steps, whose last one repeats.
type Backoff struct {
	Initial    Duration   `json:"initial"`
	Multiplier float64    `json:"multiplier"`
	Max        Duration   `json:"max"`
	Jitter     float64    `json:"jitter"`
	Steps      []Duration `json:"steps,omitempty"`
}

// MarshalJSON implements json.Marshaler: a backoff with steps has no fields of the exponential form.
func (b Backoff) MarshalJSON() ([]byte, error) {
	type plain Backoff
	if len(b.Steps) == 0 {
		return json.Marshal(plain(b))
	}
	return json.Marshal(struct {
		Jitter float64    `json:"jitter"`
		Steps  []Duration `json:"steps"`
	}{b.Jitter, b.Steps})
}

// Rate is a token bucket; 0 = no limit.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst"`
}

// DeadLetter says where hopeless records go.
type DeadLetter struct {
	Enabled bool   `json:"enabled"`
	Topic   string `json:"topic"`
	OnTTL   bool   `json:"on_ttl"`
}

// GroupConfig is a share group's configuration with every default filled in.
type GroupConfig struct {
	Lease          Duration   `json:"lease"`
	MaxAttempts    int        `json:"max_attempts"`
	Backoff        Backoff    `json:"backoff"`
	Ordering       string     `json:"ordering"`
	OnDead         string     `json:"on_dead"`
	MaxInflight    int        `json:"max_inflight"`
	Rate           Rate       `json:"rate"`
	KeyConcurrency int        `json:"key_concurrency"`
	StrictLeases   bool       `json:"strict_leases"`
	DeadLetter     DeadLetter `json:"dead_letter"`
	Paused         bool       `json:"paused"`
	Pin            bool       `json:"pin"`
	Start          string     `json:"start"`
}

// Group is the answer of GET /v1/groups/{group}.
type Group struct {
	Name       string           `json:"name"`
	Kind       string           `json:"kind"`
	Topics     []string         `json:"topics"`
	Config     GroupConfig      `json:"config"`
	CreatedAt  Time             `json:"created_at"`
	Totals     GroupTotals      `json:"totals"`
	Partitions []GroupPartition `json:"partitions,omitzero"` // nil in a summary
	Members    []GroupMember    `json:"members"`
}

// OrderedConfig is an ordered group's configuration; all else of GroupConfig is for share groups.
type OrderedConfig struct {
	Paused bool   `json:"paused"`
	Pin    bool   `json:"pin"`
	Start  string `json:"start"`
}

// MarshalJSON implements json.Marshaler: a group has the configuration of its kind.
func (g Group) MarshalJSON() ([]byte, error) {
	type plain Group
	if g.Kind != "ordered" {
		return json.Marshal(plain(g))
	}
	return json.Marshal(struct {
		plain
		Config OrderedConfig `json:"config"`
	}{plain(g), OrderedConfig{g.Config.Paused, g.Config.Pin, g.Config.Start}})
}

// GroupTotals counts records: Lag = Available + Leased + Deferred.
type GroupTotals struct {
	Lag         int64 `json:"lag"`
	Available   int64 `json:"available"`
	Leased      int64 `json:"leased"`
	Deferred    int64 `json:"deferred"`
	DeadLetters int64 `json:"dead_letters"`
}

// GroupPartition is a group's progress on one partition.
type GroupPartition struct {
	Topic             string `json:"topic"`
	Partition         int    `json:"partition"`
	StartOffset       int64  `json:"start_offset"`
	EndOffset         int64  `json:"end_offset"`
	LogEndOffset      int64  `json:"log_end_offset"`
	Lag               int64  `json:"lag"`
	Available         int64  `json:"available"`
	Leased            int64  `json:"leased"`
	Deferred          int64  `json:"deferred"`
	OldestUnsettledAt *Time  `json:"oldest_unsettled_at,omitempty"`
	Member            string `json:"member,omitempty"` // of an ordered group: who reads it
}

// PresentSpan is how long a worker of a share group counts as there after it was seen last: between two leases it neither holds nor waits for anything.
const PresentSpan = 30 * time.Second

// Present tells whether a worker of a share group is there, of how many leases it holds and when it was seen. A member of an ordered group is as long as it is listed.
func Present(leases int, seen, now time.Time) bool { return leases > 0 || now.Sub(seen) < PresentSpan }

// GroupMember is a worker, with what it holds. Share groups remember the 1,000 that they saw last.
type GroupMember struct {
	Member     string `json:"member"`
	Leases     int    `json:"leases"`
	LastSeenAt *Time  `json:"last_seen_at,omitempty"`

	// Of ordered groups only:

	Epoch      int64    `json:"epoch,omitempty"`
	Session    Duration `json:"session,omitzero"`
	Topics     []string `json:"topics,omitempty"` // absent: all that the group reads
	Assignment []Place  `json:"assignment,omitempty"`
}

// GroupList answers GET /v1/groups.
type GroupList struct {
	Items      []Group `json:"items"`
	NextCursor string  `json:"next_cursor,omitempty"`
}

// Paused answers POST /v1/groups/{group}/pause and resume.
type Paused struct {
	Paused bool `json:"paused"`
}
