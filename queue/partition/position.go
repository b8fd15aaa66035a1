package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Position says where a read begins: at Offset, or at the start, the end, or the first record not before Time.
type Position struct {
	Offset   record.Offset
	Earliest bool
	Latest   bool
	Time     time.Time
}

// Find returns the offset that a position stands for on a partition.
func (at Position) Find(ctx context.Context, p *Partition) (record.Offset, error) {
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

// Clamped is Find, within what the partition holds.
func (at Position) Clamped(ctx context.Context, p *Partition) (record.Offset, error) {
	to, err := at.Find(ctx, p)
	if err != nil {
		return 0, err
	}
	start, end := p.Bounds()
	return min(max(to, start), end), nil
}

// RangeError says that a read was outside of what a partition holds.
type RangeError struct{ Start, End record.Offset }

// Error implements error.
func (e *RangeError) Error() string {
	return fmt.Sprintf("offset out of range: the partition holds %d to %d", e.Start, e.End-1)
}

// InRange turns the store's word for an offset that is not there into a *RangeError; other errors and nil stay what they are.
func (p *Partition) InRange(err error) error {
	if errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
		start, end := p.Bounds()
		return fmt.Errorf("%w: %w", err, &RangeError{start, end})
	}
	return err
}
