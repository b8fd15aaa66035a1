package api

// MediaBatches is the media type of polls and reads that carry whole stored record batches; docs/HTTP-API.md describes it.
const MediaBatches = "application/vnd.holt.record-batches"

// Place names a partition of a topic.
type Place struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
}

// AssignedPartition is a partition that a member reads, and where it is to go on.
type AssignedPartition struct {
	Place
	Offset int64 `json:"offset"`
}

// OwnedPartition is a partition that a member works on, and the offset it wants next; nil: from where the group goes on.
type OwnedPartition struct {
	Place
	Offset *int64 `json:"offset,omitempty"`
}

// MovedPartition is a partition whose offset was out of range: the member goes on at To.
type MovedPartition struct {
	Place
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// JoinRequest is the body of POST /v1/groups/{group}/join.
type JoinRequest struct {
	Member  string    `json:"member,omitempty"` // a static id
	Topics  []string  `json:"topics,omitempty"`
	Session *Duration `json:"session,omitempty"`
}

// JoinResponse answers a join.
type JoinResponse struct {
	Member     string              `json:"member"`
	Epoch      int64               `json:"epoch"`
	Assignment []AssignedPartition `json:"assignment"`
	Heartbeat  Duration            `json:"heartbeat"`
	Created    []string            `json:"created,omitempty"`
}

// PollRequest is the body of POST /v1/groups/{group}/poll.
type PollRequest struct {
	Member   string           `json:"member"`
	Epoch    int64            `json:"epoch"`
	Max      int              `json:"max,omitempty"`
	MaxBytes int64            `json:"max_bytes,omitempty"`
	Wait     *Duration        `json:"wait,omitempty"`
	Owned    []OwnedPartition `json:"owned"`
}

// HeartbeatRequest is the body of POST /v1/groups/{group}/heartbeat. Owned nil changes nothing.
type HeartbeatRequest struct {
	Member string           `json:"member"`
	Epoch  int64            `json:"epoch"`
	Owned  []OwnedPartition `json:"owned,omitempty"`
}

// PollResponse answers polls and heartbeats.
type PollResponse struct {
	Epoch      int64               `json:"epoch"`
	Assignment []AssignedPartition `json:"assignment"`
	Revoke     []Place             `json:"revoke"`
	Moved      []MovedPartition    `json:"moved"`
	Records    []StreamRecord      `json:"records"`
}

// PollHead is the head of a poll's answer of stored batches. Hidden are the server's own headers, which no reader shows.
type PollHead struct {
	PollResponse
	Hidden []string `json:"hidden,omitempty"`
}

// ReadHead is the head of a read's answer of stored batches.
type ReadHead struct {
	NextOffset  int64    `json:"next_offset"`
	StartOffset int64    `json:"start_offset"`
	EndOffset   int64    `json:"end_offset"`
	Hidden      []string `json:"hidden,omitempty"`
}

// StreamRecord is a stored record as polls give it.
type StreamRecord struct {
	Topic string `json:"topic"`
	Record
}

// CommittedOffset is the next offset to read.
type CommittedOffset struct {
	Place
	Offset   int64  `json:"offset"`
	Metadata string `json:"metadata,omitempty"`
}

// CommitRequest is the body of POST /v1/groups/{group}/commit.
type CommitRequest struct {
	Member  string            `json:"member"`
	Epoch   int64             `json:"epoch"`
	Offsets []CommittedOffset `json:"offsets"`
}

// CommitResponse answers a commit.
type CommitResponse struct {
	Committed int `json:"committed"` // partitions
}

// OffsetsResponse answers GET /v1/groups/{group}/offsets.
type OffsetsResponse struct {
	Offsets []CommittedOffset `json:"offsets"`
}

// LeaveRequest is the body of POST /v1/groups/{group}/leave. Epoch 0 is whichever the member has.
type LeaveRequest struct {
	Member string `json:"member"`
	Epoch  int64  `json:"epoch,omitempty"`
}

// LeaveResponse answers a leave.
type LeaveResponse struct {
	Member string `json:"member"`
}
