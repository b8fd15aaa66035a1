package partition

import (
	"sort"
	"sync"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// DefaultCacheBytes is how many bytes of encoded batches the shared cache holds.
const DefaultCacheBytes = 32 << 20

// Cache holds the newest batches of all partitions as they were committed, for everybody who reads near the end. The oldest go first.
type Cache struct {
	max int

	mu    sync.RWMutex
	bytes int
	logs  map[store.LogID][]store.Batch // in offset order, without gaps
	order []store.LogID                 // a log's id for each batch, oldest first
	head  int                           // of order
}

// NewCache returns a cache of at most maxBytes.
func NewCache(maxBytes int) *Cache {
	return &Cache{max: maxBytes, logs: map[store.LogID][]store.Batch{}}
}

// add takes batches that were just committed.
func (c *Cache) add(id store.LogID, batches []store.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range batches {
		c.logs[id] = append(c.logs[id], b)
		c.order = append(c.order, id)
		c.bytes += cost(b)
	}
	for c.bytes > c.max && c.head < len(c.order) {
		c.evict()
	}
}

// evict lets the oldest batch go; the caller holds mu.
func (c *Cache) evict() {
	id := c.order[c.head]
	c.head++
	if c.head > 1024 && c.head > len(c.order)/2 {
		c.order = append(c.order[:0:0], c.order[c.head:]...)
		c.head = 0
	}
	held := c.logs[id]
	if len(held) == 0 { // dropped
		return
	}
	c.bytes -= cost(held[0])
	held[0] = store.Batch{}
	if held = held[1:]; len(held) == 0 {
		delete(c.logs, id)
		return
	}
	c.logs[id] = held
}

// drop forgets a log.
func (c *Cache) drop(id store.LogID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.logs[id] {
		c.bytes -= cost(b)
	}
	delete(c.logs, id)
}

// read returns the batch that covers from and its successors up to about maxBytes; nil if it is not here. The bytes are shared: nobody changes them.
func (c *Cache) read(id store.LogID, from record.Offset, maxBytes int) []store.Batch {
	c.mu.RLock()
	defer c.mu.RUnlock()
	held := c.logs[id]
	i := sort.Search(len(held), func(i int) bool { return held[i].Last >= from })
	if i == len(held) || held[i].Base > from {
		return nil
	}
	size, end := len(held[i].Bytes), i+1
	for end < len(held) && size+len(held[end].Bytes) <= maxBytes {
		size += len(held[end].Bytes)
		end++
	}
	return append([]store.Batch(nil), held[i:end]...)
}

// cost is what a batch takes of the cache, its own overhead included.
func cost(b store.Batch) int { return len(b.Bytes) + 128 }
