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
)

// The verbs of a settle.
const (
	Ack     = lease.Ack
	Nack    = lease.Nack
	Release = lease.Release
	Reject  = lease.Reject
	Extend  = lease.Extend
)

// Condition is what must hold of a definition for a change to be made; the zero value always holds.
type Condition struct {
	Tags   []string // one of them is the definition's Tag
	Exists bool     // it exists
	Absent bool     // it does not exist
	Force  bool     // not a condition: do it though others are in the way
}

// Position says where a read begins: at Offset, or at the start, the end, or the first record not before Time.
type Position struct {
	Offset   Offset
	Earliest bool
	Latest   bool
	Time     time.Time
}

// ReadRequest reads one partition without a group.
type ReadRequest struct {
	Topic     string
	Partition int
	From      Position
	Max       int           // records; 0 = 1,000
	MaxBytes  int64         // of keys, values and headers; 0 = 16 MiB. A larger record still comes, alone
	Wait      time.Duration // for the first record
	Room      *AnswerShare  // what the answer may take of the memory; nil = no limit
}

// ReadResult is what a read found. Next is where to go on.
type ReadResult struct {
	Records          []Record
	Next, Start, End Offset
}

// TopicInfo describes a topic.
type TopicInfo struct {
	Name       string
	Config     TopicConfig
	CreatedAt  time.Time
	Tag        string // changes whenever the definition does; differs between incarnations
	Published  TopicCounters
	Groups     []TopicGroup
	Partitions []PartitionInfo
}

// TopicCounters are what was published to a topic since the process started, redelivered and dead-lettered records aside.
type TopicCounters struct{ Records, Bytes uint64 }

// TopicGroup is one group that reads a topic.
type TopicGroup struct {
	Group           string
	Kind            Kind
	Lag             int64
	HoldsBytes      int64     // stored bytes from its oldest unsettled record on
	OldestUnsettled time.Time // zero = none
}

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

// GroupChange is what PUT can change of a group.
type GroupChange struct {
	Kind   Kind
	Topics []string
	Config GroupConfig
}
