package queue

import (
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// Names of the sub-packages' types that callers of the broker need.
type (
	Offset       = record.Offset
	Record       = record.Record
	TopicConfig  = catalog.TopicConfig
	GroupConfig  = catalog.GroupConfig
	Kind         = catalog.Kind
	LeaseRequest = share.LeaseRequest
	Delivery     = share.Delivery
	Action       = share.Action
	WorkerError  = share.WorkerError
	Failure      = share.Failure
	SettleResult = share.SettleResult
	SettleError  = share.SettleError
	Place        = partition.Place
	Message      = topic.Message
	Limits       = admit.Limits

	SettleRequest   = admit.SettleRequest
	TopicMessages   = admit.TopicMessages
	ScheduledRecord = topic.ScheduledRecord
	ScheduleConfig  = catalog.ScheduleConfig
	ScheduleRecord  = catalog.ScheduleRecord
	AnswerRoom      = partition.Room
	AnswerShare     = partition.Share

	GroupCounters = share.Counters
	GroupChange   = admit.GroupChange
	TopicGroup    = share.OnTopic
	Condition     = catalog.Condition
	Position      = partition.Position
	ReadRequest   = topic.ReadRequest
	ReadResult    = topic.ReadResult
	GroupMeasures = share.Measures
	Histogram     = share.Histogram

	SchemaViolation = topic.Violation
	SchemaVersion   = catalog.SchemaVersion
)

// The verbs of a settle.
const (
	Ack     = lease.Ack
	Nack    = lease.Nack
	Release = lease.Release
	Reject  = lease.Reject
	Extend  = lease.Extend
)

// TopicInfo describes a topic.
type TopicInfo struct {
	Name       string
	Config     TopicConfig
	CreatedAt  time.Time
	Tag        string // changes whenever the definition does; differs between incarnations
	Schema     int    // version of its schema; 0 = none
	Published  TopicCounters
	Groups     []TopicGroup
	Partitions []PartitionInfo
}

// TopicCounters are what was published to a topic since the process started, redelivered and dead-lettered records aside.
type TopicCounters struct{ Records, Bytes uint64 }

// PartitionInfo describes one partition.
type PartitionInfo struct {
	Partition, Lane int
	Start, End      Offset
	Bytes           int64
}

// GroupInfo describes a group.
type GroupInfo struct {
	Name       string
	Kind       Kind
	Topics     []string
	Config     GroupConfig
	CreatedAt  time.Time
	Tag        string
	Totals     GroupTotals
	Counters   GroupCounters
	Measures   GroupMeasures
	Waiters    int // parked leases
	Partitions []GroupPartition
	Members    []GroupMember
}

// GroupTotals counts records: Lag = Available + Leased + Deferred.
type GroupTotals struct{ Lag, Available, Leased, Deferred, DeadLetters int64 }

// GroupPartition is a group's progress on one partition.
type GroupPartition struct {
	Topic                            string
	Partition                        int
	Start, End, LogEnd               Offset
	Lag, Available, Leased, Deferred int64
	OldestUnsettled                  time.Time // zero = none
	Member                           string    // of an ordered group: who reads it
	OldestAvailable                  time.Time // of those that can be handed out; zero = none
}

// GroupMember is a worker seen lately.
type GroupMember struct {
	Member   string
	Leases   int
	LastSeen time.Time

	// Of ordered groups only:

	Epoch      int64
	Topics     []string // nil = all that the group reads
	Session    time.Duration
	Assignment []TopicPartition // what it holds
}
