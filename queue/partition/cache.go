package partition

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// DefaultCacheBytes is how many bytes of encoded batches the shared cache holds: three quarters of the newest ones, a
// quarter of what was read from the disk.
const DefaultCacheBytes = 32 << 20

// entry is a batch as it was stored, and once somebody looked for a record in it, its marks. Nobody changes its bytes.
type entry struct {
	store.Batch
	marks atomic.Pointer[record.Marks]
}

// index returns the batch's marks. Errors: record.ErrCorrupt, record.ErrUnsupported.
func (e *entry) index() (*record.Marks, error) {
	if m := e.marks.Load(); m != nil {
		return m, nil
	}
	m, err := record.Mark(e.Bytes)
	if err == nil {
		e.marks.Store(m)
	}
	return m, err
}

// cost is what an entry takes of the cache, its marks and its own overhead included.
func (e *entry) cost() int { return len(e.Bytes) + len(e.Bytes)/100 + 192 }

// Cache holds the batches of all partitions that are likely to be read next: the newest ones as they were committed, and those read from the
// disk last. The oldest go first.
type Cache struct {
	mu   sync.RWMutex
	tail shelf // in each log without gaps, up to its end
	cold shelf
	cuts map[store.LogID]uint64 // how often a log was cut: what was read before is not kept after
}

// NewCache returns a cache of at most maxBytes.
func NewCache(maxBytes int) *Cache {
	return &Cache{tail: newShelf(maxBytes - maxBytes/4), cold: newShelf(maxBytes / 4), cuts: map[store.LogID]uint64{}}
}

// add takes batches that were just committed.
func (c *Cache) add(id store.LogID, batches []store.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range batches {
		c.tail.put(id, &entry{Batch: b})
	}
}

// age returns what keep wants to know: how often a log was cut before it was read.
func (c *Cache) age(id store.LogID) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.cuts[id]
}

// keep takes batches that were read from the disk when the log had an age, and returns their entries. What a rewrite may have replaced meanwhile it does not hold on to.
func (c *Cache) keep(id store.LogID, batches []store.Batch, age uint64) []*entry {
	out := make([]*entry, len(batches))
	for i, b := range batches {
		out[i] = &entry{Batch: b}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cuts[id] != age {
		return out
	}
	if held := c.cold.logs[id]; len(held) > 0 && held[len(held)-1].Last+1 != batches[0].Base {
		c.cold.drop(id) // a shelf holds one stretch of a log
	}
	for _, e := range out {
		c.cold.put(id, e)
	}
	return out
}

// drop forgets a log.
func (c *Cache) drop(id store.LogID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail.drop(id)
	c.cold.drop(id)
	delete(c.cuts, id)
}

// cut forgets a log's batches up to an offset: some of them were rewritten.
func (c *Cache) cut(id store.LogID, last record.Offset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts[id]++
	c.tail.cut(id, last)
	c.cold.drop(id)
}

// read returns the batch that covers from and its successors up to about maxBytes; nil if it is not here.
func (c *Cache) read(id store.LogID, from record.Offset, maxBytes int) []*entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if got := c.tail.read(id, from, maxBytes); got != nil {
		return got
	}
	return c.cold.read(id, from, maxBytes)
}

// shelf holds stretches of logs; the entry that came first goes first.
type shelf struct {
	max, bytes int
	logs       map[store.LogID][]*entry // in offset order, without gaps
	order      []store.LogID            // a log's id for each entry, oldest first; those of dropped entries included
	head       int                      // of order
	stale      int                      // dropped entries in order, at most
}

func newShelf(maxBytes int) shelf { return shelf{max: maxBytes, logs: map[store.LogID][]*entry{}} }

func (s *shelf) put(id store.LogID, e *entry) {
	s.logs[id] = append(s.logs[id], e)
	s.order = append(s.order, id)
	s.bytes += e.cost()
	for s.bytes > s.max && s.head < len(s.order) {
		s.evict()
	}
}

// evict lets the oldest entry go.
func (s *shelf) evict() {
	id := s.order[s.head]
	s.head++
	if s.head > 1024 && s.head > len(s.order)/2 {
		s.order = append([]store.LogID(nil), s.order[s.head:]...)
		s.head = 0
	}
	held := s.logs[id]
	if len(held) == 0 { // dropped
		return
	}
	s.bytes -= held[0].cost()
	held[0] = nil
	if held = held[1:]; len(held) == 0 {
		delete(s.logs, id)
		return
	}
	s.logs[id] = held
}

func (s *shelf) drop(id store.LogID) {
	for _, e := range s.logs[id] {
		s.bytes -= e.cost()
	}
	s.stale += len(s.logs[id])
	delete(s.logs, id)
	if s.stale > 1024 && s.stale > len(s.order)/2 {
		s.tidy()
	}
}

// cut drops a log's entries that begin at or before an offset.
func (s *shelf) cut(id store.LogID, last record.Offset) {
	held := s.logs[id]
	n := sort.Search(len(held), func(i int) bool { return held[i].Base > last })
	for i, e := range held[:n] {
		s.bytes -= e.cost()
		held[i] = nil
	}
	s.stale += n
	if held = held[n:]; len(held) == 0 {
		delete(s.logs, id)
	} else {
		s.logs[id] = held
	}
	if s.stale > 1024 && s.stale > len(s.order)/2 {
		s.tidy()
	}
}

// tidy forgets the dropped entries in order: of each log the oldest ones.
func (s *shelf) tidy() {
	dropped := map[store.LogID]int{}
	for _, id := range s.order[s.head:] {
		dropped[id]++
	}
	for id, held := range s.logs {
		dropped[id] -= len(held)
	}
	kept := s.order[:0]
	for _, id := range s.order[s.head:] {
		if dropped[id] > 0 {
			dropped[id]--
			continue
		}
		kept = append(kept, id)
	}
	s.order, s.head, s.stale = kept, 0, 0
}

func (s *shelf) read(id store.LogID, from record.Offset, maxBytes int) []*entry {
	held := s.logs[id]
	i := sort.Search(len(held), func(i int) bool { return held[i].Last >= from })
	if i == len(held) || held[i].Base > from {
		return nil
	}
	size, end := len(held[i].Bytes), i+1
	for end < len(held) && size+len(held[end].Bytes) <= maxBytes {
		size += len(held[end].Bytes)
		end++
	}
	return append([]*entry(nil), held[i:end]...)
}
