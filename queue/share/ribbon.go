package share

import (
	"slices"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/record"
)

// maxWalk is how many unresolved records are looked at under one hold of a group's lock, and by one ribbon at all.
const maxWalk = 100_000

// maxAttempts is how many attempts ribbons tell apart; the last one stands for it and all after it.
const maxAttempts = 10

// Ribbon is a group's window on one partition: how the records of [From, To) stand, in cells of Width offsets.
type Ribbon struct {
	Progress Progress
	From, To record.Offset
	Width    record.Offset
	Cells    []lease.Cell
	Before   int64 // redriven records that are not settled before From
	Whole    bool  // false: there are so many unsettled records that only the first ones were looked at
	Attempts []int // unsettled records at the first attempt, the second, …; the tenth or a later one
}

// Ribbons shows the windows in order of attachment, in so many cells each. Before the first unsettled record there is a twelfth of settled ones for context.
func (g *Group) Ribbons(cells int) []Ribbon {
	g.mu.Lock()
	windows := slices.Clone(g.windows)
	g.mu.Unlock()
	out := make([]Ribbon, len(windows))
	for i, w := range windows {
		out[i] = g.ribbon(w, cells)
	}
	return out
}

func (g *Group) ribbon(w *window, cells int) Ribbon {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.progressIn(w)
	first, _ := w.part.Bounds()
	start := p.Start
	if p.back >= 0 {
		start = min(start, max(p.back, first))
	}
	r := Ribbon{Progress: p, From: max(first, min(start, start-(p.LogEnd-start)/12)), To: p.LogEnd, Cells: make([]lease.Cell, cells), Attempts: make([]int, maxAttempts)}
	if p.Lag == 0 {
		r.From = max(first, p.LogEnd-record.Offset(cells))
	}
	r.Width = record.Offset(lease.CellWidth(lease.Offset(r.From), lease.Offset(r.To), cells))
	r.Whole = w.machine.Ribbon(lease.Offset(r.From), lease.Offset(r.To), r.Cells, maxWalk)
	r.addRedriven(w)
	w.machine.Attempts(r.Attempts)
	return r
}

// addRedriven counts the redriven records, which the machine's ribbon leaves out.
func (r *Ribbon) addRedriven(w *window) {
	waiting, _ := w.machine.Redriven()
	r.Before = int64(waiting)
	r.Whole = r.Whole && len(w.backs.offsets) <= maxWalk
	for _, at := range w.backs.waiting(w.machine, maxWalk) {
		if record.Offset(at) < r.From || record.Offset(at) >= r.To {
			continue
		}
		r.Before--
		r.Cells[(record.Offset(at)-r.From)/r.Width].Count(w.machine.View(at).State)
	}
}
