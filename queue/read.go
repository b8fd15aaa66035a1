package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// NewAnswerRoom returns a room for about limit bytes of records in answers.
func NewAnswerRoom(limit int64) *AnswerRoom { return partition.NewRoom(limit) }

// partition returns one partition. Errors: ErrTopicNotFound, ErrPartitionNotFound.
func (b *Broker) partition(name string, index int) (*partition.Partition, error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return nil, err
	}
	return t.Partition(index)
}

// Read returns records of a partition from a position on, waiting for the first one as long as the request says. At the end it returns none.
// Errors: ErrTopicNotFound, ErrPartitionNotFound, *RangeError, ErrCorrupt, ErrInvalidRequest.
func (b *Broker) Read(ctx context.Context, req ReadRequest) (ReadResult, error) {
	p, err := b.partition(req.Topic, req.Partition)
	if err != nil {
		return ReadResult{}, err
	}
	from, err := req.From.Find(ctx, p)
	if err != nil {
		return ReadResult{}, b.inRange(p, err)
	}
	if start, end := p.Bounds(); from < start || from > end {
		return ReadResult{}, fmt.Errorf("%s/%d at %d: %w", req.Topic, req.Partition, from, &RangeError{start, end})
	}
	if req.Max == 0 {
		req.Max = int(b.cfg.Limits.MaxLease)
	}
	if req.MaxBytes == 0 {
		req.MaxBytes = b.cfg.Limits.MaxBytes
	}
	for over := time.Now().Add(req.Wait); ; {
		if left := time.Until(over); left > 0 && req.Wait > 0 {
			topic.AwaitPast(ctx, p, from, left, b.stop)
			if now, err := b.partition(req.Topic, req.Partition); err != nil || now != p { // deleted meanwhile
				return ReadResult{}, fmt.Errorf("topic %s: %w", req.Topic, ErrTopicNotFound)
			}
		}
		res, err := topic.Read(ctx, p, from, req)
		if err != nil || len(res.Records) > 0 || res.Next == from || !time.Now().Before(over) {
			return res, b.inRange(p, err)
		}
		from = res.Next // there was a hole only
	}
}

// ReadOne returns one record. Errors: ErrTopicNotFound, ErrPartitionNotFound, ErrRecordNotFound (a hole), *RangeError, ErrCorrupt.
func (b *Broker) ReadOne(ctx context.Context, name string, index int, at Offset) (Record, error) {
	p, err := b.partition(name, index)
	if err != nil {
		return Record{}, err
	}
	r, err := p.Find(ctx, at)
	if errors.Is(err, record.ErrNotFound) {
		return Record{}, fmt.Errorf("%s/%d at %d: %w", name, index, at, ErrRecordNotFound)
	}
	r.Headers = topic.Visible(r.Headers)
	return r, b.inRange(p, err)
}

// inRange turns the store's word for an offset that is not there into a RangeError.
func (b *Broker) inRange(p *partition.Partition, err error) error {
	if errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
		start, end := p.Bounds()
		return fmt.Errorf("%w: %w", err, &RangeError{start, end})
	}
	return err
}
