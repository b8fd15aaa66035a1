package storetest

import (
	"time"

	"github.com/holtmq/holt/queue/store"
)

// testTrim moves the start: to edges of batches and inside them, to the end, back (which does nothing) and past the end (refused).
func testTrim(k *kit) {
	k.open(1, 2)
	k.refuse(trim(1, 1))
	k.edit(trim(1, 0), k.grow(2, 1))
	for range 8 {
		k.edit(k.grow(1, 5))
	}
	for _, start := range []store.Offset{1, 4, 5, 4, 0, 7, 20, 19, 21} {
		k.edit(trim(1, start))
		k.checkLogs()
	}
	k.check()
	k.refuse(trim(1, 41))
	k.refuse(trim(1, 1<<62))
	k.overLimit(store.Unit{trim(1, -1)})

	e := k.grow(1, 5) // one record more than is left after it
	e.Start = 46
	k.refuse(k.grow(2, 1), e)
	e.Start = 43
	k.edit(e)
	k.checkLogs()
	k.edit(trim(1, 45))
	k.checkLogs()
	k.check()
	if start, end, _ := k.logs[1].Bounds(); start != 45 || end != 45 {
		k.Fatalf("bounds of an emptied log: %d–%d, want 45–45", start, end)
	}
	k.refuse(extend(1, batchOf(0, 0, 1000, nil)))
	k.edit(k.grow(1, 3))
	k.check()
	e = k.grow(1, 3)
	e.Start = 51
	k.edit(e)
	k.check()
	k.edit(k.grow(1, 3))
	k.check()
}

// testRewrite replaces batches by fewer, by themselves without records, and by nothing.
func testRewrite(k *kit) {
	k.open(1, 2)
	for range 12 {
		k.edit(k.grow(1, 5)) // batches at 0, 5, …, 55, at 1, 2, …, 12 ms
	}
	k.clock = 100
	steps := []store.Batch{
		batchOf(5, 9, 2, []byte("one by one")),
		batchOf(10, 24, 5, []byte("one for three")),
		batchOf(25, 29, 4+1, []byte("older time")),
		hole(30, 34, 7),
		hole(35, 44, 8),
		hole(30, 44, 9), // a hole for two holes
		batchOf(25, 49, 10, []byte("all of these")), // records for records and a hole
		hole(0, 4, 1),    // the first
		hole(55, 59, 12), // the last
		batchOf(0, 59, 12, []byte("the whole log")),
	}
	for _, b := range steps {
		k.edit(rewrite(1, b))
		k.checkLogs()
		k.check()
	}
	k.edit(k.grow(1, 5))
	k.edit(k.grow(1, 5))

	e := k.grow(1, 5)
	e.Rewrite = &store.Batch{}
	*e.Rewrite = batchOf(60, 69, 102, []byte("beside an append and a trim"))
	e.Start = 63
	e.Entries = []store.Entry{delta("g", 1, "all parts")}
	k.edit(e, k.grow(2, 1))
	k.checkLogs()
	k.check()
	k.edit(rewrite(1, hole(60, 74, 103)))
	k.check()
	k.edit(k.grow(1, 1), rewrite(2, hole(0, 0, 104)))
	k.edit(trim(1, 75))
	k.check()

	k.commit(
		store.Unit{extend(1, batchOf(76, 79, 200, nil))},
		store.Unit{rewrite(1, hole(76, 79, 200))},
		store.Unit{extend(1, batchOf(80, 80, 201, nil))},
		store.Unit{rewrite(1, batchOf(75, 80, 201, []byte("of one call")))},
	)
	k.check()
}

// testRewriteRules refuses rewrites that do not cover whole batches, or put times out of order.
func testRewriteRules(k *kit) {
	k.open(1)
	k.refuse(rewrite(1, hole(0, 0, 0)))
	for range 6 {
		k.edit(k.grow(1, 5)) // batches at 0, 5, …, 25, at 1, 2, …, 6 ms
	}
	k.edit(trim(1, 7))
	for _, b := range []store.Batch{
		batchOf(6, 9, 2, nil), batchOf(5, 8, 2, nil), batchOf(5, 11, 2, nil), batchOf(12, 13, 3, nil),
		batchOf(7, 9, 2, nil),                        // from the start, which is no edge
		hole(0, 4, 1), hole(0, 9, 1), hole(0, 29, 6), // trimmed away
		hole(30, 34, 6), hole(25, 30, 6), hole(25, 34, 6), hole(1<<62, 1<<62, 6), // past the end
		batchOf(10, 14, 1, nil), batchOf(10, 14, 5, nil), hole(10, 14, 1), hole(10, 14, 5), hole(10, 19, 6), // times
		hole(25, 29, 7),
	} {
		k.refuse(rewrite(1, b))
	}
	e := k.grow(1, 5)
	e.Rewrite = &store.Batch{}
	*e.Rewrite = hole(30, 34, k.clock)
	k.refuse(e) // a batch of its own edit
	k.check()
	k.refuse(rewrite(1, hole(6, 9, 2)))
	k.edit(rewrite(1, hole(5, 9, 2)))
	k.check()
}

// testTimes looks up times among batches with equal times, gaps, holes and a start inside a batch.
func testTimes(k *kit) {
	k.open(1, 2)
	if at, err := k.logs[1].OffsetForTime(k.Context(), epoch); at != 0 || err != nil {
		k.Fatalf("time in an empty log: %d, error %v", at, err)
	}
	next := store.Offset(0)
	for _, at := range []int64{0, 0, 5, 5, 5, 6, 1000, 1000, 90_000, 90_001} {
		k.edit(extend(1, batchOf(next, next+3, at, nil)))
		next += 4
	}
	k.checkLogs()
	k.edit(rewrite(1, hole(8, 15, 5)))
	k.checkLogs()
	k.edit(trim(1, 2))
	k.checkLogs()
	k.edit(trim(1, 22))
	k.checkLogs()
	k.check()
	if at, err := k.logs[1].OffsetForTime(k.Context(), epoch); at != 22 || err != nil {
		k.Fatalf("time before the start: %d, error %v, want the start, 22", at, err)
	}
	k.edit(trim(1, next))
	k.check()
	old := batchOf(0, 0, -1_700_000_000_000-5, nil) // before 1970
	if !old.MaxTime.Before(time.UnixMilli(0)) {
		k.Fatal("the test is wrong")
	}
	k.edit(extend(2, old, batchOf(1, 1, 0, nil)))
	k.check()
}
