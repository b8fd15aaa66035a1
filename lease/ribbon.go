package lease

// Cell counts the unsettled records of one stretch of offsets, by state.
type Cell struct{ Available, Leased, Deferred, Dying int }

// Ribbon counts the unsettled records from from to to in cells, which stand for stretches of equal length (the last ones may be shorter, or empty);
// what was never offered counts as available. It walks at most most unresolved records and says whether that was all. from must not be below Start
// of a window that has settled everything before it, else what is below counts as settled.
func (w *Window) Ribbon(from, to Offset, cells []Cell, most int) (whole bool) {
	clear(cells)
	if to <= from || len(cells) == 0 {
		return true
	}
	width := CellWidth(from, to, len(cells))
	s := w.seek(from)
	for ; s != 0 && most > 0; most-- {
		r := w.slab.rec(s)
		if r.offset >= to {
			s = 0
			break
		}
		cells[(r.offset-from)/width].Count(r.state())
		s = r.next
	}
	for i := range cells {
		low := from + Offset(i)*width
		w.ribbonAhead(&cells[i], max(low, w.end), min(low+width, to))
	}
	return s == 0
}

// CellWidth is how many offsets a cell of a ribbon stands for.
func CellWidth(from, to Offset, cells int) Offset {
	n := Offset(cells)
	return max((to-from+n-1)/n, 1)
}

// ribbonAhead counts the records of [low, high), at or past end, that are not settled ahead.
func (w *Window) ribbonAhead(c *Cell, low, high Offset) {
	if high <= low {
		return
	}
	c.Available += int(high - low)
	for i := w.ahead.after(low); i < len(w.ahead) && w.ahead[i].from < high; i++ {
		r := w.ahead[i]
		n := int(min(r.to, high) - max(r.from, low))
		c.Available -= n
		if r.outcome == rejected {
			c.Dying += n
		}
	}
}

// Count counts one record more, in a state.
func (c *Cell) Count(s State) {
	switch s {
	case Available:
		c.Available++
	case Leased:
		c.Leased++
	case Deferred, Unread:
		c.Deferred++
	case Dying:
		c.Dying++
	}
}
