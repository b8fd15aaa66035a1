package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// shelf is a partition with an index of so many bits.
type shelf struct {
	t    *testing.T
	st   *memory.Store
	part *partition.Partition
	c    *commit.Committer
	ix   *Index
	bits int
	done chan error
}

func newShelf(t *testing.T, bits int) *shelf {
	s := &shelf{t: t, st: memory.New(memory.Config{}), bits: bits}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	p, err := partition.Open(s.t.Context(), s.st, partition.NewCache(1<<20), 1, "t", 0, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.part, s.c, s.done = p, commit.New(s.st, nil), make(chan error, 1)
	s.ix = New(p, s.c, slog.New(slog.DiscardHandler))
	s.ix.bits = s.bits
	machines := map[store.Journal]journal.Machine{Journal: s.ix, partition.SizeJournal: p.Sizes()}
	journals, _, err := journal.Replay(s.t.Context(), p.Log(), func(name store.Journal) journal.Machine { return machines[name] })
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.Recover(s.t.Context(), journals[partition.SizeJournal]); err != nil {
		s.t.Fatal(err)
	}
	s.ix.Recover(journals[Journal])
	go func() { s.done <- s.c.Run() }()
	s.ix.Start()
}

func (s *shelf) close() {
	s.ix.Close()
	s.c.Close()
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
}

func (s *shelf) restart() {
	s.close()
	s.st = s.st.Crash()
	s.open()
}

func (s *shelf) put(keys ...string) {
	s.t.Helper()
	a := &partition.AppendTo{Partition: s.part}
	for _, k := range keys {
		a.Records = append(a.Records, record.Record{Key: []byte(k), Value: []byte("v")})
	}
	tx, err := partition.Begin(a)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Wait(s.t.Context(), tx.Commit(s.c, time.UnixMilli(1), nil)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) want(key string, at record.Offset) {
	s.t.Helper()
	r, err := s.ix.Find(s.t.Context(), []byte(key))
	switch {
	case at < 0 && errors.Is(err, record.ErrNotFound):
	case err != nil:
		s.t.Fatalf("key %s: %v", key, err)
	case r.Offset != at || string(r.Key) != key:
		s.t.Fatalf("key %s is %s at %d, want %d", key, r.Key, r.Offset, at)
	}
}

// Keys that share a bucket are told apart: here 200 share 4.
func TestFullBuckets(t *testing.T) {
	s := newShelf(t, 2)
	const n = 200
	for round := range 2 {
		for i := range n {
			s.put(fmt.Sprint(i))
		}
		if _, err := s.ix.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			s.want(fmt.Sprint(i), record.Offset(round*n+i))
		}
		s.want("nobody", -1)
		s.restart()
	}
	gone := []Entry{{Sum([]byte("7")), n + 7}, {Sum([]byte("8")), 8}, {Sum([]byte("9")), n + 9}} // that of 8 is not its newest
	err := s.ix.Without(t.Context(), gone, func(notes []store.Note) error { return s.ix.write(t.Context(), nil, notes) })
	if err != nil {
		t.Fatal(err)
	}
	s.want("7", -1)
	s.want("8", n+8)
	s.want("9", -1)
	s.want("10", n+10)
}

func TestLookUpsSeeWhatWasDurable(t *testing.T) {
	s := newShelf(t, bucketBits)
	for i := range 50 {
		s.put("a", fmt.Sprint(i))
		s.want("a", record.Offset(2*i))
		if i%10 == 9 {
			if _, err := s.ix.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.restart()
		}
	}
	if got := s.ix.State().Indexed; got != 100 {
		t.Errorf("indexed up to %d", got)
	}
	if err := s.ix.Cleaned(t.Context(), State{Clean: 1 << 40, Held: 7, Oldest: 9}); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if got := s.ix.State(); got != (State{Indexed: 100, Clean: 100, Held: 7, Oldest: 9}) {
		t.Errorf("state %+v", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := newShelf(t, bucketBits)
	const n = 3 * MaxTail
	for from := 0; from < n; from += 1000 {
		keys := make([]string, 1000)
		for i := range keys {
			keys[i] = fmt.Sprint(from + i)
		}
		s.put(keys...)
	}
	if err := s.ix.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.ix.tail) > MaxTail || s.ix.State().Indexed < n-MaxTail {
		t.Errorf("%d keys in memory, indexed up to %d", len(s.ix.tail), s.ix.State().Indexed)
	}
	for i := 0; i < n; i += 997 {
		s.want(fmt.Sprint(i), record.Offset(i))
	}
}

func TestClosedIndexRefuses(t *testing.T) {
	s := newShelf(t, bucketBits)
	s.put("a")
	s.ix.Close()
	s.ix.Close()
	if _, err := s.ix.Flush(context.Background()); err != nil && !errors.Is(err, ErrGone) {
		t.Errorf("flush: %v", err)
	}
	if err := s.ix.Cleaned(t.Context(), State{}); !errors.Is(err, ErrGone) {
		t.Errorf("cleaned: %v", err)
	}
}

func FuzzNote(f *testing.F) {
	f.Add(noteOf([]Entry{{Sum([]byte("a")), 7}, {Sum(nil), 1 << 40}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		bucket, err := bucketOf(b)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		if again, err2 := bucketOf(noteOf(bucket)); err == nil && (err2 != nil || len(again) != len(bucket)) {
			t.Fatalf("%v became %v, %v", bucket, again, err2)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add(State{9, 8, 7, 6}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := stateOf(b)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if again, err := stateOf(s.append(nil)); err != nil || again != s {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}
