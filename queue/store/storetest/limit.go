package storetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holtmq/holt/queue/store"
)

// testEditLimits makes units of the most edits, and of one more; of a log twice; and of a drop beside something else.
func testEditLimits(k *kit) {
	var full store.Unit
	for id := store.LogID(1); id <= store.MaxUnitEdits+1; id++ {
		k.open(id)
		e := k.grow(id, 1)
		e.Entries = []store.Entry{delta("g", 1, "one")}
		full = append(full, e)
	}
	k.commit(full[1:])
	k.overLimit(append(full[:1:1], full[1:]...))
	k.overLimit(store.Unit{k.grow(2, 1), k.grow(3, 1), annotate(2, note("n", 0, "x"))})
	k.overLimit(store.Unit{drop(2), drop(2)})
	for _, e := range []store.Edit{k.grow(2, 1), trim(2, 1), rewrite(2, hole(0, 0, 0)), enter(2, delta("g", 2, "")), annotate(2, note("n", 0, "x"))} {
		e.Drop = true
		k.overLimit(store.Unit{e})
	}
	k.check()
}

// testUnitBytes makes units of the most bytes, of batches and of everything together, and of one byte more.
func testUnitBytes(k *kit) {
	k.open(1, 2)
	k.edit(extend(1, batchOfSize(0, 999, 1, store.MaxUnitBytes)))
	k.tooMuch(store.Unit{extend(1, batchOfSize(1000, 1999, 1, store.MaxUnitBytes+1))})

	const batches = store.MaxUnitBytes - 3*store.MaxEntryBytes - 3*store.MaxNoteBytes
	mixed := func(more int) store.Unit {
		end := k.m.logs[2].end
		e := extend(2, batchOfSize(end, end, 5, batches/2), batchOfSize(end+1, end+1, 5, batches/2+more))
		for i := range uint64(3) {
			e.Entries = append(e.Entries, store.Entry{Journal: "g", Kind: store.Delta, Seq: i + 1, Bytes: fill(store.MaxEntryBytes, i)})
			e.Notes = append(e.Notes, store.Note{Journal: "g", At: store.Offset(i), Bytes: fill(store.MaxNoteBytes, i)})
		}
		return store.Unit{annotate(1, note("n", 0, "")), e}
	}
	k.tooMuch(mixed(1))
	k.commit(mixed(0))
	k.checkLogs()
	r := rewrite(1, batchOfSize(0, 999, 1, store.MaxUnitBytes+1))
	k.tooMuch(store.Unit{r})
	half := batchOfSize(2, 2, 6, store.MaxUnitBytes/2)
	k.tooMuch(store.Unit{rewrite(1, batchOfSize(0, 999, 1, store.MaxUnitBytes/2+1)), extend(2, half)})
	k.commit(store.Unit{rewrite(1, batchOfSize(0, 999, 1, store.MaxUnitBytes/2)), extend(2, half)})
	k.check()
}

// testEntryLimits makes entries, notes and journal names as large as they may be, and a byte larger; and entries with parts that their kind has not.
func testEntryLimits(k *kit) {
	k.open(1)
	k.edit(k.grow(1, 1))
	long := store.Journal(strings.Repeat("j", store.MaxJournalName))
	big := string(fill(store.MaxEntryBytes, 1))
	bigNote := string(fill(store.MaxNoteBytes, 2))
	k.edit(store.Edit{
		Log:     1,
		Entries: []store.Entry{delta(long, 1, big), piece(long, 1, 0, big), piece(long, 1, 1, big), checkpoint(long, 1, 2), delta(long, 2, big)},
		Notes:   []store.Note{note(long, 0, bigNote)},
	})
	for _, e := range []store.Entry{
		delta("g", 1, big+"x"), piece(long, 2, 0, big+"x"),
		delta("", 1, "x"), delta(long+"j", 1, "x"), delta("a\x00b", 1, "x"), forget(""), forget("\x00"),
		delta("g", 0, "x"), piece(long, 0, 0, "x"), checkpoint(long, 0, 1), checkpoint(long, 2, 0),
		{Journal: "g", Kind: store.Delta, Seq: 1, Part: 1},
		{Journal: long, Kind: store.Checkpoint, Seq: 2, Part: 1, Bytes: []byte("x")},
		{Journal: long, Kind: store.Forget, Bytes: []byte("x")},
		{Journal: long, Kind: store.Forget, Seq: 2}, {Journal: long, Kind: store.Forget, Part: 1},
		{Journal: "g", Kind: 0, Seq: 1}, {Journal: "g", Kind: store.Forget + 1, Seq: 1},
	} {
		k.overLimit(store.Unit{enter(1, e)})
	}
	for _, n := range []store.Note{
		note("g", 0, bigNote+"x"), note("", 0, "x"), note(long+"j", 0, "x"), note("\x00", 0, "x"), note("g", -1, "x"), note("g", -1, ""),
	} {
		k.overLimit(store.Unit{annotate(1, n)})
	}
	k.check()
}

// testMetaLimits makes definitions as large as they may be, and a byte larger.
func testMetaLimits(k *kit) {
	name := strings.Repeat("n", store.MaxMetaName)
	value := string(fill(store.MaxMetaBytes, 3))
	k.put(name, value)
	for _, c := range []struct{ name, value string }{{name + "n", "x"}, {"m", value + "x"}, {"", "x"}, {"a\x00b", "x"}} {
		if _, err := k.s.Meta().Put(k.Context(), c.name, []byte(c.value), 0); !errors.Is(err, store.ErrInvalid) {
			k.Fatalf("put of %d bytes under a name of %d: error %v", len(c.value), len(c.name), err)
		}
	}
	if _, err := k.s.Meta().Put(k.Context(), name, []byte(value+"x"), k.revs[name]); !errors.Is(err, store.ErrInvalid) {
		k.Fatalf("put of %d bytes: error %v", len(value)+1, err)
	}
	k.everywhere(func() { k.must(k.same(true)) })
	k.must(k.remove(name))
	k.everywhere(func() { k.must(k.same(true)) })
}

// testManyEntries makes a unit of many small parts: MaxUnitBytes is the only limit on their number.
func testManyEntries(k *kit) {
	k.open(1, 2)
	for round := range uint64(2) {
		u := store.Unit{k.grow(1, 1), k.grow(2, 1)}
		for i := range uint64(10_000) {
			j := names[i%4]
			u[i%2].Entries = append(u[i%2].Entries, delta(j, round*2500+i/4+1, fmt.Sprintf("entry %0100d", i)))
			if i%4 == 0 {
				u[i%2].Notes = append(u[i%2].Notes, note(j, store.Offset(i), fmt.Sprintf("note %0100d", i)))
			}
		}
		k.commit(u)
		k.check()
	}
	k.edit(enter(1, piece(names[0], 5000, 0, "all of them"), checkpoint(names[0], 5000, 1), forget(names[2])))
	k.check()
}

// testLargeBatches stores batches of 1 MiB beside small ones.
func testLargeBatches(k *kit) {
	k.open(1)
	for i := range store.Offset(6) {
		k.edit(extend(1, batchOfSize(1001*i, 1001*i+999, int64(i), 1<<20), batchOf(1001*i+1000, 1001*i+1000, int64(i), nil)))
	}
	k.checkLogs()
	k.edit(trim(1, 1500))
	k.edit(rewrite(1, batchOfSize(2002, 4003, 3, 1<<20)))
	if c, ok := k.h.(Collector); ok {
		c.Collect(k.T)
	}
	k.check()
}
