package share

import (
	"container/heap"
	"slices"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
)

// backs finds the first of a window's redriven records that are not settled: 8 bytes for each, and a share of a pop for each that is settled. What is settled
// stays until it stands at the top. The group's lock guards it.
type backs struct{ offsets offsetHeap }

// Limits of the work at a time.
const (
	maxStale     = 10_000  // settled ones that are taken off the top
	keptStale    = 1 << 20 // settled ones that are kept, beside as many as there are others
	popsAtRecord = 1024    // settled ones that are taken off with each step of the window
)

// add takes note that a record was redriven.
func (b *backs) add(at lease.Offset, m *lease.Window) {
	heap.Push(&b.offsets, at)
	if waiting, _ := m.Redriven(); len(b.offsets) > 2*waiting+keptStale {
		b.offsets = b.waiting(m, len(b.offsets))
		heap.Init(&b.offsets)
	}
}

// first returns the first one; false if there is none. More than most settled ones at the top are left for the next time, and one of them is returned.
func (b *backs) first(m *lease.Window, most int) (lease.Offset, bool) {
	if waiting, _ := m.Redriven(); waiting == 0 {
		b.offsets = nil
		return 0, false
	}
	for n := 0; len(b.offsets) > 0; n++ {
		if at := b.offsets[0]; n == most || m.IsRedriven(at) {
			return at, true
		}
		heap.Pop(&b.offsets)
	}
	return 0, false
}

// waiting lists those that are not settled, each once, in order, of the first most that are looked at.
func (b *backs) waiting(m *lease.Window, most int) (out []lease.Offset) {
	for _, at := range b.offsets[:min(most, len(b.offsets))] {
		if m.IsRedriven(at) {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// offsetHeap is a min-heap.
type offsetHeap []lease.Offset

func (h offsetHeap) Len() int           { return len(h) }
func (h offsetHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h offsetHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *offsetHeap) Push(x any)        { *h = append(*h, x.(lease.Offset)) }
func (h *offsetHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// restoreBacks finds the redriven records of restored windows; the lock is held.
func (g *Group) restoreBacks() {
	for _, l := range g.letters {
		for _, e := range l.rows {
			if !e.gone && g.live(e) {
				w := g.byLog[e.log]
				w.backs.add(e.at, w.machine)
			}
		}
	}
}

// born returns the timestamp (ms) of a redriven record; 0 = it is not redriven, or not known. The lock is held.
func (g *Group) born(w *window, at lease.Offset) int64 {
	if e, _ := g.letterAt(w.place(at)); e != nil && e.state == letter.Redriven {
		return e.born
	}
	return 0
}
