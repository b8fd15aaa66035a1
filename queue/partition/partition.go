package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Partition is one open partition. Its methods may be called from any goroutine.
type Partition struct {
	ID    store.LogID
	Topic string
	Index int
	Lane  int

	Backlog *Backlog // of the topic, as Ends; nil = nobody asks
	Ends    *Ends

	log   store.Log
	cache *Cache

	start, end atomic.Int64 // what can be read: durable records only

	mu       sync.Mutex
	next     record.Offset // of the next append
	last     time.Time     // timestamp of the newest record there ever was
	dropped  bool
	sizes    sizes
	gaps     gaps
	watchers map[Watcher]struct{}
}

// Watcher is told once that a partition has grown past what it had seen. Advanced is called on the committer's goroutine and must not block.
type Watcher interface {
	Advanced(p *Partition)
}

// Open takes a partition's log for writing. Errors: the store's.
func Open(ctx context.Context, st store.Store, cache *Cache, id store.LogID, topic string, index, lane int) (*Partition, error) {
	log, err := st.Open(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open %s/%d: %w", topic, index, err)
	}
	p := &Partition{ID: id, Topic: topic, Index: index, Lane: lane, log: log, cache: cache, watchers: map[Watcher]struct{}{}}
	start, end, newest := log.Bounds()
	p.start.Store(int64(start))
	p.end.Store(int64(end))
	p.next, p.last = end, newest
	return p, nil
}

// Log returns the partition's log, for replays and notes.
func (p *Partition) Log() store.Log { return p.log }

// Bounds returns the first readable offset and the one after the last durable record.
func (p *Partition) Bounds() (start, end record.Offset) {
	return record.Offset(p.start.Load()), record.Offset(p.end.Load())
}

// AppendTo is what a unit adds to one partition; Base and Time are filled in.
type AppendTo struct {
	Partition *Partition
	Records   []record.Record // Offset and Timestamp are filled in
	Base      record.Offset
	Time      time.Time
}

// Place says where a record went.
type Place struct {
	Partition int
	Offset    record.Offset
	Timestamp time.Time
	Duplicate bool   // it is the place of an earlier record with the same id
	Scheduled string // not appended yet: the id of the delayed record, which is due at Timestamp; "" = appended
}

// ErrDropped is what Begin returns for a partition whose topic was deleted.
var ErrDropped = errors.New("the partition is dropped")

// Tx holds the locks of the partitions that a unit appends to. It ends with Commit or Abort, soon.
type Tx struct{ order []*AppendTo }

// Begin locks the partitions, at most one AppendTo each. Errors: ErrDropped.
func Begin(appends ...*AppendTo) (*Tx, error) {
	order := slices.Clone(appends)
	slices.SortFunc(order, func(a, b *AppendTo) int { return cmp.Compare(a.Partition.ID, b.Partition.ID) })
	tx := &Tx{order: order}
	dropped := false
	for _, a := range order {
		a.Partition.mu.Lock()
		dropped = dropped || a.Partition.dropped
	}
	if dropped {
		tx.Abort()
		return nil, ErrDropped
	}
	return tx, nil
}

// Commit gives the records offsets and times, enqueues them as one unit together with what extra, which may be nil, then returns, and unlocks. It does
// not block.
func (tx *Tx) Commit(c *commit.Committer, now time.Time, extra func() []commit.Part) commit.Ticket {
	unit := make(commit.Unit, 0, len(tx.order)+1)
	for _, a := range tx.order {
		unit = append(unit, a.number(now))
	}
	if extra != nil {
		unit = append(unit, extra()...)
	}
	t := c.Enqueue(unit)
	tx.Abort()
	return t
}

// Abort unlocks.
func (tx *Tx) Abort() {
	for _, a := range tx.order {
		a.Partition.mu.Unlock()
	}
}

// Close refuses appends from now on and wakes all watchers.
func (p *Partition) Close() {
	p.mu.Lock()
	p.dropped = true
	p.mu.Unlock()
	p.wake()
}

// Trim returns what a unit does to the log to let everything before start go; it cannot be read from now on.
func (p *Partition) Trim(start record.Offset) commit.Part {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.start.Store(max(p.start.Load(), int64(start)))
	p.sizes.trim(start)
	p.gaps.trim(start)
	return commit.Part{Log: p.ID, Start: start}
}

// Retain lets everything before start go, unless the partition is dropped.
func (p *Partition) Retain(c *commit.Committer, start record.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped { // the store takes nothing for a dropped log
		return
	}
	p.start.Store(max(p.start.Load(), int64(start)))
	p.sizes.trim(start)
	p.gaps.trim(start)
	c.Enqueue(commit.Unit{{Log: p.ID, Start: start}})
}

// Drop deletes the partition's log: nothing can be appended from now on, and what can be read vanishes.
func (p *Partition) Drop(c *commit.Committer) commit.Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = true
	t := c.Enqueue(commit.Unit{{Log: p.ID, Drop: true}})
	p.cache.drop(p.ID)
	return t
}

// number gives the records offsets and times; the partition's lock is held.
func (a *AppendTo) number(now time.Time) commit.Part {
	p := a.Partition
	now = now.UTC().Truncate(time.Millisecond)
	if now.Before(p.last) {
		now = p.last
	}
	a.Base, a.Time = p.next, now
	for i := range a.Records {
		a.Records[i].Offset = p.next
		a.Records[i].Timestamp = now
		p.next++
	}
	p.last = now
	part := commit.Part{Log: p.ID, Base: a.Base, Records: a.Records, Sink: p, Entries: p.sizes.mark()}
	if p.sizes.journal.Due() { // marks are few: the checkpoint is a piece or two
		part.Entries = append(part.Entries, p.sizes.checkpoint()...)
	}
	return part
}

// Durable implements commit.Sink: the batches can be read from now on.
func (p *Partition) Durable(batches []store.Batch) {
	p.cache.add(p.ID, batches)
	p.mu.Lock()
	for i := range batches {
		p.sizes.grow(batches[i])
	}
	p.moveEnd(batches[len(batches)-1].Last + 1)
	p.mu.Unlock()
	p.wake()
}

// wake tells all watchers, once each.
func (p *Partition) wake() {
	p.mu.Lock()
	if len(p.watchers) == 0 {
		p.mu.Unlock()
		return
	}
	told := p.watchers
	p.watchers = map[Watcher]struct{}{}
	p.mu.Unlock()
	for w := range told {
		w.Advanced(p)
	}
}

// Watch asks for one call of w.Advanced when the partition has grown past seen; false, without asking, if it has already.
func (p *Partition) Watch(seen record.Offset, w Watcher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if record.Offset(p.end.Load()) > seen {
		return false
	}
	p.watchers[w] = struct{}{}
	return true
}

// Unwatch takes a Watch back.
func (p *Partition) Unwatch(w Watcher) {
	p.mu.Lock()
	delete(p.watchers, w)
	p.mu.Unlock()
}
