package lease

// line gives marks in order. Those that come in order, as offers and leases of one length do, wait in a plain queue; only the others pay
// for a heap. Like the heap's, its entries go stale rather than away.
type line struct {
	queue []mark
	head  int // of queue
	rest  heap
}

func (l *line) len() int { return len(l.queue) - l.head + len(l.rest) }

// roomy says whether a sweep is due with so many live entries.
func (l *line) roomy(live int) bool { return l.len() > 2*live+64 }

func (l *line) push(m mark) {
	n := len(l.queue)
	switch {
	case l.head == n:
		l.queue, l.head = l.queue[:0], 0
	case m.before(l.queue[n-1]):
		l.rest.push(m)
		return
	case n == cap(l.queue) && l.head > n/2:
		l.queue, l.head = l.queue[:copy(l.queue, l.queue[l.head:])], 0
	}
	l.queue = append(l.queue, m)
}

// inRest says whether the first mark lies in the heap.
func (l *line) inRest() bool {
	return l.head == len(l.queue) || len(l.rest) > 0 && l.rest[0].before(l.queue[l.head])
}

// first gives the lowest mark of a line that is not empty.
func (l *line) first() mark {
	if l.inRest() {
		return l.rest[0]
	}
	return l.queue[l.head]
}

func (l *line) pop() {
	if l.inRest() {
		l.rest.pop()
		return
	}
	l.head++
}

// sweep keeps the entries live says yes to.
func (l *line) sweep(live func(mark) bool) {
	kept := l.queue[:0]
	for _, m := range l.queue[l.head:] {
		if live(m) {
			kept = append(kept, m)
		}
	}
	l.rest.sweep(live)
	n := len(kept) + len(l.rest)
	l.queue, l.head = shrunk(kept, n), 0
	l.rest = shrunk(l.rest, n)
}

// each calls fn with every entry, in no order.
func (l *line) each(fn func(mark)) {
	for _, m := range l.queue[l.head:] {
		fn(m)
	}
	for _, m := range l.rest {
		fn(m)
	}
}

// emptied gives the line without entries; a large one gives its memory back.
func (l *line) emptied() line {
	return line{queue: shrunk(l.queue[:0], 0), rest: shrunk(l.rest[:0], 0)}
}

// shrunk gives the memory of a slice back that has far more room than a line of n entries can fill before its next sweep.
func shrunk[S ~[]mark](s S, n int) S {
	if cap(s) <= 4*n+1024 {
		return s
	}
	return append(make(S, 0, 2*n+64), s...)
}
