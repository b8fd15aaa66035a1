package partition

import (
	"sync/atomic"

	"github.com/holtmq/holt/queue/record"
)

// Ends is the sum of the ends of a topic's partitions: what groups have still to read of all of them is told without asking each.
type Ends struct{ sum atomic.Int64 }

// Sum returns at least what the ends that Bounds showed add up to.
func (e *Ends) Sum() int64 {
	if e == nil {
		return 0
	}
	return e.sum.Load()
}

// Join makes the partition one of a topic's, before anybody else has it.
func (p *Partition) Join(b *Backlog, e *Ends) {
	p.Backlog, p.Ends = b, e
	e.sum.Add(p.end.Load())
}

// moveEnd moves the end, and before it the topic's sum; the lock is held.
func (p *Partition) moveEnd(to record.Offset) {
	if p.Ends != nil {
		p.Ends.sum.Add(int64(to) - p.end.Load())
	}
	p.end.Store(int64(to))
}

// WholeFrom returns an offset from which on each one up to the end holds a record, as far as is known.
func (p *Partition) WholeFrom() record.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := record.Offset(p.start.Load())
	if n := len(p.gaps.all); n > 0 {
		from = max(from, p.gaps.all[n-1].last+1)
	}
	return from
}
