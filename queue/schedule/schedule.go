package schedule

import (
	"bytes"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// JournalName is the journal on the log of a topic's delayed records.
const JournalName store.Journal = "schedule"

// Item is one delayed record.
type Item struct {
	Offset record.Offset // in the log of delayed records
	Due    int64         // ms since the Unix epoch; negative: taken

	rest int64 // ms since the Unix epoch: it is left alone until then
}

// at is when something is to be done about it.
func (it Item) at() int64 { return max(it.Due, it.rest) }

// Schedule holds the items of one topic.
type Schedule struct {
	mu      sync.Mutex
	items   []Item // by offset; taken ones stay until they are half of all
	head    int    // all items before it are taken
	live    int
	due     dueHeap
	ids     map[key]record.Offset
	idOf    map[record.Offset]key
	journal *journal.Journal
}

type key [16]byte

func keyOf(id string) key {
	sum := sha256.Sum256([]byte(id))
	return key(sum[:16])
}

// New returns an empty schedule.
func New() *Schedule {
	return &Schedule{ids: map[key]record.Offset{}, idOf: map[record.Offset]key{}, journal: journal.New(JournalName)}
}

// Lock must be held around everything else.
func (s *Schedule) Lock() { s.mu.Lock() }

// Unlock gives the lock back.
func (s *Schedule) Unlock() { s.mu.Unlock() }

// Recover ends the replay; j may be nil.
func (s *Schedule) Recover(j *journal.Journal) {
	if j != nil {
		s.journal = j
	}
	s.compact()
}

// Len returns how many records are scheduled.
func (s *Schedule) Len() int { return s.live }

// Next returns when the first record is due; false if there is none.
func (s *Schedule) Next() (time.Time, bool) {
	s.dropTaken()
	if len(s.due) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(s.due[0].at()), true
}

// Due returns up to limit items that are due at now, the first ones due first, without taking them.
func (s *Schedule) Due(now time.Time, limit int) []Item {
	var out []Item
	for len(out) < limit {
		s.dropTaken()
		if len(s.due) == 0 || s.due[0].at() > now.UnixMilli() {
			break
		}
		out = append(out, heap.Pop(&s.due).(Item))
	}
	for _, it := range out {
		heap.Push(&s.due, it)
	}
	return out
}

// dropTaken brings an item that is not taken to the top of the heap.
func (s *Schedule) dropTaken() {
	for len(s.due) > 0 {
		if it, ok := s.Get(s.due[0].Offset); ok && it.at() == s.due[0].at() {
			return
		}
		heap.Pop(&s.due)
	}
}

// Get returns the item of an offset; false if there is none, or it was taken.
func (s *Schedule) Get(at record.Offset) (Item, bool) {
	i := s.search(at)
	if i == len(s.items) || s.items[i].Offset != at || s.items[i].Due < 0 {
		return Item{}, false
	}
	return s.items[i], true
}

// ByID returns the item of the record with an id.
func (s *Schedule) ByID(id string) (Item, bool) {
	at, ok := s.ids[keyOf(id)]
	if !ok {
		return Item{}, false
	}
	return s.Get(at)
}

// List returns up to limit items from an offset on.
func (s *Schedule) List(from record.Offset, limit int) []Item {
	var out []Item
	for i := s.search(from); i < len(s.items) && len(out) < limit; i++ {
		if s.items[i].Due >= 0 {
			out = append(out, s.items[i])
		}
	}
	return out
}

// First returns the offset of the first item, or end if there is none: what lies before is not needed any more.
func (s *Schedule) First(end record.Offset) record.Offset {
	for ; s.head < len(s.items); s.head++ {
		if it := s.items[s.head]; it.Due >= 0 {
			return it.Offset
		}
	}
	return end
}

// Postpone lets an item rest until a later time, in memory only: its record cannot be read now.
func (s *Schedule) Postpone(at record.Offset, until time.Time) {
	if i := s.search(at); i < len(s.items) && s.items[i].Offset == at && s.items[i].Due >= 0 {
		s.items[i].rest = until.UnixMilli()
		heap.Push(&s.due, s.items[i])
	}
}

func (s *Schedule) search(at record.Offset) int {
	return sort.Search(len(s.items), func(i int) bool { return s.items[i].Offset >= at })
}

// Added is one record that is being appended to the log.
type Added struct {
	Item
	ID string // "" = none
}

// maxDelta is how many items one delta holds.
const maxDelta = 1000

// A delta is a byte, add or take, then for each item: its offset (uvarint), and when added: due (varint), 1 or 0, the first 16 bytes of its id's SHA-256 after a 1.
const (
	opAdd  = 1
	opTake = 2
)

// Add takes items, with offsets after all others, and returns the entries for the unit that appends their records.
func (s *Schedule) Add(added []Added) (out []store.Entry) {
	for some := range slices.Chunk(added, maxDelta) {
		delta := []byte{opAdd}
		for _, a := range some {
			var k *key
			if a.ID != "" {
				k = new(keyOf(a.ID))
			}
			delta = appendItem(delta, a.Item, k)
			s.add(a.Item, k)
		}
		out = append(out, s.journal.Delta(delta))
	}
	return out
}

// Take takes items away, fired or cancelled, and returns the entries for the unit that has the effect.
func (s *Schedule) Take(items []record.Offset) (out []store.Entry) {
	for some := range slices.Chunk(items, maxDelta) {
		delta := []byte{opTake}
		for _, at := range some {
			delta = binary.AppendUvarint(delta, uint64(at))
			s.take(at)
		}
		out = append(out, s.journal.Delta(delta))
	}
	s.compact()
	return out
}

func appendItem(b []byte, it Item, id *key) []byte {
	b = binary.AppendUvarint(b, uint64(it.Offset))
	b = binary.AppendVarint(b, it.Due)
	if id == nil {
		return append(b, 0)
	}
	return append(append(b, 1), id[:]...)
}

func (s *Schedule) add(it Item, id *key) {
	s.items = append(s.items, it)
	s.live++
	heap.Push(&s.due, it)
	if id != nil {
		s.ids[*id] = it.Offset
		s.idOf[it.Offset] = *id
	}
}

func (s *Schedule) take(at record.Offset) {
	i := s.search(at)
	if i == len(s.items) || s.items[i].Offset != at || s.items[i].Due < 0 {
		return
	}
	s.items[i].Due = -1
	s.live--
	if k, ok := s.idOf[at]; ok {
		delete(s.idOf, at)
		if s.ids[k] == at {
			delete(s.ids, k)
		}
	}
}

// compact forgets taken items when they are most.
func (s *Schedule) compact() {
	if len(s.items) < 2*s.live+64 {
		return
	}
	s.items = slices.DeleteFunc(s.items, func(it Item) bool { return it.Due < 0 })
	s.head = 0
	s.due = append(s.due[:0:0], s.items...)
	heap.Init(&s.due)
}

// Checkpoint returns the entries of a checkpoint if one is due: 10⁶ records are about 10 MB, written once as many bytes of
// deltas were. They are to be committed in order, a piece at a time; then Written is called.
func (s *Schedule) Checkpoint() []store.Entry {
	if !s.journal.Due() {
		return nil
	}
	b := []byte{opAdd}
	for _, it := range s.items {
		if it.Due < 0 {
			continue
		}
		var id *key
		if k, ok := s.idOf[it.Offset]; ok {
			id = &k
		}
		b = appendItem(b, it, id)
	}
	return s.journal.Checkpoint(b)
}

// Written says that the checkpoint under way is durable.
func (s *Schedule) Written() { s.journal.Written() }

// Restore implements journal.Machine.
func (s *Schedule) Restore(checkpoint []byte) error { return s.Replay(checkpoint) }

// Replay implements journal.Machine.
func (s *Schedule) Replay(delta []byte) error {
	r := varint.NewReader(delta)
	op := r.Byte()
	if op != opAdd && op != opTake {
		r.Fail()
	}
	for r.More() {
		at := record.Offset(r.Natural())
		if op == opAdd {
			s.replayAdd(at, r)
		} else if !r.Bad() {
			s.take(at)
		}
	}
	if r.Bad() {
		return fmt.Errorf("delta of a schedule: %w", store.ErrCorrupt)
	}
	return nil
}

func (s *Schedule) replayAdd(at record.Offset, r *varint.Reader) {
	due, has := r.Int(), r.Byte()
	var id *key
	if has != 0 {
		if b := r.Take(len(key{})); b != nil {
			id = (*key)(bytes.Clone(b))
		}
	}
	if r.Bad() || due < 0 || len(s.items) > 0 && at <= s.items[len(s.items)-1].Offset {
		r.Fail()
		return
	}
	s.add(Item{Offset: at, Due: due}, id)
}

// dueHeap is a min-heap by due time, then offset.
type dueHeap []Item

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return h[i].at() < h[j].at() || h[i].at() == h[j].at() && h[i].Offset < h[j].Offset
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(Item)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
