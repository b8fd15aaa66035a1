package storetest

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/store"
)

// script is a life of two logs, step by step: no step relies on what only the process knows, so a restart may come before any of them.
var script = []func(k *kit){
	func(k *kit) { k.edit(k.grow(1, 3)) },
	func(k *kit) { k.edit(k.grow(1, 1), enter(2, delta("g", 1, "one"))) },
	func(k *kit) { k.put("def", "one") },
	func(k *kit) {
		k.edit(enter(2, delta("g", 2, "two"), delta("h", 1, "one")), annotate(1, note("g", 2, "two")))
	},
	func(k *kit) {
		k.commit(store.Unit{k.grow(1, 5)}, store.Unit{enter(2, delta("g", 3, "three"))}, store.Unit{k.grow(2, 2)})
	},
	func(k *kit) { k.edit(enter(2, piece("g", 2, 0, "never completed"), piece("g", 2, 1, "never"))) },
	func(k *kit) {
		k.edit(store.Edit{Log: 1, Start: 2, Notes: []store.Note{note("g", 3, "three"), note("g", 2, "")}})
	},
	func(k *kit) {
		k.edit(enter(2, piece("g", 3, 0, "a"), delta("g", 4, "four"), piece("g", 3, 1, "b"), checkpoint("g", 3, 2)))
	},
	func(k *kit) { k.edit(rewrite(1, batchOf(3, 8, k.clock-1, []byte("two batches in one")))) },
	func(k *kit) { k.put("def", "two") },
	func(k *kit) { k.edit(enter(2, delta("g", 5, "five"), forget("h"), delta("h", 1, "new life"))) },
	func(k *kit) { k.edit(k.grow(1, 4), k.grow(2, 4)) },
	func(k *kit) { k.edit(rewrite(1, hole(3, 8, k.clock-3))) },
	func(k *kit) {
		k.edit(store.Edit{Log: 2, Start: 6, Entries: []store.Entry{piece("g", 5, 0, "c"), checkpoint("g", 5, 1)}})
	},
	func(k *kit) { k.must(k.remove("def")) },
	func(k *kit) { k.edit(trim(1, 10), enter(2, delta("g", 6, "six"), forget("h"))) },
	func(k *kit) { k.edit(drop(1)); k.open(1) },
	func(k *kit) {
		e := k.grow(1, 2)
		e.Entries, e.Notes = []store.Entry{delta("g", 1, "of the new log")}, []store.Note{note("g", 2, "new")}
		k.edit(e)
	},
	func(k *kit) {
		k.edit(store.Edit{Log: 1, Append: []store.Batch{batchOfSize(2, 9, 1000, 100_000)}, Start: 5})
	},
	func(k *kit) { k.put("def", "three") },
}

// testEveryPrefix stops the script after every number of steps, restarts, looks, and goes on to its end.
func testEveryPrefix(t *testing.T, open Open) {
	for _, crash := range []bool{false, true} {
		for n := 0; n <= len(script); n++ {
			if testing.Short() && n%4 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("crash=%v/%d", crash, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newKit(t, open)
					k.open(1, 2)
					for _, step := range script[:n] {
						step(k)
					}
					k.restart(crash)
					k.must(k.same(true))
					for _, step := range script[n:] {
						step(k)
						k.checkLogs()
					}
					k.restart(crash)
					k.must(k.same(true))
				})
			})
		}
	}
}
