package share

import (
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// What retention asks of a group: what it still needs of a partition, and to take note of what went.

// Needs returns the first offset of a partition that the group has not settled; reads is false if it does not read it, or holds nothing back (pin off).
func (g *Group) Needs(p *partition.Partition) (at record.Offset, reads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.byLog[p.ID]
	if w == nil || !g.def.Config.Pin {
		return 0, false
	}
	return record.Offset(w.machine.Start()), true
}

// Unsettled appends the offsets of [from, to) that the group has not settled to dst, as at most limit ranges: at the limit everything behind counts. None if it
// does not read the partition, or holds nothing back.
func (g *Group) Unsettled(p *partition.Partition, from, to record.Offset, limit int, dst []lease.Range) []lease.Range {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.byLog[p.ID]
	if w == nil || !g.def.Config.Pin {
		return dst
	}
	return w.machine.Unsettled(lease.Offset(from), lease.Offset(to), limit, dst)
}

// Trimmed takes note that a partition's start moved up: what lies unsettled before it is gone.
func (g *Group) Trimmed(p *partition.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.byLog[p.ID]
	if w == nil {
		return
	}
	start, _ := p.Bounds()
	for more := true; more && !w.closed; {
		more = w.machine.TrimTo(lease.Offset(start))
		g.free(w, g.journal(w))
		g.serve()
		g.letIn()
	}
}

// Lost takes note that the records of [from, to) are gone, except those that stays names: what the group has not settled of them, because it holds nothing
// back, counts as settled. Records that it has not reached are passed over when it does.
func (g *Group) Lost(p *partition.Partition, from, to record.Offset, stays func(record.Offset) bool) {
	for at := lease.Offset(from); at < lease.Offset(to); {
		at = g.lose(p, at, lease.Offset(to), stays)
	}
}

// maxLose is how many unsettled records are lost under one hold of the group's lock.
const maxLose = 10_000

// lose is Lost for the first maxLose unsettled records, and returns where to go on.
func (g *Group) lose(p *partition.Partition, from, to lease.Offset, stays func(record.Offset) bool) (next lease.Offset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.byLog[p.ID]
	if w == nil {
		return to
	}
	g.thinned(w)
	// The last range may stand for all that is behind: the ones before it hold as many records as are taken.
	left := w.machine.Unsettled(from, min(to, w.machine.End()), maxLose+1, nil)
	if len(left) == 0 {
		return to
	}
	now := g.now()
	next = to
	n := 0
	for _, r := range left {
		for at := r.From; at < r.To && n < maxLose; at++ {
			n++
			next = at + 1
			if stays(record.Offset(at)) || w.machine.IsRedriven(at) || w.machine.View(at).State == lease.Dying {
				continue // a redriven one is in its letter; of a dying one the letter is under way
			}
			w.machine.SettleAt(now, at, lease.Ack)
			w.settled()
		}
	}
	g.free(w, g.journal(w))
	g.serve()
	return next
}
