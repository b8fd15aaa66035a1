package commit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Limits of one group, that is of one call to the store, and of the queue before it.
const (
	MaxGroupInline  = 512 << 10 // bytes of entries and notes
	MaxGroupRecords = 16 << 20  // bytes of records
	MaxGroupEntries = 2000      // batches, entries and notes
	MaxQueued       = 64 << 20  // bytes enqueued and not durable at which Room waits
)

// Sink hears of a log's batches once they are durable, in order, on the committer's goroutine: it must not block.
type Sink interface {
	Durable(batches []store.Batch)
}

// Part is what one unit does to one log.
type Part struct {
	Log     store.LogID
	Base    record.Offset   // of the first of Records
	Records []record.Record // appended; timestamps set, never going back along the log
	Sink    Sink            // hears of the appended batches; may be nil
	Start   record.Offset   // trims, if above the log's start
	Rewrite *store.Batch    // takes the place of durable batches; its edges are edges of such
	Entries []store.Entry
	Notes   []store.Note
	Drop    bool

	inline, bytes int // of entries and notes; of records
}

// Unit is a set of parts that become durable together or not at all. Parts of the same log are put together in order.
type Unit []Part

// Ticket stands for everything enqueued up to one unit. The zero Ticket is done.
type Ticket struct{ g *group }

// Done tells whether the ticket's units are durable, without waiting.
func (t Ticket) Done() bool { return t.g == nil || t.g.durable.Load() }

// Later returns the one of two tickets that is done last.
func (t Ticket) Later(u Ticket) Ticket {
	if t.g == nil || u.g != nil && u.g.n > t.g.n {
		return u
	}
	return t
}

// group is what goes to the store in one call.
type group struct {
	n       uint64 // rises from group to group
	units   []Unit
	inline  int // bytes of entries and notes
	bytes   int // bytes of records
	entries int
	since   time.Time // when its first unit was enqueued

	durable atomic.Bool
	done    chan struct{} // closed when durable or failed
	err     error         // set before done is closed
}

// Stats are what the committer has done so far.
type Stats struct {
	Commits, Units, Records uint64
	Bytes                   uint64
}

// Committer brings units to one store. Enqueue from any goroutine; Run on one of its owner's.
type Committer struct {
	store   store.Store
	observe func(took time.Duration, units, records int)
	turns   func(who string) // may be nil
	waits   atomic.Uint64    // calls of Wait that had to, if there are turns

	mu     sync.Mutex
	groups []*group // the last one is open
	flight *group   // in the store's hands
	queued int      // bytes not durable
	room   chan struct{}
	made   uint64
	closed bool
	err    error
	lost   Ticket // failed, once a unit has failed or was refused

	wake  chan struct{} // one slot
	stats struct{ commits, units, records, bytes atomic.Uint64 }
}

// ErrClosed is what Enqueue returns after Close.
var ErrClosed = errors.New("the committer is closed")

// New returns a committer for a store. observe, which may be nil, is told of every commit.
func New(st store.Store, observe func(took time.Duration, units, records int)) *Committer {
	if observe == nil {
		observe = func(time.Duration, int, int) {}
	}
	return &Committer{store: st, observe: observe, room: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// Enqueue takes a unit. It never blocks and may be called under the lock that orders the unit's logs. After a failure or Close the
// ticket fails.
func (c *Committer) Enqueue(u Unit) Ticket {
	inline, bytes, entries := cost(u)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.closed {
		c.lost = failedTicket(c.failure())
		return c.lost
	}
	g := c.open(inline, bytes, entries)
	g.units = append(g.units, u)
	g.inline += inline
	g.bytes += bytes
	g.entries += entries
	c.queued += inline + bytes
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return Ticket{g}
}

// open returns the group that takes the next unit, beginning a new one when the last is full.
func (c *Committer) open(inline, bytes, entries int) *group {
	if n := len(c.groups); n > 0 {
		g := c.groups[n-1]
		if g.inline+inline <= MaxGroupInline && g.bytes+bytes <= MaxGroupRecords && g.entries+entries <= MaxGroupEntries {
			return g
		}
	}
	c.made++
	g := &group{n: c.made, done: make(chan struct{}), since: time.Now()}
	c.groups = append(c.groups, g)
	return g
}

// Last returns a ticket for everything enqueued so far. It fails if any of that failed or was refused.
func (c *Committer) Last() Ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost.g != nil {
		return c.lost
	}
	if n := len(c.groups); n > 0 {
		return Ticket{c.groups[n-1]}
	}
	return Ticket{c.flight}
}

// Late returns a ticket for everything that was enqueued more than age ago and is not durable; the zero Ticket if there is nothing.
func (c *Committer) Late(age time.Duration) Ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.flight
	if g == nil && len(c.groups) > 0 {
		g = c.groups[0]
	}
	if g == nil || time.Since(g.since) <= age {
		return Ticket{}
	}
	return Ticket{g}
}

// Wait returns when the ticket's units are durable (nil), the commit failed (its error), or ctx is done.
func (c *Committer) Wait(ctx context.Context, t Ticket) error {
	if t.g == nil || t.g.durable.Load() {
		return nil
	}
	select {
	case <-t.g.done: // it failed, whatever became of ctx
		return t.g.err
	default:
		return c.await(ctx, t.g)
	}
}

// await is Wait for what is under way.
func (c *Committer) await(ctx context.Context, g *group) error {
	if c.turns != nil {
		defer c.TurnOf(c.waits.Add(1), "wait for a commit")
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Room waits while more than MaxQueued bytes are on their way to the disk. Publishers call it before they take a lock.
func (c *Committer) Room(ctx context.Context) error {
	for {
		c.mu.Lock()
		room, full, err := c.room, c.queued > MaxQueued, c.failure()
		c.mu.Unlock()
		if err != nil || !full {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stats returns the counters.
func (c *Committer) Stats() Stats {
	return Stats{
		Commits: c.stats.commits.Load(), Units: c.stats.units.Load(),
		Records: c.stats.records.Load(), Bytes: c.stats.bytes.Load(),
	}
}

// Run commits until Close was called and everything enqueued is durable (nil), or until a commit fails: then all
// tickets fail, and it returns why.
func (c *Committer) Run() error {
	for {
		g, err := c.next()
		if g == nil {
			return err
		}
		if err := c.commit(g); err != nil {
			c.fail(g, err)
			return err
		}
		c.finish(g)
	}
}

// Close ends Run once everything enqueued is durable. Units enqueued after it fail with ErrClosed.
func (c *Committer) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Bounds of gather.
const (
	gatherTurns = 8
	gatherTime  = 200 * time.Microsecond
)

// gather lets those run who were told that the last commit is done, as long as they bring more: what they enqueue now would else wait for two commits instead of one,
// and every second commit would carry half of what it could. It returns at once when nobody else can run. false: there is nothing to commit; what comes after that wakes.
func (c *Committer) gather() bool {
	if c.turns != nil {
		any := c.any()
		if any {
			c.turns("commit")
		}
		return any
	}
	began, before := time.Now(), 0
	for range gatherTurns {
		c.mu.Lock()
		units := 0
		if len(c.groups) == 1 { // with more, the first is full
			units = len(c.groups[0].units)
		}
		c.mu.Unlock()
		if units <= before || time.Since(began) > gatherTime {
			break
		}
		before = units
		runtime.Gosched()
	}
	return true
}

// any tells whether there is something to commit.
func (c *Committer) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.groups) > 0
}

// next waits for a group to commit; nil when the committer is closed and empty.
func (c *Committer) next() (*group, error) {
	for {
		some := c.gather()
		c.mu.Lock()
		if some && len(c.groups) > 0 {
			g := c.groups[0]
			c.groups = c.groups[1:]
			c.flight = g
			c.mu.Unlock()
			return g, nil
		}
		closed := c.closed && len(c.groups) == 0
		c.mu.Unlock()
		if closed {
			return nil, nil
		}
		<-c.wake
	}
}

func (c *Committer) commit(g *group) error {
	plan, err := assemble(g.units)
	if err != nil {
		return err
	}
	began := time.Now()
	n, err := c.store.Commit(context.Background(), plan.units)
	if err != nil {
		return fmt.Errorf("commit %d of %d units: %w", n, len(plan.units), err)
	}
	c.stats.commits.Add(1)
	c.stats.units.Add(uint64(len(g.units)))
	c.stats.records.Add(uint64(plan.records))
	c.stats.bytes.Add(uint64(g.bytes))
	c.observe(time.Since(began), len(g.units), plan.records)
	for _, a := range plan.appended {
		a.sink.Durable(a.batches)
	}
	return nil
}

func (c *Committer) finish(g *group) {
	c.mu.Lock()
	c.flight = nil
	full := c.queued > MaxQueued
	c.queued -= g.inline + g.bytes
	if full && c.queued <= MaxQueued {
		close(c.room)
		c.room = make(chan struct{})
	}
	c.mu.Unlock()
	g.durable.Store(true)
	close(g.done)
	g.units = nil
}

func (c *Committer) fail(g *group, err error) {
	c.mu.Lock()
	c.err, c.lost = err, failedTicket(err)
	failed := append([]*group{g}, c.groups...)
	c.groups, c.flight = nil, nil
	close(c.room)
	c.mu.Unlock()
	for _, g := range failed {
		g.err = err
		close(g.done)
	}
}

// failure returns why nothing can be enqueued any more, or nil; the caller holds mu.
func (c *Committer) failure() error {
	if c.err != nil {
		return c.err
	}
	if c.closed {
		return ErrClosed
	}
	return nil
}

func failedTicket(err error) Ticket {
	g := &group{n: math.MaxUint64, done: make(chan struct{}), err: err}
	close(g.done)
	return Ticket{g}
}

// cost sums up what a unit takes, and notes it in its parts.
func cost(u Unit) (inline, bytes, entries int) {
	for i := range u {
		p := &u[i]
		p.inline, p.bytes = 0, 0
		for j := range p.Records {
			p.bytes += record.EncodedSize(p.Records[j])
		}
		if p.Rewrite != nil {
			p.bytes += len(p.Rewrite.Bytes)
		}
		for j := range p.Entries {
			p.inline += len(p.Entries[j].Bytes)
		}
		for j := range p.Notes {
			p.inline += len(p.Notes[j].Bytes)
		}
		inline += p.inline
		bytes += p.bytes
		entries += 1 + len(p.Entries) + len(p.Notes)
	}
	return inline, bytes, entries
}
