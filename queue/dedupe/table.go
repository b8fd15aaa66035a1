package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// MaxIDs is how many ids a topic remembers at a time.
const MaxIDs = 1_000_000

// minBucket is the shortest stretch of time that ids are kept and forgotten together in; a window has 16 such stretches or fewer.
const minBucket = 10 * time.Second

// ErrFull is returned when MaxIDs are remembered.
var ErrFull = errors.New("too many ids are remembered")

// key is what is kept of an id.
type key [16]byte

func keyOf(id string) key {
	sum := sha256.Sum256([]byte(id))
	return key(sum[:16])
}

// where is the place of a record with an id.
type where struct {
	partition int32
	offset    record.Offset
	at        int64 // ms: timestamp of the record
}

// bucket holds the ids whose records were appended in one stretch of time.
type bucket struct {
	start    int64 // ms; names the journals
	last     int64 // ms: the newest timestamp in it
	ids      map[key]where
	journals map[store.LogID]*journal.Journal
}

// Table holds the ids of one topic.
type Table struct {
	mu      sync.Mutex
	buckets []*bucket // oldest first
	count   int
	gone    []Forgotten // what Forget returns next
}

// Lock must be held around everything else.
func (t *Table) Lock() { t.mu.Lock() }

// Unlock gives the lock back.
func (t *Table) Unlock() { t.mu.Unlock() }

// Find returns the place of the record with an id, if it was appended within the window before now.
func (t *Table) Find(id string, now time.Time, window time.Duration) (partition.Place, bool) {
	k := keyOf(id)
	for i := len(t.buckets) - 1; i >= 0; i-- {
		if w, ok := t.buckets[i].ids[k]; ok {
			at := time.UnixMilli(w.at).UTC()
			return partition.Place{Partition: int(w.partition), Offset: w.offset, Timestamp: at, Duplicate: true}, now.Before(at.Add(window))
		}
	}
	return partition.Place{}, false
}

// Room returns ErrFull if n more ids are too many.
func (t *Table) Room(n int) error {
	if t.count+n > MaxIDs {
		return fmt.Errorf("%d ids, at most %d: %w", t.count+n, MaxIDs, ErrFull)
	}
	return nil
}

// Added is an id whose record has its place.
type Added struct {
	ID    string
	Place partition.Place
}

// maxDelta is how many ids one delta holds.
const maxDelta = 2000

// Add remembers ids of records that are being appended to one log, at one time, and returns the entries for their unit.
func (t *Table) Add(log store.LogID, window time.Duration, added []Added) []store.Entry {
	at := added[0].Place.Timestamp.UnixMilli()
	b := t.bucketFor(at, window)
	j := b.journals[log]
	if j == nil {
		j = journal.New(name(b.start))
		b.journals[log] = j
	}
	var out []store.Entry
	for some := range slices.Chunk(added, maxDelta) {
		delta := binary.AppendVarint(nil, at)
		for _, a := range some {
			k := keyOf(a.ID)
			delta = append(delta, k[:]...)
			delta = binary.AppendUvarint(delta, uint64(a.Place.Offset))
			t.put(b, k, where{int32(a.Place.Partition), a.Place.Offset, at})
		}
		out = append(out, j.Delta(delta))
	}
	return out
}

func (t *Table) put(b *bucket, k key, w where) {
	old, known := b.ids[k]
	if !known {
		t.count++
	}
	if !known || old.at <= w.at { // a replay comes log by log, not by time
		b.ids[k] = w
	}
	b.last = max(b.last, w.at)
}

// bucketFor returns the newest bucket, or a new one if that began too long ago.
func (t *Table) bucketFor(at int64, window time.Duration) *bucket {
	width := max(minBucket, window/16).Milliseconds()
	if n := len(t.buckets); n > 0 && at < t.buckets[n-1].start+width {
		return t.buckets[n-1]
	}
	b := newBucket(at)
	t.buckets = append(t.buckets, b)
	return b
}

func newBucket(start int64) *bucket {
	return &bucket{start: start, ids: map[key]where{}, journals: map[store.LogID]*journal.Journal{}}
}

// Forgotten is a journal whose ids are all over.
type Forgotten struct {
	Log     store.LogID
	Journal store.Journal
}

// Sweep forgets the buckets whose ids are all over; their journals are given to Forget.
func (t *Table) Sweep(now time.Time, window time.Duration) {
	for len(t.buckets) > 0 && t.buckets[0].last+window.Milliseconds() < now.UnixMilli() {
		b := t.buckets[0]
		t.buckets = slices.Delete(t.buckets, 0, 1)
		t.count -= len(b.ids)
		for _, log := range slices.Sorted(maps.Keys(b.journals)) {
			t.gone = append(t.gone, Forgotten{log, b.journals[log].Name()})
		}
	}
}

// Forget returns the journals that were swept since the last call; the caller lets the store forget them.
func (t *Table) Forget() []Forgotten {
	gone := t.gone
	t.gone = nil
	return gone
}

// prefix begins the names of the journals; the start of the bucket in ms follows.
const prefix = "i/"

func name(start int64) store.Journal {
	return store.Journal(prefix + strconv.FormatInt(start, 10))
}

// Replay returns the machine that restores a journal of a partition, or nil if it is not one of ids.
func (t *Table) Replay(name store.Journal, index int) journal.Machine {
	rest, ok := strings.CutPrefix(string(name), prefix)
	start, err := strconv.ParseInt(rest, 10, 64)
	if !ok || err != nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(t.buckets, start, func(b *bucket, s int64) int { return int(b.start - s) })
	if !found {
		t.buckets = slices.Insert(t.buckets, i, newBucket(start))
	}
	return &replayed{t, t.buckets[i], int32(index)}
}

// Recover ends the replay of a journal.
func (t *Table) Recover(log store.LogID, j *journal.Journal) {
	for _, b := range t.buckets {
		if name(b.start) == j.Name() {
			b.journals[log] = j
		}
	}
}

// replayed restores the ids of one bucket on one log.
type replayed struct {
	table  *Table
	bucket *bucket
	index  int32
}

// Restore implements journal.Machine; ids have no checkpoints.
func (r *replayed) Restore([]byte) error {
	return fmt.Errorf("a checkpoint of ids: %w", store.ErrCorrupt)
}

// Replay implements journal.Machine.
func (r *replayed) Replay(delta []byte) error {
	d := varint.NewReader(delta)
	at := d.Int()
	for d.More() {
		var k key
		copy(k[:], d.Take(len(k)))
		offset := record.Offset(d.Natural())
		if !d.Bad() {
			r.table.put(r.bucket, k, where{r.index, offset, at})
		}
	}
	if d.Bad() {
		return fmt.Errorf("ids: %w", store.ErrCorrupt)
	}
	return nil
}
