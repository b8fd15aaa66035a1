package lease

import "math"

// line gives marks in order. Those that come in order, as offers and leases of one length do, wait in a queue that takes eight bytes for each; only the others pay
// for a heap. Like the heap's, its entries go stale rather than away.
type line struct {
	queue []*stretch // none is empty; the last one is written
	n     int        // marks in queue
	spare []*stretch // at most two, for what comes next
	swept []*stretch // empty: room for the next sweep
	rest  heap
}

// stretchMarks is how many marks a stretch holds.
const stretchMarks = 256

// stretch is marks in order, as differences to the first.
type stretch struct {
	first mark
	head  int // of marks
	marks []nearMark
}

type nearMark struct {
	at     uint32
	offset int32
}

func (s *stretch) mark(i int) mark {
	m := s.marks[i]
	return mark{s.first.at + int64(m.at), s.first.offset + Offset(m.offset)}
}

// add appends a mark that comes after those that are there; false if there is no room for it.
func (s *stretch) add(m mark) bool {
	// Differences may overflow: what is then within the range is not what it seems.
	at, offset := m.at-s.first.at, m.offset-s.first.offset
	if len(s.marks) == stretchMarks || at < 0 || at > math.MaxUint32 || offset < math.MinInt32 || offset > math.MaxInt32 {
		return false
	}
	s.marks = append(s.marks, nearMark{uint32(at), int32(offset)})
	return true
}

func (l *line) len() int { return l.n + len(l.rest) }

// roomy says whether a sweep is due with so many live entries.
func (l *line) roomy(live int) bool { return l.len() > 2*live+64 }

func (l *line) push(m mark) {
	if l.n > 0 {
		if last := l.queue[len(l.queue)-1]; m.before(last.mark(len(last.marks) - 1)) {
			l.rest.push(m)
			return
		}
	}
	l.enqueue(m)
}

func (l *line) enqueue(m mark) {
	l.n++
	if k := len(l.queue); k > 0 && l.queue[k-1].add(m) {
		return
	}
	s := l.unused()
	s.first = m
	s.add(m)
	l.queue = append(l.queue, s)
}

// unused gives an empty stretch. The first ones are as small as they can be.
func (l *line) unused() *stretch {
	if k := len(l.spare); k > 0 {
		s := l.spare[k-1]
		l.spare = l.spare[:k-1]
		return s
	}
	if len(l.queue) == 0 {
		return new(stretch)
	}
	return &stretch{marks: make([]nearMark, 0, stretchMarks)}
}

// keep has a stretch that was read used again.
func (l *line) keep(s *stretch) {
	s.head, s.marks = 0, s.marks[:0]
	if len(l.spare) < 2 {
		l.spare = append(l.spare, s)
	}
}

// inRest says whether the first mark lies in the heap.
func (l *line) inRest() bool {
	return l.n == 0 || len(l.rest) > 0 && l.rest[0].before(l.front())
}

func (l *line) front() mark { return l.queue[0].mark(l.queue[0].head) }

// first gives the lowest mark of a line that is not empty.
func (l *line) first() mark {
	if l.inRest() {
		return l.rest[0]
	}
	return l.front()
}

func (l *line) pop() {
	if l.inRest() {
		l.rest.pop()
		return
	}
	l.n--
	s := l.queue[0]
	if s.head++; s.head < len(s.marks) {
		return
	}
	l.keep(s)
	l.queue[0] = nil
	if len(l.queue) == 1 {
		l.queue = l.queue[:0]
		return
	}
	l.queue = l.queue[1:]
}

// sweep keeps the entries live says yes to.
func (l *line) sweep(live func(mark) bool) {
	old := l.queue
	l.queue, l.n = l.swept[:0], 0
	for _, s := range old {
		for i := s.head; i < len(s.marks); i++ {
			if m := s.mark(i); live(m) {
				l.enqueue(m)
			}
		}
		l.keep(s)
	}
	clear(old)
	l.swept = old[:0]
	l.rest.sweep(live)
	if n := l.len(); cap(l.rest) > 4*n+1024 { // far more room than it can fill before its next sweep
		l.rest = append(make(heap, 0, 2*n+64), l.rest...)
	}
}

// each calls fn with every entry, in no order.
func (l *line) each(fn func(mark)) {
	for _, s := range l.queue {
		for i := s.head; i < len(s.marks); i++ {
			fn(s.mark(i))
		}
	}
	for _, m := range l.rest {
		fn(m)
	}
}

// emptied gives the line without entries; a large one gives its memory back.
func (l *line) emptied() line {
	if cap(l.rest) > 1024 {
		return line{}
	}
	return line{rest: l.rest[:0], spare: l.spare}
}
