package lease

import (
	"cmp"
	"slices"
)

// line gives marks in order. Those that come in order, as offers and leases of one length do, make a series, which takes a few bytes for each; there may be a few, for
// leases of several lengths. Those that come in none wait in a heap, until there are enough of them to be sorted into a series, which stands in the heap from then
// on as one entry. Entries go stale rather than away: whoever looks at the first one throws it out, and whoever adds one has them swept when there are many.
type line struct {
	open  []series // what comes in order is added to them; some may be empty
	rest  heap     // the others
	loose int      // those of rest that are no series
	n     int      // marks in all
	spare spares
}

const (
	openSeries = 4
	leastLoose = 64   // marks are not sorted into a series
	mostLoose  = 1024 // marks are, however many marks there are
)

func (l *line) len() int { return l.n }

// roomy says whether a sweep is due with so many live entries.
func (l *line) roomy(live int) bool { return l.n > live+live/4*3+64 }

func (l *line) push(m mark) {
	l.n++
	if s := l.fitting(m); s != nil {
		s.add(m, &l.spare)
		return
	}
	l.rest.push(entry{mark: m})
	if l.loose++; l.loose >= min(leastLoose+l.n/16, mostLoose) {
		l.bind()
	}
}

// fitting gives the series that a mark may be added to, of several the one that ends last; nil = there is none.
func (l *line) fitting(m mark) (best *series) {
	for i := range l.open {
		s := &l.open[i]
		if s.n > 0 && m.before(s.last) {
			continue
		}
		if best == nil || s.n > 0 && (best.n == 0 || best.last.before(s.last)) {
			best = s
		}
	}
	if best == nil && len(l.open) < openSeries {
		l.open = append(l.open, series{})
		best = &l.open[len(l.open)-1]
	}
	return best
}

// bind makes a series of what is loose.
func (l *line) bind() {
	slices.SortFunc(l.rest, func(a, b entry) int {
		if (a.series != nil) != (b.series != nil) {
			if a.series != nil {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.offset, b.offset))
	})
	bound := len(l.rest) - l.loose // series, in order, which is a heap, too
	s := new(series)
	for _, e := range l.rest[bound:] {
		s.add(e.mark, &l.spare)
	}
	s.fit()
	l.rest, l.loose = l.rest[:bound], 0
	l.rest.push(entry{s.first(), s})
}

// least gives the open series that begins with the lowest mark of a line that is not empty; nil = that mark is the first of the rest.
func (l *line) least() (least *series) {
	if len(l.rest) == 0 && len(l.open) == 1 { // most often
		return &l.open[0]
	}
	var first mark
	if len(l.rest) > 0 {
		first = l.rest[0].mark
	}
	for i := range l.open {
		s := &l.open[i]
		if s.n > 0 && (least == nil && len(l.rest) == 0 || s.first().before(first)) {
			least, first = s, s.first()
		}
	}
	return least
}

// first gives the lowest mark of a line that is not empty.
func (l *line) first() mark {
	if s := l.least(); s != nil {
		return s.first()
	}
	return l.rest[0].mark
}

// pop takes the lowest mark out.
func (l *line) pop() {
	l.n--
	if s := l.least(); s != nil {
		s.pop(&l.spare)
		return
	}
	s := l.rest[0].series
	switch {
	case s == nil:
		l.loose--
		l.rest.pop()
	case s.n == 1:
		s.pop(&l.spare)
		l.rest.pop()
	default:
		s.pop(&l.spare)
		l.rest.sink(0, entry{s.first(), s})
	}
}

// sweep keeps the entries live says yes to.
func (l *line) sweep(live func(mark) bool) {
	l.n = 0
	for i := range l.open {
		l.n += l.open[i].sweep(live, &l.spare)
	}
	l.rest = slices.DeleteFunc(l.rest, func(e entry) bool {
		if e.series != nil {
			return e.series.sweep(live, &l.spare) == 0
		}
		return !live(e.mark)
	})
	l.loose = 0
	for i, e := range l.rest {
		if e.series == nil {
			l.loose++
			l.n++
			continue
		}
		e.series.fit()
		l.rest[i].mark = e.series.first()
		l.n += e.series.n
	}
	l.rest.order()
}

// each calls fn with every entry, in no order.
func (l *line) each(fn func(mark)) {
	for i := range l.open {
		l.open[i].each(fn)
	}
	for _, e := range l.rest {
		if e.series != nil {
			e.series.each(fn)
		} else {
			fn(e.mark)
		}
	}
}

// emptied gives the line without entries.
func (l *line) emptied() line { return line{spare: l.spare} }
