package admit

import (
	"errors"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
)

// Sentinels: what a call over a limit wraps.
var (
	ErrInvalidRequest    = topic.ErrInvalidRequest
	ErrPartitionNotFound = topic.ErrPartitionNotFound
	ErrRequestTooLarge   = topic.ErrRequestTooLarge
	ErrRecordTooLarge    = errors.New("the record is too large")
)

// Limits are the sizes that calls are held to; a zero field is the documented default.
type Limits struct {
	MaxBody        int64         // bytes of a request; 16 MiB
	MaxValue       int64         // bytes of a record's value; 1 MiB
	MaxKey         int64         // bytes of a record's key; 4 KiB
	MaxHeaders     int64         // headers of a record; 64
	MaxHeaderBytes int64         // bytes of a record's headers, names and values; 16 KiB
	MaxPublish     int64         // records of a publish; 10,000
	MaxID          int64         // bytes of an id or request key; 256
	MaxLease       int64         // records of a lease; 1,000
	MaxBytes       int64         // max_bytes of lease and read; 16 MiB
	MaxRead        int64         // records of a read; 10,000
	MaxTailBehind  int64         // bytes of a partition that a tail which had caught up may be behind; 64 MiB
	MaxWait        time.Duration // of a long poll; 60 s
	MaxDelay       time.Duration // of a record, nack or extend; 365 d
}

// WithDefaults fills in what is not set.
func (l Limits) WithDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.MaxBody, 16<<20)
	def(&l.MaxValue, 1<<20)
	def(&l.MaxKey, 4<<10)
	def(&l.MaxHeaders, 64)
	def(&l.MaxHeaderBytes, 16<<10)
	def(&l.MaxPublish, 10_000)
	def(&l.MaxID, 256)
	def(&l.MaxLease, share.MaxLeaseRecords)
	def(&l.MaxBytes, share.MaxLeaseBytes)
	def(&l.MaxRead, 10_000)
	def(&l.MaxTailBehind, tail.MaxBehind)
	def((*int64)(&l.MaxWait), int64(time.Minute))
	def((*int64)(&l.MaxDelay), int64(catalog.MaxDelay))
	return l
}
