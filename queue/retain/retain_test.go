package retain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// shelf is partitions in a bubble.
type shelf struct {
	t  *testing.T
	st *memory.Store
	c  *commit.Committer
}

func inBubble(t *testing.T, fn func(s *shelf)) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, st: memory.New(memory.Config{})}
		s.c = commit.New(s.st, nil)
		done := make(chan error, 1)
		go func() { done <- s.c.Run() }()
		defer func() {
			s.c.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		fn(s)
	})
}

func (s *shelf) partition(id store.LogID) *partition.Partition {
	s.t.Helper()
	p, err := partition.Open(s.t.Context(), s.st, partition.NewCache(1<<20), id, "t", int(id), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.Recover(s.t.Context(), nil); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// put appends a record that is large enough to be counted on its own.
func (s *shelf) put(p *partition.Partition) {
	s.t.Helper()
	tx, err := partition.Begin(&partition.AppendTo{Partition: p, Records: []record.Record{{Value: make([]byte, 300<<10)}}})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Wait(s.t.Context(), tx.Commit(s.c, time.Now(), nil)); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhatIsOver(t *testing.T) {
	inBubble(t, func(s *shelf) {
		p := s.partition(1)
		for range 10 {
			s.put(p)
			time.Sleep(time.Hour)
		}
		each := p.Bytes() / 10
		for _, c := range []struct {
			what    string
			age     time.Duration
			bytes   int64
			cleanup catalog.Cleanup
			aged    bool
			want    record.Offset
		}{
			{"nothing is limited", 0, 0, catalog.CleanupDelete, true, 0},
			{"of age", 150 * time.Minute, 0, catalog.CleanupDelete, true, 8},
			{"age is not asked for", 150 * time.Minute, 0, catalog.CleanupDelete, false, 0},
			{"all is over", time.Second, 0, catalog.CleanupDelete, true, 10},
			{"nothing is so old", 100 * time.Hour, 0, catalog.CleanupDelete, true, 0},
			{"over the bytes", 0, 3 * each, catalog.CleanupDelete, false, 7},
			{"the stricter one counts: age", 90 * time.Minute, 3 * each, catalog.CleanupDelete, true, 9},
			{"the stricter one counts: bytes", 330 * time.Minute, 3 * each, catalog.CleanupDelete, true, 7},
			{"compacted topics let go one by one", time.Second, 1, catalog.CleanupCompact, true, 0},
		} {
			cfg := catalog.DefaultTopic()
			cfg.Retention.Age, cfg.Retention.Bytes, cfg.Cleanup = c.age, c.bytes, c.cleanup
			got, err := New(Config{}).over(s.t.Context(), &Topic{Config: cfg}, p, c.aged)
			if err != nil || got != c.want {
				t.Errorf("%s: below %d, %v; want %d", c.what, got, err, c.want)
			}
		}
	})
}

// host has some topics.
type host struct {
	topics map[string]Topic
	low    bool
}

func (h *host) Names() (out []string) {
	for _, name := range []string{"a", "b", "c"} { // c is gone, or was never there
		out = append(out, name)
	}
	return out
}

func (h *host) Retained(name string) (Topic, bool) {
	t, ok := h.topics[name]
	return t, ok
}
func (h *host) Edited() []Kept { return nil }

func (h *host) TakeTurn(context.Context) (func(), error) { return func() {}, nil }
func (h *host) Low() bool                                { return h.low }

// A partition that cannot be gone on with, or a topic that is gone, keeps no other one waiting.
func TestTurnsGoOnPastATrouble(t *testing.T) {
	inBubble(t, func(s *shelf) {
		a, b := s.partition(1), s.partition(2)
		h := &host{topics: map[string]Topic{"a": {Partitions: []*partition.Partition{a, a}}, "b": {Partitions: []*partition.Partition{b}}}}
		k := New(Config{Host: h, Committer: s.c, Logger: slog.New(slog.DiscardHandler), Every: time.Minute})
		ctx, cancel := context.WithCancel(s.t.Context())
		defer cancel()
		seen := map[store.LogID]int{}
		turns := 0
		go k.turns(ctx, time.Minute, func() { turns++ }, func(_ context.Context, _ *Topic, p *partition.Partition) error {
			seen[p.ID]++
			return errors.New("no")
		}, false, "trouble")
		time.Sleep(150 * time.Second)
		synctest.Wait()
		if turns != 2 || seen[1] != 4 || seen[2] != 2 {
			t.Errorf("in %d turns the partitions had %v", turns, seen)
		}
	})
}

// What is kept of the pace of rewriting ends with the partition.
func TestPacesEndWithTheirPartitions(t *testing.T) {
	inBubble(t, func(s *shelf) {
		a, b := s.partition(1), s.partition(2)
		topic := func(p *partition.Partition) Topic {
			t := topicOf(true)
			t.Partitions = []*partition.Partition{p}
			return *t
		}
		h := &host{topics: map[string]Topic{"a": topic(a), "b": topic(b)}}
		k := New(Config{Host: h, Committer: s.c, Logger: slog.New(slog.DiscardHandler), Every: time.Minute})
		thin := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(s.t.Context(), d)
			defer cancel()
			k.Thin(ctx)
		}
		thin(90 * time.Second)
		if len(k.paces) != 2 {
			t.Errorf("%d paces of 2 partitions", len(k.paces))
		}
		delete(h.topics, "a")
		thin(2 * time.Minute)
		if len(k.paces) != 1 || k.paces[2] == nil {
			t.Errorf("paces %v once a topic is gone", k.paces)
		}
	})
}

// What is settled behind a record that has to stay goes, and its readers hear of it; while free space is short nothing does.
func TestWhatNeedNotStayGoes(t *testing.T) {
	inBubble(t, func(s *shelf) {
		p := s.partition(1)
		for range 8 {
			s.put(p)
		}
		time.Sleep(time.Hour)
		w := &wants{unsettled: []lease.Range{{From: 2, To: 4}}, letters: []record.Offset{6}}
		topic := topicOf(true, w)
		topic.Config.Retention.Age = time.Second
		h := &host{low: true}
		k := New(Config{Host: h, Committer: s.c, Logger: slog.New(slog.DiscardHandler)})
		left := func() string {
			var all []record.Offset
			if err := p.Scan(s.t.Context(), 0, 1<<20, func(r *record.Reader) error {
				all = append(all, r.Offset())
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(all)
		}
		if err := k.thin(s.t.Context(), topic, p); err != nil || left() != "[0 1 2 3 4 5 6 7]" || w.lost != nil {
			t.Errorf("without space %s are left, %v", left(), err)
		}
		h.low = false
		if err := k.thin(s.t.Context(), topic, p); err != nil || left() != "[2 3 6]" || fmt.Sprint(w.lost) != "[0 1 4 5 7]" {
			t.Errorf("%s are left, lost are %v, %v", left(), w.lost, err)
		}
		start, _ := p.Bounds()
		if err := k.trim(s.t.Context(), topic, p, true); err != nil || start != 0 {
			t.Fatalf("starts at %d, %v", start, err)
		}
		if start, _ = p.Bounds(); start != 2 {
			t.Errorf("trimmed to %d, want to the first that has to stay", start)
		}
		w.unsettled = nil
		if err := k.trim(s.t.Context(), topic, p, true); err != nil {
			t.Fatal(err)
		}
		if start, _ = p.Bounds(); start != 6 {
			t.Errorf("trimmed to %d, want to the open letter", start)
		}
		if got := fmt.Sprint(w.whole); got != "[2 6 8 8 8]" {
			t.Errorf("followers found it whole from %v at each of three rewrites and two trims", got)
		}
	})
}
