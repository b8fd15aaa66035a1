package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// testDrop drops logs: nothing of them comes back with their number, and their neighbours keep everything.
func testDrop(k *kit) {
	ids := []store.LogID{1, 2, 3, 256, 257}
	k.open(ids...)
	for seq := uint64(1); seq <= 5; seq++ {
		for _, id := range ids {
			e := k.grow(id, 3)
			e.Entries = []store.Entry{delta("g", seq, "step"), delta("h", seq, "step")}
			e.Notes = []store.Note{note("g", e.Append[0].Base, "noted"), note("only notes", 1, "noted")}
			k.edit(e)
		}
	}
	k.edit(enter(2, piece("g", 4, 0, "state"), checkpoint("g", 4, 1), piece("g", 5, 0, "begun")), enter(1, piece("g", 4, 0, "begun")))
	k.check()

	k.edit(drop(2), k.grow(1, 1), enter(3, delta("g", 6, "beside a drop")))
	k.refuse(extend(2, batchOf(15, 15, 1000, nil)))
	k.refuse(enter(2, delta("g", 6, "to a dropped log")))
	k.check()
	k.empty(2)
	k.check()
	k.refuse(enter(2, delta("g", 6, "as if nothing had been")))
	k.refuse(enter(2, piece("g", 5, 1, "of a dropped checkpoint")))
	k.edit(extend(2, batchOf(0, 1, 0, nil)), enter(257, delta("g", 6, "beside a new life")))
	k.check()

	k.refused(1, store.Unit{drop(3)}, store.Unit{enter(3, delta("g", 1, "to a log that the unit before it dropped"))})
	k.check()
	k.commit(store.Unit{drop(256)}, store.Unit{k.grow(1, 1)}, store.Unit{drop(1)})
	k.restart(true)
	k.empty(1)
	k.empty(256)
	k.check()
}

// empty opens a log that should be there no more and finds nothing in it.
func (k *kit) empty(id store.LogID) {
	k.Helper()
	k.open(id)
	l := k.logs[id]
	if start, end, _ := l.Bounds(); start != 0 || end != 0 {
		k.Fatalf("bounds of log %d: %d–%d, want none", id, start, end)
	}
	k.must(l.Replay(k.Context(), func(e store.Entry) error { return fmt.Errorf("log %d replays %q %d", id, e.Journal, e.Seq) }))
	for _, p := range []place{{"g", 0}, {"g", 3}, {"only notes", 1}} {
		if b, err := l.Note(k.Context(), p.Journal, p.At); b != nil || err != nil {
			k.Fatalf("note %v of log %d: %q, error %v", p, id, b, err)
		}
	}
	k.checkLogs()
}

// testManyLogs opens a thousand logs and writes to all of them, many in a unit.
func testManyLogs(k *kit) {
	const n = 1000
	for id := store.LogID(1); id <= n; id++ {
		k.open(id)
	}
	for round := range uint64(2) {
		for id := store.LogID(1); id <= n; {
			var u store.Unit
			for ; id <= n && len(u) < 100; id++ {
				e := k.grow(id, 1)
				e.Entries = []store.Entry{delta("g", round+1, fmt.Sprint("log ", id))}
				u = append(u, e)
			}
			k.commit(u)
		}
	}
	for id := store.LogID(3); id <= n; id += 3 {
		k.edit(drop(id))
	}
	k.check()
}

// testConcurrent commits to disjoint logs at once, some units of several of one's own logs, and reads them meanwhile.
func testConcurrent(k *kit) {
	const writers, rounds = 6, 40
	owned := func(w int) []store.LogID {
		return []store.LogID{store.LogID(3*w + 1), store.LogID(3*w + 2), store.LogID(3*w + 3)}
	}
	models := make([]*model, writers)
	for w := range writers {
		k.open(owned(w)...)
		models[w] = newModel()
		for _, id := range owned(w) {
			models[w].openLog(id)
		}
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				units := concurrentUnits(owned(w), round)
				if n, err := k.s.Commit(k.Context(), units); n != len(units) || err != nil {
					k.Errorf("writer %d, round %d: n = %d, error %v", w, round, n, err)
					return
				}
				for _, u := range units {
					if err := models[w].apply(u); err != nil {
						k.Errorf("writer %d, round %d: %v", w, round, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		for _, id := range owned(w) {
			k.m.logs[id] = models[w].logs[id]
		}
	}
	k.checkLogs()
	k.check()
}

func concurrentUnits(ids []store.LogID, round int) []store.Unit {
	base, at := store.Offset(2*round), int64(round)
	value := fill(10+100*(round%7), uint64(ids[0])+uint64(round))
	return []store.Unit{
		{extend(ids[0], batchOf(base, base+1, at, value)), enter(ids[1], delta("g", uint64(2*round+1), "one"))},
		{enter(ids[1], delta("g", uint64(2*round+2), "two")), extend(ids[2], batchOf(base, base, at, value), batchOf(base+1, base+1, at, value))},
	}
}

// testAliases changes what it gave to a call and what a call gave to it: the store keeps its own.
func testAliases(k *kit) {
	k.open(1)
	text := func(s string) []byte { return []byte(s) }
	keep := batchOf(0, 4, 1, []byte("kept"))
	edit := func() store.Unit {
		b := keep
		b.Bytes = append([]byte(nil), keep.Bytes...)
		return store.Unit{{
			Log: 1, Append: []store.Batch{b},
			Entries: []store.Entry{delta("g", 1, "delta"), piece("g", 1, 0, "piece"), checkpoint("g", 1, 1), delta("g", 2, "delta")},
			Notes:   []store.Note{note("g", 0, "note")},
		}}
	}
	given := edit()
	if n, err := k.s.Commit(k.Context(), []store.Unit{given}); n != 1 || err != nil {
		k.Fatalf("commit: n = %d, error %v", n, err)
	}
	k.must(k.m.apply(edit()))
	e := &given[0]
	clear(e.Append[0].Bytes)
	for i := range e.Entries {
		clear(e.Entries[i].Bytes)
	}
	clear(e.Notes[0].Bytes)
	e.Append[0].Base, e.Entries[0].Seq, e.Notes[0].At, e.Log = 77, 77, 77, 77
	k.checkLogs()

	r := batchOf(0, 4, 1, []byte("rewritten"))
	given = store.Unit{rewrite(1, r)}
	if n, err := k.s.Commit(k.Context(), []store.Unit{given}); n != 1 || err != nil {
		k.Fatalf("commit: n = %d, error %v", n, err)
	}
	k.must(k.m.apply(store.Unit{rewrite(1, batchOf(0, 4, 1, []byte("rewritten")))}))
	clear(r.Bytes)
	given[0].Rewrite.Base = 3

	value := text("value")
	rev, err := k.s.Meta().Put(k.Context(), "def", value, 0)
	k.must(err)
	k.m.defs["def"], k.revs["def"] = text("value"), rev
	clear(value)
	k.must(k.reopenLogs())
	for range 2 {
		k.spoilAnswers()
		k.must(k.same(true))
	}
	k.check()
}

// spoilAnswers overwrites all bytes that the store gives out.
func (k *kit) spoilAnswers() {
	k.Helper()
	ctx, l := k.Context(), k.logs[1]
	bs, err := l.Read(ctx, 0, 1<<20)
	k.must(err)
	for _, b := range bs {
		clear(b.Bytes)
	}
	k.must(l.Replay(ctx, func(e store.Entry) error {
		clear(e.Bytes)
		return nil
	}))
	b, err := l.Note(ctx, "g", 0)
	k.must(err)
	clear(b)
	value, _, err := k.s.Meta().Get(ctx, "def")
	k.must(err)
	clear(value)
	ds, err := k.s.Meta().List(ctx, "")
	k.must(err)
	for _, d := range ds {
		clear(d.Value)
	}
}

// testNotOpen refuses edits of logs that nobody opened, in this process.
func testNotOpen(k *kit) {
	k.open(1)
	k.edit(k.grow(1, 1))
	k.refuse(extend(2, batchOf(0, 0, 0, nil)))
	k.refuse(k.grow(1, 1), enter(2, delta("g", 1, "")))
	k.refused(1, store.Unit{enter(1, delta("g", 1, "one"))}, store.Unit{drop(2)})
	k.s = k.h.Reopen(k.T)
	k.m.restart()
	k.refuse(extend(1, batchOf(1, 1, 100, nil)))
	k.must(k.reopenLogs())
	k.edit(k.grow(1, 1))
	k.check()
}

// testContexts cancels contexts before calls: they do nothing.
func testContexts(k *kit) {
	k.open(1)
	k.edit(k.grow(1, 1))
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	if n, err := k.s.Commit(ctx, []store.Unit{{k.grow(1, 1)}}); n != 0 || !errors.Is(err, context.Canceled) {
		k.Fatalf("commit under a cancelled context: n = %d, error %v", n, err)
	}
	if _, err := k.s.Open(ctx, 2); !errors.Is(err, context.Canceled) {
		k.Fatalf("open under a cancelled context: error %v", err)
	}
	if _, err := k.s.Meta().Put(ctx, "name", nil, 0); !errors.Is(err, context.Canceled) {
		k.Fatalf("put under a cancelled context: error %v", err)
	}
	if err := k.s.Meta().Delete(ctx, "name", 1); !errors.Is(err, context.Canceled) {
		k.Fatalf("delete under a cancelled context: error %v", err)
	}
	k.edit(k.grow(1, 1))
	k.check()
}

// testHealth counts openings and finds a store alive.
func testHealth(k *kit) {
	opens := map[uint64]bool{}
	for i := range 6 {
		h := k.s.Health()
		if opens[h.Opens] || h.Opens == 0 {
			k.Fatalf("opens = %d comes twice or is none", h.Opens)
		}
		opens[h.Opens] = true
		if h.Engine == "" || h.Cause != nil || h.Dead == nil {
			k.Fatalf("health of a store that is well: %+v", h)
		}
		select {
		case <-h.Dead:
			k.Fatal("dead")
		default:
		}
		k.restart(i%2 == 0) // which finds the number risen
	}
}

// testClosed calls everything after Close.
func testClosed(k *kit) {
	k.open(1)
	k.edit(k.grow(1, 3), k.openedAppend(2))
	k.put("def", "value")
	k.must(k.s.Close())
	ctx, l, m := k.Context(), k.logs[1], k.s.Meta()
	n, err := k.s.Commit(ctx, []store.Unit{{k.grow(1, 1)}})
	if n != 0 {
		k.Errorf("commit: n = %d", n)
	}
	errs := map[string]error{"Commit": err}
	_, errs["Open"] = k.s.Open(ctx, 1)
	_, errs["Open, new"] = k.s.Open(ctx, 3)
	_, errs["Read"] = l.Read(ctx, 0, 100)
	_, errs["OffsetForTime"] = l.OffsetForTime(ctx, epoch)
	_, errs["Note"] = l.Note(ctx, "g", 0)
	errs["Replay"] = l.Replay(ctx, func(store.Entry) error { return nil })
	_, _, errs["Get"] = m.Get(ctx, "def")
	_, errs["List"] = m.List(ctx, "")
	_, errs["Put"] = m.Put(ctx, "def", nil, k.revs["def"])
	errs["Delete"] = m.Delete(ctx, "def", k.revs["def"])
	errs["Close"] = k.s.Close()
	for call, err := range errs {
		if !errors.Is(err, store.ErrClosed) {
			k.Errorf("%s after Close: error %v, want ErrClosed", call, err)
		}
	}
	k.s.Health()
	k.restart(false)
	k.check()
}

// testCloseBesideCalls closes a store under load: what it acknowledged is there, what it refused with ErrClosed is not.
func testCloseBesideCalls(k *kit) {
	const writers = 4
	acked := make([]uint64, writers+1)
	for id := store.LogID(1); id <= writers; id++ {
		k.open(id)
	}
	var wg sync.WaitGroup
	for id := store.LogID(1); id <= writers; id++ {
		l := k.logs[id]
		wg.Go(func() {
			for seq := uint64(1); ; seq++ {
				n, err := k.s.Commit(k.Context(), []store.Unit{{enter(id, delta("g", seq, fmt.Sprint("delta ", seq)))}})
				if err == nil && n == 1 {
					acked[id] = seq
				} else if !errors.Is(err, store.ErrClosed) || n != 0 {
					k.Errorf("log %d, delta %d: n = %d, error %v", id, seq, n, err)
					return
				} else {
					return
				}
				if _, err := l.Read(k.Context(), 0, 100); err != nil && !errors.Is(err, store.ErrClosed) {
					k.Errorf("log %d: read beside close: %v", id, err)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	if err := k.s.Close(); err != nil {
		k.Errorf("close: %v", err)
	}
	wg.Wait()
	for id := store.LogID(1); id <= writers; id++ {
		for seq := uint64(1); seq <= acked[id]; seq++ {
			k.must(k.m.apply(store.Unit{enter(id, delta("g", seq, fmt.Sprint("delta ", seq)))}))
		}
	}
	k.restart(false)
	k.check()
}
