package wait

import (
	"cmp"
	"slices"
)

// Lines are queues side by side for waiters that want different things: the heads alone say whom to serve next, however many wait behind
// them. The zero value is empty.
type Lines[T any] struct {
	queues map[string]*Queue[T]
	came   uint64
	count  int
	heads  []*Waiter[T] // reused
}

// Len returns how many are parked in all lines.
func (l *Lines[T]) Len() int { return l.count }

// Push parks a new waiter at the end of a line.
func (l *Lines[T]) Push(line string) *Waiter[T] {
	if l.queues == nil {
		l.queues = map[string]*Queue[T]{}
	}
	q := l.queues[line]
	if q == nil {
		q = &Queue[T]{}
		l.queues[line] = q
	}
	l.came++
	l.count++
	w := q.Push()
	w.line, w.came = line, l.came
	return w
}

// Remove takes a waiter out, served or not; again is no harm.
func (l *Lines[T]) Remove(w *Waiter[T]) {
	if w.place == nil {
		return
	}
	q := l.queues[w.line]
	q.Remove(w)
	l.count--
	if q.Len() == 0 {
		delete(l.queues, w.line)
	}
}

// Heads returns the first waiter of each line, who came first first. The slice is good until the next call.
func (l *Lines[T]) Heads() []*Waiter[T] {
	l.heads = l.heads[:0]
	for _, q := range l.queues {
		l.heads = append(l.heads, q.First())
	}
	slices.SortFunc(l.heads, func(a, b *Waiter[T]) int { return cmp.Compare(a.came, b.came) })
	return l.heads
}
