package partition

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/record"
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
