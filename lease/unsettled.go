package lease

// Range is the offsets [From, To).
type Range struct{ From, To Offset }

// Unsettled appends what is not settled of the offsets [from, to) to dst, in order, as at most max ranges (≥ 1): at the limit everything behind counts as
// unsettled. What the window has not reached yet is unsettled, and so is a dying record. It costs time in proportion to the unresolved records before to.
func (w *Window) Unsettled(from, to Offset, max int, dst []Range) []Range {
	u := ranges{all: dst, first: len(dst), max: max, to: to}
	for s := w.seek(from); s != 0 && !u.full; s = w.slab.rec(s).next {
		at := w.slab.rec(s).offset
		if at >= to {
			return u.all
		}
		u.add(at, at+1)
	}
	at := w.end
	if at < from {
		at = from
	}
	for _, r := range w.ahead {
		if r.outcome == rejected || r.to <= at {
			continue
		}
		u.add(at, r.from)
		at = r.to
	}
	u.add(at, to)
	return u.all
}

// ranges gathers ranges in order.
type ranges struct {
	all   []Range
	first int // of all that is ours
	max   int
	to    Offset
	full  bool
}

func (u *ranges) add(from, to Offset) {
	to = min(to, u.to)
	n := len(u.all)
	switch {
	case from >= to || u.full:
	case n > u.first && u.all[n-1].To >= from:
		u.all[n-1].To = to
	case n-u.first == u.max-1:
		u.all, u.full = append(u.all, Range{from, u.to}), true
	default:
		u.all = append(u.all, Range{from, to})
	}
}
