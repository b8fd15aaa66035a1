package partition

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

func batch(base, last record.Offset, bytes int) store.Batch {
	return store.Batch{Base: base, Last: last, Bytes: make([]byte, bytes)}
}

func TestCacheHoldsTheNewestAndOneStretchOfALog(t *testing.T) {
	c := NewCache(16 << 10)
	for i := range record.Offset(100) {
		c.add(1, []store.Batch{batch(i*10, i*10+9, 1000)})
	}
	if c.read(1, 5, 1) != nil {
		t.Error("the oldest is still here")
	}
	got := c.read(1, 995, 1)
	if len(got) != 1 || got[0].Base != 990 {
		t.Fatalf("the newest: %v", got)
	}
	if c.tail.bytes > c.tail.max {
		t.Errorf("%d bytes, at most %d", c.tail.bytes, c.tail.max)
	}
	c.drop(1)
	if c.read(1, 995, 1) != nil || c.tail.bytes != 0 {
		t.Errorf("after a drop %d bytes", c.tail.bytes)
	}
}

// Reads here and there drop what was read before: what the cache notes of it does not grow for ever.
func TestCacheOfJumpingReadsStaysSmall(t *testing.T) {
	c := NewCache(1 << 20)
	for i := range record.Offset(100_000) {
		c.keep(1, []store.Batch{batch(i*7919%100_003*10, i*7919%100_003*10+9, 100)}, 0)
	}
	if n := len(c.cold.order); n > 4096 {
		t.Errorf("%d notes for %d batches", n, len(c.cold.logs[1]))
	}
}

func TestCacheOrderSurvivesDrops(t *testing.T) {
	s := newShelf(1 << 20)
	for i := range record.Offset(3000) {
		id := store.LogID(i % 3)
		if i%500 == 499 {
			s.drop(id)
		}
		s.put(id, &entry{Batch: batch(i, i, 10)})
	}
	left := 0
	for _, held := range s.logs {
		left += len(held)
	}
	s.max = 0
	for s.head < len(s.order) {
		s.evict()
	}
	if left == 0 || s.bytes != 0 || len(s.logs) != 0 {
		t.Errorf("%d were here; after the last went %d bytes and %d logs are left", left, s.bytes, len(s.logs))
	}
}

// part is an open partition with a committer at work.
func part(t *testing.T, cacheBytes int) (*Partition, *commit.Committer) {
	t.Helper()
	st := memory.New(memory.Config{})
	p, err := Open(t.Context(), st, NewCache(cacheBytes), 1, "t", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Recover(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c := commit.New(st, nil)
	done := make(chan error)
	go func() { done <- c.Run() }()
	t.Cleanup(func() {
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, c
}

func appendTo(t *testing.T, p *Partition, c *commit.Committer, now time.Time, values ...string) {
	t.Helper()
	a := &AppendTo{Partition: p}
	for _, v := range values {
		a.Records = append(a.Records, record.Record{Value: []byte(v)})
	}
	tx, err := Begin(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(t.Context(), tx.Commit(c, now, nil)); err != nil {
		t.Fatal(err)
	}
}

func TestScenario56TimestampsNeverGoBackAndOffsetsAreDense(t *testing.T) {
	p, c := part(t, 1)
	now := time.UnixMilli(1_000_000)
	for i, at := range []time.Time{now, now.Add(-time.Hour), now.Add(time.Millisecond)} {
		appendTo(t, p, c, at, fmt.Sprint(2*i), fmt.Sprint(2*i+1))
	}
	var got []string
	err := p.Scan(t.Context(), 0, 1, func(r *record.Reader) error {
		rec := r.Record()
		got = append(got, fmt.Sprintf("%d %s %d", rec.Offset, rec.Value, rec.Timestamp.UnixMilli()-now.UnixMilli()))
		return nil
	})
	if err != nil || fmt.Sprint(got) != "[0 0 0 1 1 0 2 2 0 3 3 0 4 4 1 5 5 1]" {
		t.Errorf("%v, %v", got, err)
	}
	for at, want := range map[time.Time]record.Offset{now: 0, now.Add(time.Millisecond): 4, now.Add(time.Second): 6, now.Add(-time.Hour): 0} {
		if got, err := p.OffsetForTime(t.Context(), at); err != nil || got != want {
			t.Errorf("offset for %v: %d, want %d, %v", at, got, want, err)
		}
	}
}

func TestFindOutsideOfWhatIsThere(t *testing.T) {
	p, c := part(t, DefaultCacheBytes)
	appendTo(t, p, c, time.UnixMilli(1), "a", "b", "c")
	if err := c.Wait(t.Context(), c.Enqueue(commit.Unit{p.Trim(1)})); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[record.Offset]error{-1: store.ErrTrimmed, 0: store.ErrTrimmed, 1: nil, 2: nil, 3: store.ErrOutOfRange, 1 << 60: store.ErrOutOfRange} {
		if _, err := p.Find(t.Context(), at); !errors.Is(err, want) {
			t.Errorf("find %d: %v, want %v", at, err, want)
		}
	}
	p.Close()
	if _, err := Begin(&AppendTo{Partition: p}); !errors.Is(err, ErrDropped) {
		t.Errorf("append to a closed partition: %v", err)
	}
}

// watcher counts what it was told.
type watcher struct{ told int }

func (w *watcher) Advanced(*Partition) { w.told++ }

func TestWatchersAreToldOnce(t *testing.T) {
	p, c := part(t, DefaultCacheBytes)
	w, gone := new(watcher), new(watcher)
	if !p.Watch(0, w) || !p.Watch(0, gone) {
		t.Fatal("nothing to wait for")
	}
	p.Unwatch(gone)
	appendTo(t, p, c, time.UnixMilli(1), "a")
	appendTo(t, p, c, time.UnixMilli(1), "b")
	if w.told != 1 || gone.told != 0 {
		t.Errorf("told %d times, the one that had gone %d times", w.told, gone.told)
	}
	if p.Watch(1, w) {
		t.Error("it has grown past 1 already")
	}
}

func grown(t *testing.T, s *sizes, appends int) (deltas [][]byte) {
	t.Helper()
	bytes := make([]byte, markEvery)
	for i := range appends {
		s.grow(store.Batch{Last: record.Offset(i+1)*10 - 1, Bytes: bytes})
		for _, e := range s.mark() {
			deltas = append(deltas, e.Bytes)
		}
	}
	return deltas
}

func TestSizesSurviveARestart(t *testing.T) {
	for _, n := range []int{0, 1, 100, maxMarks, 3 * maxMarks} {
		live := sizes{journal: journal.New(SizeJournal)}
		var replayed, restored sizes
		for _, b := range grown(t, &live, n) {
			if err := replayed.Replay(b); err != nil {
				t.Fatal(err)
			}
		}
		var checkpoint []byte
		for _, e := range live.checkpoint() {
			checkpoint = append(checkpoint, e.Bytes...)
		}
		if err := restored.Restore(checkpoint); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*sizes{&live, &replayed, &restored} {
			if s.total != int64(n)*markEvery || len(s.marks) > maxMarks {
				t.Errorf("%d appends: %d bytes, %d marks", n, s.total, len(s.marks))
			}
			for _, at := range []int{0, n / 3, max(0, n-1), n} {
				got, want := s.before(record.Offset(at)*10), int64(at)*markEvery
				if slack := int64(n) / maxMarks * 4 * markEvery; got > want || got < want-slack {
					t.Errorf("%d appends: %d bytes before the %dth, want %d", n, got, at, want)
				}
			}
		}
	}
}

func FuzzSizes(f *testing.F) {
	f.Add(mark{300, 1 << 20}.append(nil))
	f.Add([]byte{})
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fn := range []func(*sizes, []byte) error{(*sizes).Replay, (*sizes).Restore} {
			var s sizes
			if err := fn(&s, b); err != nil && !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			if len(s.marks) > len(b)/2 {
				t.Fatalf("%d marks of %d bytes", len(s.marks), len(b))
			}
		}
	})
}

// A commit puts its batches into the cache and then moves the end. Who reads between the two sees nothing past the end: it could not find it again.
func TestScanStopsAtTheEnd(t *testing.T) {
	p, c := part(t, 1<<20)
	appendTo(t, p, c, time.Now(), "a")
	appendTo(t, p, c, time.Now(), "b")
	p.end.Store(1) // where it is while the second commit is being told
	var seen []record.Offset
	err := p.Scan(t.Context(), 0, 1<<20, func(r *record.Reader) error {
		seen = append(seen, r.Offset())
		_, err := p.Find(t.Context(), r.Offset())
		return err
	})
	if err != nil || len(seen) != 1 {
		t.Errorf("seen %v, %v", seen, err)
	}
}

func TestAPieceGoesOnWhereTheOneBeforeEndedAndTheCacheKeepsNothing(t *testing.T) {
	p, c := part(t, 0)
	for _, v := range []string{"a", "b", "c"} {
		appendTo(t, p, c, time.Now(), v, v)
	}
	var seen []record.Offset
	sweep := func(from record.Offset, chunk int) record.Offset {
		t.Helper()
		x, err := p.Piece(t.Context(), from, make([]byte, chunk))
		if err == nil {
			err = x.Each(func(r *record.Reader) error {
				seen = append(seen, r.Offset())
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return x.Next()
	}
	p.cache = NewCache(1 << 20)
	if next := sweep(1, 1); next != 2 {
		t.Errorf("one batch ends at %d", next)
	}
	if next := sweep(2, 1<<20); next != 6 {
		t.Errorf("the rest ends at %d", next)
	}
	if next := sweep(6, 1); next != 6 {
		t.Errorf("the end is %d", next)
	}
	if want := []record.Offset{1, 2, 3, 4, 5}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
	if p.cached(1) != nil || p.cached(3) != nil {
		t.Error("the cache keeps what was swept")
	}
	p.end.Store(3) // while the commit of what comes then is being told
	seen = nil
	if next := sweep(2, 1<<20); next != 3 && next != 4 {
		t.Errorf("past what is there: %d", next)
	}
}
