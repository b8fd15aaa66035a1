package storetest

import (
	"bytes"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// testOrder appends batches, one and several in an edit, one and several units in a call, and finds them in order.
func testOrder(k *kit) {
	k.open(1, 2)
	k.checkLogs()
	for i := range 12 {
		k.edit(k.grow(1, 1+i%3))
		k.checkLogs()
	}
	k.edit(extend(1, batchOf(24, 24, 100, nil), batchOf(25, 30, 100, nil), batchOf(31, 31, 101, []byte("x"))))
	k.checkLogs()
	k.check()
	k.commit()
	k.commit(
		store.Unit{extend(1, batchOf(32, 32, 101, nil)), extend(2, batchOf(0, 4, 9, nil))},
		store.Unit{},
		store.Unit{{Log: 2}},
		store.Unit{extend(2, batchOf(5, 5, 9, nil))},
		store.Unit{extend(1, batchOf(33, 40, 102, nil)), trim(2, 5)},
	)
	k.checkLogs()
	k.check()
}

// testAtomic makes units over several logs, with every part an edit has, and refuses whole units for the sake of one edit.
func testAtomic(k *kit) {
	ids := []store.LogID{1, 2, 3, 1 << 40, ^store.LogID(0)}
	k.open(ids...)
	for round := range uint64(6) {
		var u store.Unit
		for _, id := range ids {
			e := k.grow(id, 2)
			e.Entries = []store.Entry{delta("g/1", round+1, "step")}
			e.Notes = []store.Note{note("g/1", store.Offset(round), "noted")}
			e.Start = store.Offset(round)
			u = append(u, e)
		}
		k.commit(u)
		k.checkLogs()

		bad := append(store.Unit{}, u...) // every offset and sequence in it has been used
		for i, id := range ids[:4] {
			bad[i] = k.grow(id, 1)
			bad[i].Entries = []store.Entry{delta("g/1", round+2, "never")}
			bad[i].Notes = []store.Note{note("g/1", 3, "never")}
		}
		k.refused(0, bad)
	}
	k.check()
}

// testPrefix breaks a rule in the middle of a call: what is said to be done is, the rest is not, and nothing is dead.
func testPrefix(k *kit) {
	k.open(1, 2, 3)
	for bad := range 4 {
		end := k.m.logs[1].end
		var units []store.Unit
		for i := range store.Offset(4) {
			units = append(units, store.Unit{
				extend(1, batchOf(end+i, end+i, k.clock+int64(i), nil)),
				annotate(2, note("n", end+i, "noted")),
			})
		}
		units[bad] = append(units[bad], extend(3, batchOf(7, 7, 0, nil)))
		k.refused(bad, units...)
		k.clock += 10
		k.edit(k.grow(1, 1), k.grow(2, 3))
	}
	for bad := range store.Offset(4) { // now each could be applied without the others
		var units []store.Unit
		for i := range store.Offset(4) {
			units = append(units, store.Unit{annotate(1, note("n", 10*bad+i, "alone"))})
		}
		units[bad] = append(units[bad], enter(3, delta("g", 9, "gap")))
		k.refused(int(bad), units...)
	}
	k.check()
}

// testOffsetGaps refuses batches that do not continue the log.
func testOffsetGaps(k *kit) {
	k.open(1, 2)
	k.refuse(extend(1, batchOf(1, 1, 0, nil)))
	k.edit(extend(1, batchOf(0, 4, 10, nil)))
	for _, base := range []store.Offset{0, 4, 6, 1 << 40} {
		k.refuse(extend(1, batchOf(base, base+2, 10, nil)))
	}
	k.refuse(extend(1, batchOf(5, 5, 10, nil), batchOf(7, 7, 10, nil)))
	k.refuse(extend(1, batchOf(5, 5, 10, nil), batchOf(5, 5, 10, nil)))
	k.refuse(extend(1, batchOf(5, 5, 9, nil)))
	k.refuse(extend(1, batchOf(5, 5, 11, nil), batchOf(6, 6, 10, nil)))
	k.refused(1, store.Unit{extend(1, batchOf(5, 5, 12, nil))}, store.Unit{extend(2, batchOf(0, 0, 0, nil)), extend(1, batchOf(5, 5, 13, nil))})
	k.clock = 20
	k.check()
	k.refuse(extend(1, batchOf(8, 8, 30, nil)))
	k.refuse(extend(1, batchOf(k.m.logs[1].end, 9, 9, nil)))
	k.edit(k.grow(1, 1))
	k.check()
}

// testBadBatches refuses bytes that are not the batch they are said to be, before anything is applied.
func testBadBatches(k *kit) {
	k.open(1, 2)
	k.edit(k.grow(1, 3), k.grow(2, 3))
	for _, c := range badBatches {
		b := batchOf(3, 5, 50, []byte("value"))
		c.spoil(&b)
		k.Log("append, ", c.name)
		k.overLimit(store.Unit{extend(2, b)})

		b = batchOf(0, 2, 50, []byte("value"))
		c.spoil(&b)
		k.Log("rewrite, ", c.name)
		k.overLimit(store.Unit{rewrite(2, b)})
	}
	k.overLimit(store.Unit{extend(2, hole(3, 5, 50))})
	k.overLimit(store.Unit{rewrite(2, hole(-1, 5, 0))})
	k.overLimit(store.Unit{rewrite(2, hole(0, 1<<63-1, 0))})
	k.check()
}

var badBatches = []struct {
	name  string
	spoil func(b *store.Batch)
}{
	{"a bit flipped", func(b *store.Batch) { b.Bytes[len(b.Bytes)-3] ^= 1 }},
	{"checksum flipped", func(b *store.Batch) { b.Bytes[17] ^= 1 }},
	{"cut", func(b *store.Batch) { b.Bytes = b.Bytes[:len(b.Bytes)-1] }},
	{"a byte more", func(b *store.Batch) { b.Bytes = append(b.Bytes, 0) }},
	{"two batches", func(b *store.Batch) { b.Bytes = bytes.Repeat(b.Bytes, 2) }},
	{"not a batch", func(b *store.Batch) { b.Bytes = []byte("hello") }},
	{"other offsets", func(b *store.Batch) { b.Bytes = batchOf(b.Base+1, b.Last+1, 50, nil).Bytes }},
	{"fewer offsets", func(b *store.Batch) { b.Bytes = batchOf(b.Base, b.Last-1, 50, nil).Bytes }},
	{"negative", func(b *store.Batch) { b.Base = -1 }},
	{"backwards", func(b *store.Batch) { b.Last = b.Base - 1 }},
	{"odd time", func(b *store.Batch) { b.MaxTime = b.MaxTime.Add(time.Microsecond) }},
}
