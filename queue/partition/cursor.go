package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// cursorBytes is about how much a cursor has read from the disk at a time.
const cursorBytes = 256 << 10

// Cursor finds single records of a partition; looking on from where it stands costs least. For one goroutine.
type Cursor struct {
	part   *Partition
	at     *entry // the batch the reader is in; nil: none
	marks  *record.Marks
	reader *record.Reader
}

// NewCursor returns a cursor that stands nowhere yet.
func NewCursor(p *Partition) *Cursor { return &Cursor{part: p} }

// Find returns one record. Its bytes are shared: nobody changes them. Errors: record.ErrNotFound for a hole, store.ErrTrimmed,
// store.ErrOutOfRange (at or past the end), store.ErrCorrupt.
func (c *Cursor) Find(ctx context.Context, at record.Offset) (record.Record, error) {
	if c.at == nil || at < c.at.Base || at > c.at.Last {
		if err := c.open(ctx, at); err != nil {
			c.at = nil
			return record.Record{}, err
		}
	}
	if len(c.at.Bytes) == 0 {
		return record.Record{}, record.ErrNotFound
	}
	if c.reader.Seek(c.marks, at) {
		return c.reader.Record(), nil
	}
	if err := c.reader.Err(); err != nil {
		last := c.at.Last
		c.at = nil
		return record.Record{}, c.damaged(at, last, err)
	}
	return record.Record{}, record.ErrNotFound
}

// open moves to the batch that covers an offset.
func (c *Cursor) open(ctx context.Context, at record.Offset) error {
	if _, end := c.part.Bounds(); at >= end {
		return fmt.Errorf("read %s/%d at %d: %w", c.part.Topic, c.part.Index, at, store.ErrOutOfRange)
	}
	var err error
	entries := c.part.cached(at) // one batch: to copy the places of its successors would cost more than to ask again
	if entries == nil {
		if entries, err = c.part.entries(ctx, at, cursorBytes); err != nil {
			return err
		}
	}
	c.at = entries[0]
	if len(c.at.Bytes) == 0 {
		return nil
	}
	if c.marks, err = c.at.index(); err != nil && (c.marks == nil || !errors.Is(err, record.ErrCorrupt)) { // else what lies before the damage can be read, as by Scan
		return c.damaged(at, c.at.Last, err)
	}
	// A compressed batch is unpacked into the reader's buffer, which records given before may point into: each batch gets a reader of its own.
	if c.reader, err = record.NewReader(c.at.Bytes); err != nil {
		return c.damaged(at, c.at.Last, err)
	}
	return nil
}

func (c *Cursor) damaged(at, last record.Offset, err error) error {
	return c.part.failed(at, damaged(err, at, last))
}

// Partition returns the partition that the cursor reads.
func (c *Cursor) Partition() *Partition { return c.part }
