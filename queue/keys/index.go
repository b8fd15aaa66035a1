package keys

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

const (
	// MaxTail is how many keys of a partition are in memory before they go into notes: about half a megabyte.
	MaxTail = 8192

	maxTailRecords = 256 << 10       // records after which they do so though they have few keys: a restart reads them again
	maxNotes       = 500             // notes of one unit
	chunk          = 256 << 10       // bytes of records read at a time
	rest           = 5 * time.Second // after an error
	bucketBits     = 62
)

// ErrGone is what calls return once the partition's topic is deleted or no longer compacted.
var ErrGone = errors.New("the index is closed")

// Index is the index of one partition. Its methods may be called from any goroutine.
type Index struct {
	part      *partition.Partition
	committer *commit.Committer
	log       *slog.Logger
	bits      int // of a hash that name its bucket

	turn    chan struct{} // one slot: held by whoever catches up, writes notes, or moves the state
	journal *journal.Journal
	stop    chan struct{} // closed by Close
	once    sync.Once
	runs    sync.WaitGroup

	mu    sync.Mutex // guards the following
	tail  map[Hash]record.Offset
	next  record.Offset // records below are in tail or in notes
	since int           // records looked at since the notes were written
	state State
}

// New returns an index to replay into; Recover, then Start bring it to life.
func New(p *partition.Partition, c *commit.Committer, log *slog.Logger) *Index {
	return &Index{part: p, committer: c, log: log, bits: bucketBits, turn: make(chan struct{}, 1), stop: make(chan struct{}), tail: map[Hash]record.Offset{}}
}

// Start follows the partition in the background until Close.
func (ix *Index) Start() { ix.runs.Go(ix.run) }

// Close ends the following, waits for it, and refuses what comes later.
func (ix *Index) Close() {
	ix.once.Do(func() {
		close(ix.stop)
		ix.runs.Wait()
		ix.turn <- struct{}{} // and for who has the turn; nobody takes it again
	})
}

// run catches up whenever the partition has grown.
func (ix *Index) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-ix.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		ix.committer.TurnOf(uint64(ix.part.Index), "keys of", ix.part.Topic)
		g := make(grown)
		var again <-chan time.Time
		if err := ix.catchUp(ctx); err != nil && ctx.Err() == nil {
			ix.log.Error("a partition's keys cannot be read", "topic", ix.part.Topic, "partition", ix.part.Index, "error", err)
			again = time.After(rest)
		} else if err == nil && !ix.part.Watch(ix.seen(), g) {
			continue
		}
		select {
		case <-g:
		case <-again:
		case <-ctx.Done():
			ix.part.Unwatch(g)
			return
		}
	}
}

// grown is a partition.Watcher that closes a channel.
type grown chan struct{}

func (g grown) Advanced(*partition.Partition) { close(g) }

func (ix *Index) seen() record.Offset {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.next
}

// take takes the turn. Errors: ErrGone, the context's.
func (ix *Index) take(ctx context.Context) (give func(), err error) {
	select {
	case <-ix.stop:
		return nil, ErrGone
	default:
	}
	select {
	case ix.turn <- struct{}{}:
		ix.committer.TurnOf(uint64(ix.part.Index), "index of", ix.part.Topic)
		return func() { <-ix.turn }, nil
	case <-ix.stop:
		return nil, ErrGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// catchUp looks at all that is durable now. Errors: ErrGone, the partition's, the commit's.
func (ix *Index) catchUp(ctx context.Context) error {
	_, end := ix.part.Bounds()
	for ix.seen() < end {
		give, err := ix.take(ctx)
		if err != nil {
			return err
		}
		full, err := ix.look(ctx)
		if err == nil && full {
			err = ix.flush(ctx)
		}
		give()
		if err != nil {
			return err
		}
	}
	return nil
}

// look takes records into the tail until that is full or the end is reached; the turn is held.
func (ix *Index) look(ctx context.Context) (full bool, err error) {
	start, end := ix.part.Bounds()
	ix.mu.Lock()
	ix.next = max(ix.next, start)
	from := ix.next
	ix.mu.Unlock()
	if from >= end {
		return false, nil
	}
	seen := from
	err = ix.part.Scan(ctx, from, chunk, func(r *record.Reader) error {
		ix.mu.Lock()
		defer ix.mu.Unlock()
		if len(ix.tail) >= MaxTail || ix.since >= maxTailRecords {
			full = true
			return partition.Stop()
		}
		if key := r.Key(); key != nil {
			ix.tail[Sum(key)] = r.Offset()
		}
		seen = r.Offset() + 1
		ix.since++
		return nil
	})
	if err != nil {
		return false, err
	}
	if !full {
		seen = max(seen, end)
	}
	ix.mu.Lock()
	ix.next = max(ix.next, seen)
	ix.mu.Unlock()
	return full, nil
}

// flush writes the tail into notes and returns when they are durable; the turn is held.
func (ix *Index) flush(ctx context.Context) error {
	ix.mu.Lock()
	all := make([]Entry, 0, len(ix.tail))
	for h, at := range ix.tail {
		all = append(all, Entry{h, at})
	}
	state := ix.state
	state.Indexed = ix.next
	ix.mu.Unlock()
	if state == ix.state {
		return nil
	}
	slices.SortFunc(all, func(a, b Entry) int { return bytes.Compare(a.Hash[:], b.Hash[:]) }) // those of a bucket side by side
	for len(all) > 0 {
		n := ix.cut(all)
		notes, err := ix.merge(ctx, all[:n])
		if err != nil {
			return err
		}
		if err := ix.write(ctx, nil, notes); err != nil {
			return err
		}
		all = all[n:]
	}
	if err := ix.write(ctx, ix.entries(state), nil); err != nil {
		return err
	}
	ix.mu.Lock()
	ix.state = state
	ix.tail, ix.since = map[Hash]record.Offset{}, 0
	ix.mu.Unlock()
	return nil
}

// cut returns how many entries go into the next unit: about maxNotes, whole buckets.
func (ix *Index) cut(all []Entry) int {
	n := min(len(all), maxNotes)
	for n < len(all) && all[n].Hash.bucket(ix.bits) == all[n-1].Hash.bucket(ix.bits) {
		n++
	}
	return n
}

// write makes entries and notes durable. What was enqueued is waited for though ctx ends: memory goes on with it.
func (ix *Index) write(ctx context.Context, entries []store.Entry, notes []store.Note) error {
	if err := ctx.Err(); err != nil && entries == nil {
		return err
	}
	t, ok := ix.part.Write(ix.committer, entries, notes)
	if !ok {
		return ErrGone
	}
	return ix.committer.Wait(context.WithoutCancel(ctx), t)
}

// merge puts entries, sorted by hash, into the notes of their buckets.
func (ix *Index) merge(ctx context.Context, all []Entry) ([]store.Note, error) {
	var notes []store.Note
	for i := 0; i < len(all); {
		at := all[i].Hash.bucket(ix.bits)
		bucket, err := ix.bucket(ctx, at)
		if err != nil {
			return nil, err
		}
		for ; i < len(all) && all[i].Hash.bucket(ix.bits) == at; i++ {
			if old := slices.IndexFunc(bucket, func(e Entry) bool { return e.Hash == all[i].Hash }); old >= 0 {
				bucket[old].At = max(bucket[old].At, all[i].At)
			} else {
				bucket = append(bucket, all[i])
			}
		}
		notes = append(notes, store.Note{Journal: Journal, At: at, Bytes: noteOf(bucket)})
	}
	return notes, nil
}

func (ix *Index) bucket(ctx context.Context, at record.Offset) ([]Entry, error) {
	note, err := ix.part.Log().Note(ctx, Journal, at)
	if err != nil {
		return nil, err
	}
	return bucketOf(note)
}

// Newest returns where the newest record of a key is among those that were looked at; false if there is none.
func (ix *Index) Newest(ctx context.Context, h Hash) (record.Offset, bool, error) {
	ix.mu.Lock()
	at, ok := ix.tail[h]
	ix.mu.Unlock()
	if ok {
		return at, true, nil
	}
	bucket, err := ix.bucket(ctx, h.bucket(ix.bits))
	if err != nil {
		return 0, false, err
	}
	for _, e := range bucket {
		if e.Hash == h {
			return e.At, true, nil
		}
	}
	return 0, false, nil
}

// Find returns the newest record of a key, a tombstone too. Its bytes are shared. Errors: record.ErrNotFound, ErrGone, store.ErrCorrupt.
func (ix *Index) Find(ctx context.Context, key []byte) (record.Record, error) {
	if err := ix.catchUp(ctx); err != nil {
		return record.Record{}, err
	}
	at, ok, err := ix.Newest(ctx, Sum(key))
	if err != nil {
		return record.Record{}, err
	}
	if ok {
		r, err := ix.part.Find(ctx, at)
		switch {
		case errors.Is(err, record.ErrNotFound), errors.Is(err, store.ErrTrimmed): // a tombstone that just vanished
		case err != nil:
			return record.Record{}, err
		case bytes.Equal(r.Key, key):
			return r, nil
		}
	}
	return record.Record{}, fmt.Errorf("key %q: %w", key, record.ErrNotFound)
}

// Flush writes everything durable into notes and returns the state then. Errors: as Find's.
func (ix *Index) Flush(ctx context.Context) (State, error) {
	if err := ix.catchUp(ctx); err != nil {
		return State{}, err
	}
	give, err := ix.take(ctx)
	if err != nil {
		return State{}, err
	}
	defer give()
	err = ix.flush(ctx)
	return ix.State(), err
}

// State returns how far the partition is looked through.
func (ix *Index) State() State {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.state
}

// Cleaned notes how far compaction has come; Indexed of s is not looked at.
func (ix *Index) Cleaned(ctx context.Context, s State) error {
	give, err := ix.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	ix.mu.Lock()
	s.Indexed = ix.state.Indexed
	ix.mu.Unlock()
	s.Clean = min(s.Clean, s.Indexed)
	if err := ix.write(ctx, ix.entries(s), nil); err != nil {
		return err
	}
	ix.mu.Lock()
	ix.state = s
	ix.mu.Unlock()
	return nil
}

// Without runs write with the notes that forget keys whose newest record is the one given, and lets nobody change notes until it returns.
func (ix *Index) Without(ctx context.Context, gone []Entry, write func(notes []store.Note) error) error {
	give, err := ix.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	slices.SortFunc(gone, func(a, b Entry) int {
		return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.At, b.At))
	})
	var notes []store.Note
	for i := 0; i < len(gone); {
		at := gone[i].Hash.bucket(ix.bits)
		bucket, err := ix.bucket(ctx, at)
		if err != nil {
			return err
		}
		for ; i < len(gone) && gone[i].Hash.bucket(ix.bits) == at; i++ {
			bucket = slices.DeleteFunc(bucket, func(e Entry) bool { return e == gone[i] })
		}
		notes = append(notes, store.Note{Journal: Journal, At: at, Bytes: noteOf(bucket)})
	}
	return write(notes)
}
