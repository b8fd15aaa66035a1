package share

import (
	"context"
	"slices"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Edits is the log of a group's records that were edited when they were redriven: those stay that are not settled.
type Edits struct {
	g    *Group
	part *partition.Partition
}

// Edits returns the group's; nil if it has none.
func (g *Group) Edits(ctx context.Context) *Edits {
	own, err := g.env.Edited(ctx, g.name, false)
	if err != nil || own == nil {
		return nil
	}
	return &Edits{g, own}
}

// Partition returns the log.
func (e *Edits) Partition() *partition.Partition { return e.part }

// Waiting appends the offsets of [from, to) that have to stay, as at most limit ranges in order; at the limit everything behind counts. What it leaves out never has
// to again.
func (e *Edits) Waiting(from, to record.Offset, limit int, dst []lease.Range) []lease.Range {
	first := len(dst)
	for _, at := range e.g.neededEdits() {
		switch n := len(dst); {
		case at < from || at >= to:
		case n > first && dst[n-1].To == lease.Offset(at):
			dst[n-1].To++
		case n-first == limit-1:
			return append(dst, lease.Range{From: lease.Offset(at), To: lease.Offset(to)})
		default:
			dst = append(dst, lease.Range{From: lease.Offset(at), To: lease.Offset(at) + 1})
		}
	}
	return dst
}

// neededEdits lists the edited records that are needed still, in order.
func (g *Group) neededEdits() (out []record.Offset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		for at, edit := range l.edits {
			if g.live(l.by[at]) {
				out = append(out, edit)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Hold keeps the start of the log where it is until give is called.
func (e *Edits) Hold() (give func()) {
	e.g.mu.Lock()
	defer e.g.mu.Unlock()
	e.g.editsHeld = true
	return e.letGo
}

// letGo ends Hold, and lets go of what was not meanwhile.
func (e *Edits) letGo() {
	e.g.mu.Lock()
	defer e.g.mu.Unlock()
	e.g.editsHeld = false
	e.g.trimEdits(e.part)
}

// trimEdits lets go of the edited records before the first that is needed still; the lock is held.
func (g *Group) trimEdits(own *partition.Partition) {
	if g.editsHeld {
		return
	}
	start, _ := own.Bounds()
	if first, any := g.firstEdit(); any && first > start {
		own.Retain(g.env.Committer, first)
	}
}

// firstEdit returns the first edited record that is needed still; false if there is none. The lock is held.
func (g *Group) firstEdit() (first record.Offset, any bool) {
	for _, l := range g.letters {
		for at, edit := range l.edits {
			if g.live(l.by[at]) && (!any || edit < first) {
				first, any = edit, true
			}
		}
	}
	return first, any
}
