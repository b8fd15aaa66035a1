package queue

import (
	"errors"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// Sentinels of the broker. Every error of a Broker method wraps one of them, or is the context's.
var (
	ErrTopicNotFound     = catalog.ErrTopicNotFound
	ErrGroupNotFound     = catalog.ErrGroupNotFound
	ErrScheduleNotFound  = catalog.ErrScheduleNotFound
	ErrSchemaNotFound    = catalog.ErrSchemaNotFound
	ErrSchemaViolation   = topic.ErrSchemaViolation
	ErrPartitionNotFound = topic.ErrPartitionNotFound
	ErrRecordNotFound    = topic.ErrRecordNotFound
	ErrInvalidName       = catalog.ErrInvalidName
	ErrInvalidConfig     = catalog.ErrInvalidConfig
	ErrInvalidRequest    = topic.ErrInvalidRequest
	ErrCannotShrink      = catalog.ErrCannotShrink
	ErrKindMismatch      = catalog.ErrKindMismatch
	ErrTopicInUse        = catalog.ErrTopicInUse
	ErrGroupInUse        = catalog.ErrGroupInUse
	ErrPrecondition      = catalog.ErrPrecondition
	ErrBackupGone        = backup.ErrGone
	ErrLeaseLost         = share.ErrLeaseLost
	ErrAlreadySettled    = share.ErrAlreadySettled
	ErrInvalidReceipt    = share.ErrInvalidReceipt
	ErrRecordTooLarge    = admit.ErrRecordTooLarge
	ErrRequestTooLarge   = topic.ErrRequestTooLarge
	ErrBacklogFull       = group.ErrBacklogFull
	ErrRateLimited       = topic.ErrRateLimited
	ErrStorageFull       = errors.New("the storage is full")
	ErrShuttingDown      = group.ErrShuttingDown
	ErrUnavailable       = errors.New("not available for the moment")
	ErrUnknown           = store.ErrUnknown
	ErrCorrupt           = store.ErrCorrupt
)

// RangeError says that a read was outside of what a partition holds.
type RangeError = partition.RangeError

// DamageError is an ErrCorrupt that says which offsets of a partition cannot be read.
type DamageError = partition.DamageError
