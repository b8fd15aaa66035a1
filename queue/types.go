package queue

import (
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
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

	GroupInfo      = group.Info
	GroupTotals    = group.Totals
	GroupPartition = group.Partition
	GroupMember    = group.Member
	ResetRequest   = group.ResetRequest
	ResetMove      = group.ResetMove

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
