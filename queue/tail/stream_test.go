package tail

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// brook is a topic in a bubble, and one reader of it.
type brook struct {
	t       *testing.T
	st      *memory.Store
	c       *commit.Committer
	hub     Hub
	parts   []*partition.Partition
	deleted bool
	stop    chan struct{}
}

func inBubble(t *testing.T, partitions int, fn func(b *brook)) {
	synctest.Test(t, func(t *testing.T) {
		b := &brook{t: t, st: memory.New(memory.Config{}), stop: make(chan struct{})}
		b.c = commit.New(b.st, nil)
		done := make(chan error, 1)
		go func() { done <- b.c.Run() }()
		defer func() {
			b.c.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		for range partitions {
			b.grow()
		}
		fn(b)
		if len(b.hub.by) > 0 {
			t.Error("the hub holds on to a closed stream")
		}
	})
}

func (b *brook) grow() {
	b.t.Helper()
	n := len(b.parts)
	p, err := partition.Open(b.t.Context(), b.st, partition.NewCache(16<<20), store.LogID(n+1), "t", n, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := p.Recover(b.t.Context(), nil); err != nil {
		b.t.Fatal(err)
	}
	b.parts = append(b.parts, p)
	b.hub.Changed("t")
}

// put appends records with a key and so many bytes to a partition.
func (b *brook) put(p int, key string, sizes ...int) {
	b.t.Helper()
	a := &partition.AppendTo{Partition: b.parts[p]}
	for _, n := range sizes {
		a.Records = append(a.Records, record.Record{Key: []byte(key), Value: make([]byte, n)})
	}
	tx, err := partition.Begin(a)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.c.Wait(b.t.Context(), tx.Commit(b.c, time.Now(), nil)); err != nil {
		b.t.Fatal(err)
	}
}

// open begins to follow, from offsets by partition; set changes what is followed.
func (b *brook) open(set func(*Config), from ...record.Offset) *Stream {
	cfg := Config{
		Hub: &b.hub, Topic: "t", Stop: b.stop,
		Partitions: func() ([]*partition.Partition, bool) { return b.parts, !b.deleted },
		Start: func(p *partition.Partition) record.Offset {
			if p.Index < len(from) {
				return from[p.Index]
			}
			return 0
		},
	}
	if set != nil {
		set(&cfg)
	}
	return Open(cfg)
}

// next tells the next event as "records 0: 3-5", "gap 0: 0-7", "beat", "deleted" or "stopping".
func (b *brook) next(s *Stream) string {
	b.t.Helper()
	e, err := s.Next(b.t.Context(), time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	switch e.Kind {
	case Records:
		return fmt.Sprintf("records %d: %d-%d", e.Partition, e.Records[0].Offset, e.Records[len(e.Records)-1].Offset)
	case Gap:
		return fmt.Sprintf("gap %d: %d-%d", e.Partition, e.From, e.To)
	case Beat:
		return "beat"
	case Deleted:
		return "deleted"
	case Stopping:
		return "stopping"
	}
	return fmt.Sprint(e)
}

func (b *brook) want(s *Stream, events ...string) {
	b.t.Helper()
	for _, want := range events {
		if got := b.next(s); got != want {
			b.t.Errorf("%s, want %s", got, want)
		}
	}
}

func times(n, size int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = size
	}
	return out
}

func TestChunksAreBoundedAndTakeTurns(t *testing.T) {
	inBubble(t, 2, func(b *brook) {
		b.put(0, "k", times(MaxChunk+1, 1)...)
		b.put(1, "k", 40<<10, 40<<10, 100<<10, 1)
		s := b.open(nil)
		defer s.Close()
		b.want(s, "records 0: 0-255", "records 1: 0-0", "records 0: 256-256", "records 1: 1-1", "records 1: 2-2", "records 1: 3-3", "beat")
		b.put(0, "k", 1)
		b.want(s, "records 0: 257-257", "beat")
		if got := fmt.Sprint(s.Position()); got != "[258 4]" {
			t.Errorf("stands at %s", got)
		}
	})
}

func TestOneKeyIsPickedOut(t *testing.T) {
	inBubble(t, 1, func(b *brook) {
		for i := range 6 {
			b.put(0, fmt.Sprint("k", i%2), 10)
		}
		b.put(0, "k0", times(20, 500<<10)...) // more than is passed in one go
		b.put(0, "", 1)
		b.put(0, "k1", 1)
		s := b.open(func(c *Config) { c.Keyed, c.Key = true, []byte("k1") })
		defer s.Close()
		b.want(s, "records 0: 1-5", "records 0: 27-27", "beat")
		all := b.open(func(c *Config) { c.Keyed, c.Key = true, nil }) // the empty key, which is one
		defer all.Close()
		b.want(all, "records 0: 26-26", "beat")
	})
}

func TestGaps(t *testing.T) {
	inBubble(t, 1, func(b *brook) {
		for range 8 {
			b.put(0, "k", 300<<10) // each is counted on its own
		}
		s := b.open(func(c *Config) { c.MaxBehind = 1 << 20 })
		defer s.Close()
		b.parts[0].Retain(b.c, 3)
		b.want(s, "gap 0: 0-3", "records 0: 3-3", "records 0: 4-4", "records 0: 5-5", "records 0: 6-6", "records 0: 7-7", "beat")
		for range 6 { // it had caught up: now it is moved on
			b.put(0, "k", 300<<10)
		}
		b.want(s, "gap 0: 8-14", "beat")
		b.put(0, "k", 1)
		b.want(s, "records 0: 14-14", "beat")
	})
}

func TestTopicsGrowAndEnd(t *testing.T) {
	inBubble(t, 1, func(b *brook) {
		s := b.open(nil, 0)
		defer s.Close()
		b.want(s, "beat")
		b.grow()
		b.put(1, "k", 1, 1)
		b.want(s, "records 1: 0-1", "beat")
		got := make(chan string)
		go func() { got <- b.next(s) }()
		synctest.Wait()
		b.deleted = true
		b.hub.Changed("t")
		if e := <-got; e != "deleted" {
			t.Errorf("%s, want deleted", e)
		}
		b.want(s, "deleted")
		gone := b.open(nil)
		defer gone.Close()
		b.want(gone, "deleted")
	})
}

// Whoever waits hears of the end of the server and of its own call at once.
func TestWaitingEnds(t *testing.T) {
	inBubble(t, 1, func(b *brook) {
		s := b.open(nil)
		defer s.Close()
		ctx, cancel := context.WithCancel(b.t.Context())
		done := make(chan error)
		go func() {
			_, err := s.Next(ctx, time.Hour)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		got := make(chan string)
		go func() {
			e, _ := s.Next(b.t.Context(), time.Hour)
			got <- fmt.Sprint(e.Kind == Stopping)
		}()
		synctest.Wait()
		close(b.stop)
		if e := <-got; e != "true" {
			t.Error("the stream did not hear that the server stops")
		}
	})
}

// A start past the end waits for that offset: nothing before it comes.
func TestStartPastTheEnd(t *testing.T) {
	inBubble(t, 1, func(b *brook) {
		b.put(0, "k", 1)
		s := b.open(nil, 3)
		defer s.Close()
		b.want(s, "beat")
		b.put(0, "k", 1, 1, 1, 1)
		b.want(s, "records 0: 3-4", "beat")
	})
}
