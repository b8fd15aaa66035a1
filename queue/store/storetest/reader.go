package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// readers run beside a test's commits until they are stopped. They pause now and then: time in a bubble stands while
// anything runs, and an engine may be waiting for it.
type readers struct {
	k    *kit
	stop atomic.Bool
	wg   sync.WaitGroup
}

// read starts n readers, each of which calls fn over and over until stop.
func (k *kit) read(n int, fn func(ctx context.Context, chance *rand.Rand) error) *readers {
	r := &readers{k: k}
	for i := range n {
		r.wg.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(i), 1))
			for calls := 0; !r.stop.Load(); calls++ {
				if err := fn(k.Context(), chance); err != nil {
					k.Errorf("reader %d, call %d: %v", i, calls, err)
					return
				}
				if calls%8 == 7 {
					time.Sleep(time.Duration(1+chance.IntN(1000)) * time.Microsecond)
				}
			}
		})
	}
	return r
}

// done stops the readers, waits for them, and ends the test if one of them failed.
func (r *readers) done() {
	r.k.Helper()
	r.stop.Store(true)
	r.wg.Wait()
	if r.k.Failed() {
		r.k.FailNow()
	}
}

// testReaders reads at random beside appends, trims, rewrites and garbage collection: right data or ErrTrimmed, nothing else.
func testReaders(k *kit) {
	const log = 1
	k.open(log)
	k.edit(k.grow(log, 1))
	l := k.logs[log]
	r := k.read(4, func(ctx context.Context, chance *rand.Rand) error { return readSomewhere(ctx, l, chance) })
	chance := rand.New(rand.NewPCG(7, 7))
	for i := range 400 {
		k.edit(k.disturb(log, chance))
		if i%16 == 15 {
			time.Sleep(time.Millisecond)
		}
		if c, ok := k.h.(Collector); ok && i%50 == 49 {
			c.Collect(k.T)
		}
	}
	r.done()
	k.check()
}

// disturb makes a random edit: mostly an append, small or of some KiB; else a trim or a rewrite.
func (k *kit) disturb(id store.LogID, chance *rand.Rand) store.Edit {
	l := k.m.logs[id]
	switch n := chance.IntN(10); {
	case n == 0 && len(l.batches) > 20:
		return trim(id, l.start+store.Offset(chance.Int64N(int64(l.end-l.start)+1))/2)
	case n <= 3 && len(l.batches) > 0:
		from := chance.IntN(len(l.batches))
		to := min(from+chance.IntN(5), len(l.batches)-1)
		first, last := l.batches[from], l.batches[to]
		at := last.MaxTime.Sub(epoch).Milliseconds()
		if n == 3 {
			return rewrite(id, hole(first.Base, last.Last, at))
		}
		return rewrite(id, batchOf(first.Base, last.Last, at, fill(chance.IntN(5000), uint64(first.Base))))
	default:
		k.clock++
		last := l.end + store.Offset(chance.IntN(10))
		return extend(id, batchOf(l.end, last, k.clock, fill(chance.IntN(5000), uint64(l.end))))
	}
}

// readSomewhere reads at an offset of the log, or between its start and a little past where its end was.
func readSomewhere(ctx context.Context, l store.Log, chance *rand.Rand) error {
	start, end, _ := l.Bounds()
	if start > end {
		return fmt.Errorf("bounds %d–%d", start, end)
	}
	from := start + store.Offset(chance.Int64N(int64(end-start)+1))
	bs, err := l.Read(ctx, from, chance.IntN(20_000))
	if errors.Is(err, store.ErrTrimmed) {
		if now, _, _ := l.Bounds(); from >= now {
			return fmt.Errorf("read %d: %w, but the log starts at %d", from, err, now)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %d of %d–%d: %w", from, start, end, err)
	}
	if len(bs) == 0 && from < end {
		return fmt.Errorf("read %d of %d–%d: nothing", from, start, end)
	}
	return rightBatches(bs, from)
}

// rightBatches checks batches that disturb made: a chain that covers from, each with the bytes that belong to its offsets, or a hole.
func rightBatches(bs []store.Batch, from store.Offset) error {
	for i, b := range bs {
		if from < b.Base || from > b.Last || i > 0 && from != b.Base {
			return fmt.Errorf("batch %d–%d where %d is due", b.Base, b.Last, from)
		}
		from = b.Last + 1
		if len(b.Bytes) == 0 {
			continue
		}
		info, err := record.Check(b.Bytes)
		if err != nil {
			return err
		}
		if info.Base != b.Base || info.Last != b.Last || !info.MaxTime.Equal(b.MaxTime) {
			return fmt.Errorf("batch %d–%d of %v holds %d–%d of %v", b.Base, b.Last, b.MaxTime, info.Base, info.Last, info.MaxTime)
		}
	}
	return nil
}

// testSeenTogether looks at the logs of units while they are committed: what is seen on the first is there on the others,
// appended and annotated alike.
func testSeenTogether(k *kit) {
	ids := []store.LogID{3, 1, 2}
	k.open(ids...)
	logs := []store.Log{k.logs[3], k.logs[1], k.logs[2]}
	r := k.read(3, func(ctx context.Context, chance *rand.Rand) error {
		i := chance.IntN(3)
		_, seen, _ := logs[i].Bounds()
		for _, l := range logs {
			if _, end, _ := l.Bounds(); end < seen {
				return fmt.Errorf("log %d ends at %d, another at %d", ids[i], seen, end)
			}
			if seen == 0 {
				continue
			}
			if b, err := l.Note(ctx, "n", seen-1); err != nil || b == nil {
				return fmt.Errorf("note at %d: %q, error %w", seen-1, b, err)
			}
			if bs, err := l.Read(ctx, seen-1, 0); err != nil || len(bs) != 1 {
				return fmt.Errorf("read %d: %d batches, error %w", seen-1, len(bs), err)
			}
		}
		return nil
	})
	for i := range store.Offset(200) {
		var u store.Unit
		for _, id := range ids {
			e := k.grow(id, 1)
			e.Notes = []store.Note{note("n", i, "noted")}
			u = append(u, e)
		}
		k.commit(u)
		time.Sleep(time.Millisecond)
	}
	r.done()
	k.check()
}

// testDropBesideReaders drops a log that is being read: its old handle gives right data or says that it is gone, never damage.
func testDropBesideReaders(k *kit) {
	for id := store.LogID(1); id <= 20; id++ {
		k.open(id)
		l := k.logs[id]
		for range 10 {
			k.edit(k.grow(id, 3))
		}
		r := k.read(2, func(ctx context.Context, chance *rand.Rand) error {
			from := store.Offset(chance.IntN(30))
			bs, err := l.Read(ctx, from, chance.IntN(2000))
			if errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read %d: %w", from, err)
			}
			return rightBatches(bs, from)
		})
		time.Sleep(3 * time.Millisecond)
		k.edit(drop(id))
		time.Sleep(3 * time.Millisecond)
		r.done()
	}
	k.check()
}

// testInFlight holds a commit in the middle: readers neither wait for it nor see it, and its context counts no more.
func testInFlight(k *kit) {
	holder, ok := k.h.(Holder)
	if !ok {
		k.Skip("the harness holds no commit: commits in flight are not tested")
	}
	k.open(1, 2)
	k.edit(k.grow(1, 3), enter(2, delta("g", 1, "one")))
	release := sync.OnceFunc(holder.HoldCommit(k.T))
	defer release()
	next := k.grow(1, 2)
	next.Start = 1
	next.Rewrite = &store.Batch{}
	*next.Rewrite = hole(0, 2, 1)
	next.Notes = []store.Note{note("n", 3, "noted")}
	ctx, cancel := context.WithCancel(k.Context())
	done := make(chan error, 1)
	go func() {
		n, err := k.s.Commit(ctx, []store.Unit{{next}})
		done <- errors.Join(err, wrong(n != 1, "n = %d", n))
	}()
	synctest.Wait()
	select {
	case err := <-done:
		k.Fatalf("the commit was not held: %v", err)
	default:
	}
	k.checkLogs()
	if b, err := k.logs[1].Note(k.Context(), "n", 3); b != nil || err != nil {
		k.Fatalf("note in flight: %q, error %v", b, err)
	}
	cancel()
	synctest.Wait()
	release()
	k.must(<-done)
	k.must(k.m.apply(store.Unit{next}))
	k.checkLogs()
	k.check()
}

// wrong is an error if cond holds.
func wrong(cond bool, format string, args ...any) error {
	if !cond {
		return nil
	}
	return fmt.Errorf(format, args...)
}
