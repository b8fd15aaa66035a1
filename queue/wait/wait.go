package wait

import (
	"container/list"
	"context"
	"sync/atomic"
	"time"
)

// States of a waiter: it goes from waiting to one of the others, once.
const (
	waiting int32 = iota
	served
	gone
)

// Waiter is one parked call that hopes for a T.
type Waiter[T any] struct {
	state  atomic.Int32
	done   chan struct{}
	result T
	place  *list.Element
	line   string // of Lines
	came   uint64 // of Lines: rises with arrival
}

// Serve hands a result to the waiter; false if it has gone, and the result is the caller's again.
func (w *Waiter[T]) Serve(result T) bool {
	w.result = result // seen by the waiter only after done is closed, and only if this call wins
	if !w.state.CompareAndSwap(waiting, served) {
		return false
	}
	close(w.done)
	return true
}

// Came returns the number of a waiter of Lines: it rises with arrival.
func (w *Waiter[T]) Came() uint64 { return w.came }

// Await returns the result, or ok = false once d has passed, ctx is done, or stop or end is closed. A waiter that was served in that very moment has ok = true.
func (w *Waiter[T]) Await(ctx context.Context, d time.Duration, stop, end <-chan struct{}) (result T, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.done:
		return w.result, true
	case <-timer.C:
	case <-ctx.Done():
	case <-stop:
	case <-end:
	}
	if w.state.CompareAndSwap(waiting, gone) {
		return result, false
	}
	<-w.done
	return w.result, true
}

// Queue holds waiters in order of arrival.
type Queue[T any] struct{ waiters list.List }

// Len returns how many are parked.
func (q *Queue[T]) Len() int { return q.waiters.Len() }

// Push parks a new waiter at the end.
func (q *Queue[T]) Push() *Waiter[T] {
	w := &Waiter[T]{done: make(chan struct{})}
	w.place = q.waiters.PushBack(w)
	return w
}

// Remove takes a waiter out, served or not; again is no harm.
func (q *Queue[T]) Remove(w *Waiter[T]) {
	if w.place != nil {
		q.waiters.Remove(w.place)
		w.place = nil
	}
}

// First returns the one that has waited longest, or nil.
func (q *Queue[T]) First() *Waiter[T] { return at[T](q.waiters.Front()) }

// After returns the next one, or nil.
func (q *Queue[T]) After(w *Waiter[T]) *Waiter[T] {
	if w.place == nil {
		return nil
	}
	return at[T](w.place.Next())
}

func at[T any](e *list.Element) *Waiter[T] {
	if e == nil {
		return nil
	}
	return e.Value.(*Waiter[T])
}
