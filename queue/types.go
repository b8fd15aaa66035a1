package queue

import (
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

	TopicInfo      = group.Topic
	TopicCounters  = group.TopicCounters
	PartitionInfo  = group.TopicPartition
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
