package share

import (
	"github.com/holtmq/holt/lease"
)

// Counters are what a group has done since the process started.
type Counters struct {
	Leased, Acked, Nacked, Released, Rejected, Extended, Expired, DeadLettered, Dropped, Redelivered uint64

	Unread uint64 // that the group came to and could not read; those that could be read in the end are among them
}

// Counters returns what the group has done since the process started.
func (g *Group) Counters() Counters {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counters
}

// count counts a verb that was accepted; the lock is held.
func (g *Group) count(v lease.Verb) {
	switch v {
	case lease.Ack:
		g.counters.Acked++
	case lease.Nack:
		g.counters.Nacked++
	case lease.Release:
		g.counters.Released++
	case lease.Reject:
		g.counters.Rejected++
	case lease.Extend:
		g.counters.Extended++
	}
}

// Waiters returns how many leases are parked.
func (g *Group) Waiters() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiters.Len()
}

// Running returns how many leases run.
func (g *Group) Running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inflight
}
