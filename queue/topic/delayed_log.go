package topic

import (
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// What retention asks of delayed records: it takes those that were appended or cancelled out of their log, behind one that is due much later.

// Partition returns their log.
func (d *Delayed) Partition() *partition.Partition { return d.part }

// livePiece is how many items are looked at while the schedule is locked.
const livePiece = 10_000

// Waiting appends the offsets of [from, to) of records that are not appended yet, nor cancelled, to dst, as at most limit ranges: at the limit everything behind counts. What it
// leaves out never waits again.
func (d *Delayed) Waiting(from, to record.Offset, limit int, dst []lease.Range) []lease.Range {
	first := len(dst)
	for at, more := from, true; more; {
		d.items.Lock()
		items := d.items.List(at, livePiece)
		d.items.Unlock()
		more = len(items) == livePiece
		for _, it := range items {
			switch n := len(dst); {
			case it.Offset >= to:
				return dst
			case n > first && dst[n-1].To == lease.Offset(it.Offset):
				dst[n-1].To++
			case n-first == limit-1:
				return append(dst, lease.Range{From: lease.Offset(it.Offset), To: lease.Offset(to)})
			default:
				dst = append(dst, lease.Range{From: lease.Offset(it.Offset), To: lease.Offset(it.Offset) + 1})
			}
			at = it.Offset + 1
		}
	}
	return dst
}

// Hold keeps the start of the log where it is until give is called.
func (d *Delayed) Hold() (give func()) {
	d.items.Lock()
	defer d.items.Unlock()
	d.still = true
	return d.letGo
}

// letGo ends Hold, and lets go of what was not meanwhile.
func (d *Delayed) letGo() {
	d.items.Lock()
	defer d.items.Unlock()
	d.still = false
	start, end := d.part.Bounds()
	if first := d.items.First(end); first > start {
		d.part.Retain(d.env.Committer, first)
	}
}
