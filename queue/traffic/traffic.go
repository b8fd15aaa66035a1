package traffic

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/varint"
)

// Limits.
const (
	Window   = 24 * time.Hour // how long a client that is silent is remembered
	MaxNames = 100            // clients of one topic or group
	MaxTotal = 20_000         // clients of all
	MaxName  = 64             // bytes of a client's name
)

// Others stands for the clients beyond MaxNames and MaxTotal.
const Others = "(others)"

const (
	sampleEvery = 10 * time.Second
	samples     = 6 // of which a rate is made
)

// Kind says what a client does.
type Kind uint8

// The kinds.
const (
	Produces Kind = 1 + iota // to a topic
	Works                    // for a group
)

// object is a topic or a group.
type object struct {
	kind Kind
	id   uint64
}

// client is one client of one object.
type client struct {
	last  atomic.Int64  // unix ms
	count atomic.Uint64 // records since the process started

	stored int64               // the minute of last that is on the log; guarded by the table's lock
	ring   [samples + 1]uint64 // counts, the newest at at
	at     int                 // likewise
	filled int                 // samples taken, at most samples
}

// Table knows all clients. It is a system.Machine. Its lock is the last before the committer's.
type Table struct {
	committer *commit.Committer
	journal   *system.Journal

	mu      sync.RWMutex
	objects map[object]map[string]*client
	total   int
	wake    chan struct{} // one slot: there is a client again
}

// JournalName is the name of the journal on the server's log.
const JournalName store.Journal = "traffic"

// Keep makes the table, which the server's log restores when it is opened.
func Keep(log *system.Log, c *commit.Committer) *Table {
	t := &Table{committer: c, objects: map[object]map[string]*client{}, wake: make(chan struct{}, 1)}
	t.journal = log.Keep(JournalName, t)
	return t
}

// Saw notes that a client did something with n records. id is the topic's or group's. An empty name is nobody's.
func (t *Table) Saw(kind Kind, id uint64, name string, n int) {
	if name == "" {
		return
	}
	if len(name) > MaxName {
		name = name[:MaxName]
	}
	o := object{kind, id}
	t.mu.RLock()
	c := t.objects[o][name]
	if c != nil {
		c.saw(n)
	}
	t.mu.RUnlock()
	if c == nil {
		t.mu.Lock()
		t.add(o, name).saw(n)
		t.mu.Unlock()
	}
}

// saw notes n records, now. The table's lock is held, shared at least: a client without a time would be forgotten.
func (c *client) saw(n int) {
	c.last.Store(time.Now().UnixMilli())
	c.count.Add(uint64(n))
}

// add returns a client, a new one if there is room; the lock is held.
func (t *Table) add(o object, name string) *client {
	all := t.objects[o]
	if all == nil {
		all = map[string]*client{}
		t.objects[o] = all
	}
	if c := all[name]; c != nil {
		return c
	}
	known := len(all)
	if all[Others] != nil {
		known--
	}
	if name != Others && (known >= MaxNames || t.total >= MaxTotal) {
		return t.add(o, Others)
	}
	c := new(client)
	all[name] = c
	if t.total++; t.total == 1 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return c
}

// Seen is one client as Clients tells it.
type Seen struct {
	Name      string
	At        time.Time
	PerSecond float64 // records, over the last minute
}

// Clients returns who was seen with a topic or a group within the window, by name.
func (t *Table) Clients(kind Kind, id uint64) []Seen {
	since := time.Now().Add(-Window).UnixMilli()
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Seen
	for name, c := range t.objects[object{kind, id}] {
		if last := c.last.Load(); last >= since {
			out = append(out, Seen{Name: name, At: time.UnixMilli(last).UTC(), PerSecond: c.rate()})
		}
	}
	slices.SortFunc(out, func(a, b Seen) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// rate is the records a second between the oldest sample and the newest.
func (c *client) rate() float64 {
	if c.filled == 0 {
		return 0
	}
	oldest := c.ring[(c.at-c.filled+len(c.ring))%len(c.ring)]
	return float64(c.ring[c.at]-oldest) / (time.Duration(c.filled) * sampleEvery).Seconds()
}

// sample takes a sample of each count.
func (t *Table) sample() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, all := range t.objects {
		for _, c := range all {
			c.at = (c.at + 1) % len(c.ring)
			c.ring[c.at] = c.count.Load()
			c.filled = min(c.filled+1, samples)
		}
	}
}

// Run takes samples, and once a minute writes what was seen and forgets what is over, or whose topic or group is not among those that living tells. It returns when
// ctx ends.
func (t *Table) Run(ctx context.Context, living func(Kind) map[uint64]bool) {
	defer t.write()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.wake:
			t.watch(ctx, living)
		}
	}
}

// watch is Run while there is somebody to watch.
func (t *Table) watch(ctx context.Context, living func(Kind) map[uint64]bool) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.sample()
		if n%samples != 0 {
			continue
		}
		t.forget(time.Now().Add(-Window), living)
		t.write()
		if t.empty() {
			return
		}
	}
}

func (t *Table) empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.total == 0
}

// forget takes out who was last seen before a time, and objects that are gone. The log learns of it with the next checkpoint.
func (t *Table) forget(before time.Time, living func(Kind) map[uint64]bool) {
	alive := map[Kind]map[uint64]bool{Produces: living(Produces), Works: living(Works)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for o, all := range t.objects {
		for name, c := range all {
			if !alive[o.kind][o.id] || c.last.Load() < before.UnixMilli() {
				delete(all, name)
				t.total--
			}
		}
		if len(all) == 0 {
			delete(t.objects, o)
		}
	}
}

const minute = int64(time.Minute / time.Millisecond)

// write puts who was seen in another minute than the log says on the log.
func (t *Table) write() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var delta []byte
	flush := func() {
		if len(delta) > 0 {
			t.committer.Enqueue(commit.Unit{t.journal.Part(delta)})
			delta = nil
		}
	}
	for o, all := range t.objects {
		for name, c := range all {
			at := c.last.Load() / minute
			if at == c.stored {
				continue
			}
			c.stored = at
			if delta = appendSeen(delta, o, name, at); len(delta) > system.MaxDelta-2*MaxName {
				flush()
			}
		}
	}
	flush()
}

// appendSeen writes one client: kind, id, minute, length and bytes of its name, all uvarints.
func appendSeen(b []byte, o object, name string, at int64) []byte {
	b = binary.AppendUvarint(append(b, byte(o.kind)), o.id)
	b = binary.AppendUvarint(b, uint64(at))
	return varint.AppendString(b, name)
}

// Restore implements journal.Machine.
func (t *Table) Restore(checkpoint []byte) error { return t.Replay(checkpoint) }

// Replay implements journal.Machine.
func (t *Table) Replay(delta []byte) error {
	for r := varint.NewReader(delta); r.More(); {
		o := object{Kind(r.Byte()), r.Uint()}
		at, name := int64(r.UintTo(1<<40)), r.String()
		if r.Bad() || len(name) > MaxName {
			return fmt.Errorf("who was seen: %w", store.ErrCorrupt)
		}
		c := t.add(o, name)
		c.stored = at
		c.last.Store(max(c.last.Load(), at*minute))
	}
	return nil
}

// Checkpoint implements system.Machine; the lock is held.
func (t *Table) Checkpoint() []byte {
	var b []byte
	for o, all := range t.objects {
		for name, c := range all {
			b = appendSeen(b, o, name, c.stored)
		}
	}
	return b
}
