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

// DamageError says which offsets of a partition cannot be read: those from From up to, not including, Next, where a reader may go on who passes over them.
type DamageError struct {
	Topic      string
	Partition  int
	From, Next record.Offset
	Err        error // wraps store.ErrCorrupt
}

// Error implements error.
func (e *DamageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// failed says where a read failed, and where damage ends.
func (p *Partition) failed(at record.Offset, err error) error {
	err = fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, at, err)
	if d := (*store.Damage)(nil); errors.As(err, &d) {
		err = &DamageError{Topic: p.Topic, Partition: p.Index, From: d.From, Next: d.Last + 1, Err: err}
	}
	return err
}

// InRange turns the store's word for an offset that is not there into a *RangeError; other errors and nil stay what they are.
func (p *Partition) InRange(err error) error {
	if errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
		start, end := p.Bounds()
		return fmt.Errorf("%w: %w", err, &RangeError{start, end})
	}
	return err
}
