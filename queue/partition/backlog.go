package partition

import (
	"sync"
	"sync/atomic"
)

// Backlog tells publishers that wait for room when a group of their topic got on.
type Backlog struct {
	waiting atomic.Int64
	mu      sync.Mutex
	moved   chan struct{}
}

// NewBacklog returns one that nobody waits for.
func NewBacklog() *Backlog { return &Backlog{moved: make(chan struct{})} }

// Progressed wakes those who wait; it costs nothing when nobody does. It never blocks.
func (b *Backlog) Progressed() {
	if b == nil || b.waiting.Load() == 0 {
		return
	}
	b.mu.Lock()
	close(b.moved)
	b.moved = make(chan struct{})
	b.mu.Unlock()
}

// Wait begins to wait and returns a function that gives the channel closed at the next progress, and one that ends the waiting. Ask for the channel
// before looking at the backlog.
func (b *Backlog) Wait() (next func() <-chan struct{}, end func()) {
	b.waiting.Add(1)
	next = func() <-chan struct{} {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.moved
	}
	return next, func() { b.waiting.Add(-1) }
}
