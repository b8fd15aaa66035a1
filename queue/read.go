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

// readChunk is about how many bytes one step of a read takes from a partition.
const readChunk = 256 << 10

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
	from, err := position(ctx, p, req.From)
	if err != nil {
		return ReadResult{}, b.inRange(p, err)
	}
	if start, end := p.Bounds(); from < start || from > end {
		return ReadResult{}, fmt.Errorf("%s/%d at %d: %w", req.Topic, req.Partition, from, &RangeError{start, end})
	}
	if req.Wait > 0 {
		b.awaitPast(ctx, p, from, req.Wait)
		if now, err := b.partition(req.Topic, req.Partition); err != nil || now != p { // deleted meanwhile
			return ReadResult{}, fmt.Errorf("topic %s: %w", req.Topic, ErrTopicNotFound)
		}
	}
	res, err := b.read(ctx, p, from, req)
	return res, b.inRange(p, err)
}

// position returns the offset that a position stands for.
func position(ctx context.Context, p *partition.Partition, at Position) (Offset, error) {
	start, end := p.Bounds()
	switch {
	case at.Earliest:
		return start, nil
	case at.Latest:
		return end, nil
	case !at.Time.IsZero():
		return p.OffsetForTime(ctx, at.Time)
	default:
		return at.Offset, nil
	}
}

func (b *Broker) read(ctx context.Context, p *partition.Partition, from Offset, req ReadRequest) (ReadResult, error) {
	limit, maxBytes := int(b.cfg.Limits.MaxLease), b.cfg.Limits.MaxBytes
	if req.Max > 0 {
		limit = req.Max
	}
	if req.MaxBytes > 0 {
		maxBytes = req.MaxBytes
	}
	maxBytes = req.Room.Allow(maxBytes)
	req.Room.Take(maxBytes)
	res := ReadResult{Records: []Record{}, Next: from}
	size, full := int64(0), false
	err := p.Scan(ctx, from, readChunk, func(r *record.Reader) error {
		size += int64(r.Size())
		if len(res.Records) == limit || size > maxBytes && len(res.Records) > 0 {
			full = true
			return partition.Stop()
		}
		rec := r.Record()
		rec.Headers = topic.Visible(rec.Headers)
		res.Records = append(res.Records, rec)
		res.Next = rec.Offset + 1
		return nil
	})
	req.Room.Take(size - maxBytes)
	res.Start, res.End = p.Bounds()
	if !full && err == nil && len(res.Records) == 0 {
		res.Next = max(res.Next, from)
	}
	return res, err
}

// grown is a partition.Watcher that closes a channel.
type grown struct{ ch chan struct{} }

func (g *grown) Advanced(*partition.Partition) { close(g.ch) }

// awaitPast waits until a partition has records from an offset on, d has passed, or the server stops.
func (b *Broker) awaitPast(ctx context.Context, p *partition.Partition, from Offset, d time.Duration) {
	w := &grown{make(chan struct{})}
	if !p.Watch(from, w) {
		return
	}
	defer p.Unwatch(w)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.ch:
	case <-timer.C:
	case <-b.stop:
	case <-ctx.Done():
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
