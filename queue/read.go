package queue

import (
	"context"

	"github.com/holtmq/holt/queue/partition"
)

// NewAnswerRoom returns a room for about limit bytes of records in answers.
func NewAnswerRoom(limit int64) *AnswerRoom { return partition.NewRoom(limit) }

// Read returns records of a partition from a position on, waiting for the first one as long as the request says. At the end it returns none.
// Errors: ErrTopicNotFound, ErrPartitionNotFound, *RangeError, ErrCorrupt.
func (b *Broker) Read(ctx context.Context, req ReadRequest) (ReadResult, error) {
	if req.Max == 0 {
		req.Max = int(b.cfg.Limits.MaxLease)
	}
	if req.MaxBytes == 0 {
		req.MaxBytes = b.cfg.Limits.MaxBytes
	}
	return b.topics.Read(ctx, req, b.stop)
}

// ReadOne returns one record. Errors: ErrTopicNotFound, ErrPartitionNotFound, ErrRecordNotFound (a hole), *RangeError, ErrCorrupt.
func (b *Broker) ReadOne(ctx context.Context, name string, index int, at Offset) (Record, error) {
	return b.topics.ReadOne(ctx, name, index, at)
}
