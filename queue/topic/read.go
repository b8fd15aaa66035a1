package topic

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// readChunk is about how many bytes one step of a read takes from a partition.
const readChunk = 256 << 10

// ReadRequest reads one partition without a group.
type ReadRequest struct {
	Topic     string
	Partition int
	From      partition.Position
	Max       int              // records; 0 = 1,000
	MaxBytes  int64            // of keys, values and headers; 0 = 16 MiB. A larger record still comes, alone
	Wait      time.Duration    // for the first record
	Room      *partition.Share // what the answer may take of the memory; nil = no limit
	Batches   bool             // whole stored batches instead of records: the limits are kept to a batch
}

// ReadResult is what a read found. Next is where to go on.
type ReadResult struct {
	Records          []record.Record
	Batches          [][]byte // if they were asked for, as in partition.Whole; records before the offset that was are among them
	From             record.Offset
	Next, Start, End record.Offset
}

// Read returns records of a partition from an offset on, at most req.Max and about req.MaxBytes, which are set. At the end there are none. Errors: the log's.
func Read(ctx context.Context, p *partition.Partition, from record.Offset, req ReadRequest) (ReadResult, error) {
	maxBytes := req.Room.Allow(req.MaxBytes)
	req.Room.Take(maxBytes)
	res := ReadResult{Records: []record.Record{}, From: from, Next: from}
	_, end := p.Bounds()
	if req.Batches {
		w, err := p.ReadWhole(ctx, from, end, req.Max, maxBytes, req.Room)
		req.Room.Keep(w.Bytes)
		res.Batches, res.Next = w.Batches, w.Next
		res.Start, res.End = p.Bounds()
		return res, unless(len(res.Batches) > 0, err)
	}
	size, full := int64(0), false
	err := p.Scan(ctx, from, readChunk, func(r *record.Reader) error {
		size += int64(r.Size())
		if len(res.Records) == req.Max || size > maxBytes && len(res.Records) > 0 {
			full = true
			return partition.Stop()
		}
		rec := r.Record()
		rec.Headers = Visible(rec.Headers)
		res.Records = append(res.Records, rec)
		res.Next = rec.Offset + 1
		return nil
	})
	req.Room.Keep(size)
	res.Start, res.End = p.Bounds()
	if !full && err == nil { // what is left before the end are holes
		res.Next = max(res.Next, end)
	}
	return res, unless(len(res.Records) > 0, err)
}

// unless forgets an error of damage for now: there is something before it, and who reads on hears of it.
func unless(something bool, err error) error {
	if something && errors.Is(err, store.ErrCorrupt) {
		return nil
	}
	return err
}

// grown is a partition.Watcher that closes a channel.
type grown struct{ ch chan struct{} }

func (g *grown) Advanced(*partition.Partition) { close(g.ch) }

// AwaitPast waits until a partition has records from an offset on, d has passed, stop is closed, or ctx is done.
func AwaitPast(ctx context.Context, p *partition.Partition, from record.Offset, d time.Duration, stop <-chan struct{}) {
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
	case <-stop:
	case <-ctx.Done():
	}
}
