package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Partition returns one partition of a user's topic. Errors: ErrNotFound, ErrPartitionNotFound.
func (s *Set) Partition(name string, index int) (*partition.Partition, error) {
	t, err := s.Get(name)
	if err != nil {
		return nil, err
	}
	return t.Partition(index)
}

// Read returns records of a partition from a position on, waiting for the first one as long as the request says or until stop is closed; its limits are set. At the end it
// returns none.
// Errors: ErrNotFound, ErrPartitionNotFound, *partition.RangeError, store.ErrCorrupt.
func (s *Set) Read(ctx context.Context, req ReadRequest, stop <-chan struct{}) (ReadResult, error) {
	p, err := s.Partition(req.Topic, req.Partition)
	if err != nil {
		return ReadResult{}, err
	}
	from, err := req.From.Find(ctx, p)
	if err != nil {
		return ReadResult{}, p.InRange(err)
	}
	if start, end := p.Bounds(); from < start || from > end {
		return ReadResult{}, fmt.Errorf("%s/%d at %d: %w", req.Topic, req.Partition, from, &partition.RangeError{Start: start, End: end})
	}
	for over := time.Now().Add(req.Wait); ; {
		if left := time.Until(over); left > 0 && req.Wait > 0 {
			AwaitPast(ctx, p, from, left, stop)
			if now, err := s.Partition(req.Topic, req.Partition); err != nil || now != p { // deleted meanwhile
				return ReadResult{}, fmt.Errorf("topic %s: %w", req.Topic, ErrNotFound)
			}
		}
		res, err := Read(ctx, p, from, req)
		if err != nil || len(res.Records) > 0 || res.Next == from || !time.Now().Before(over) {
			return res, p.InRange(err)
		}
		from = res.Next // there was a hole only
	}
}

// ReadOne returns one record. Errors: ErrNotFound, ErrPartitionNotFound, ErrRecordNotFound (a hole), *partition.RangeError, store.ErrCorrupt.
func (s *Set) ReadOne(ctx context.Context, name string, index int, at record.Offset) (record.Record, error) {
	p, err := s.Partition(name, index)
	if err != nil {
		return record.Record{}, err
	}
	r, err := p.Find(ctx, at)
	if errors.Is(err, record.ErrNotFound) {
		return record.Record{}, fmt.Errorf("%s/%d at %d: %w", name, index, at, ErrRecordNotFound)
	}
	r.Headers = Visible(r.Headers)
	return r, p.InRange(err)
}
