package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holtmq/holt/queue/store"
)

// names are journals whose names are each other's beginnings, or hold every odd byte.
var names = []store.Journal{"g/1", "g/10", "g/1\x01", "g", "\xff", "\xff\xff", "\x01", store.Journal(strings.Repeat("n", store.MaxJournalName))}

// testJournalGaps refuses deltas whose sequence is not the next one.
func testJournalGaps(k *kit) {
	k.open(1, 2)
	k.refuse(enter(1, delta("g/1", 2, "early")))
	k.edit(enter(1, delta("g/1", 1, "one")))
	for _, seq := range []uint64{1, 3, 1 << 40, ^uint64(0)} {
		k.refuse(enter(1, delta("g/1", seq, "wrong")))
	}
	k.refuse(enter(1, delta("g/2", 2, "another journal begins at 1, too")))
	k.refuse(enter(2, delta("g/1", 2, "and the journal of another log")))
	k.refuse(enter(1, delta("g/1", 2, "two"), delta("g/1", 4, "four")))
	k.refuse(enter(1, delta("g/1", 2, "two"), delta("g/2", 1, "one"), delta("g/1", 2, "two")))
	k.refused(1, store.Unit{enter(2, delta("g/1", 1, "one"))}, store.Unit{enter(2, delta("g/1", 3, "three"))})
	k.refuse(k.grow(2, 2), enter(1, delta("g/1", 3, "whose unit appends elsewhere")))
	k.edit(enter(1, delta("g/1", 2, "two"), delta("g/2", 1, "one"), delta("g/1", 3, "three")))
	k.check()
	k.refuse(enter(1, delta("g/1", 3, "after a restart")))
	k.refuse(enter(1, delta("g/1", 5, "after a restart")))
	k.edit(enter(1, delta("g/1", 4, "four")))
	k.check()
}

// testReplay keeps several journals, of several logs, apart.
func testReplay(k *kit) {
	k.open(1, 2, 256)
	for seq := uint64(1); seq <= 20; seq++ {
		for _, id := range []store.LogID{1, 2, 256} {
			var es []store.Entry
			for i, j := range names {
				if seq%uint64(i+1) == 0 {
					es = append(es, delta(j, seq/uint64(i+1), fmt.Sprintf("log %d, journal %d, at %d", id, i, seq)))
				}
			}
			k.edit(enter(id, es...))
		}
	}
	k.edit(enter(1, delta("empty", 1, ""), delta("empty", 2, "")))
	k.check()
}

// testReplayEnds ends a replay with fn's own error, and with the context's.
func testReplayEnds(k *kit) {
	k.open(1)
	k.edit(enter(1, delta("g", 1, "one"), delta("g", 2, "two"), delta("g", 3, "three")))
	k.restart(false)
	enough, calls := errors.New("enough"), 0
	err := k.logs[1].Replay(k.Context(), func(store.Entry) error {
		if calls++; calls == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 2 {
		k.Fatalf("replay: error %v after %d calls, want fn's after 2", err, calls)
	}
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	if err := k.logs[1].Replay(ctx, func(store.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		k.Fatalf("replay under a cancelled context: error %v", err)
	}
	k.check()
}

// testCheckpoints writes checkpoints piece by piece between later deltas; each replaces what it covers once it is complete.
func testCheckpoints(k *kit) {
	k.open(1)
	var seq uint64
	step := func(es ...store.Entry) {
		seq++
		k.edit(enter(1, append([]store.Entry{delta("g", seq, fmt.Sprint("delta ", seq)), delta("other", seq, "beside it")}, es...)...))
	}
	for range 4 {
		step()
	}
	for round := range 3 {
		at := seq
		for part := range uint32(3) {
			step(piece("g", at, part, fmt.Sprintf("round %d, part %d", round, part)))
		}
		k.edit(enter(1, checkpoint("g", at, 3)))
		if round != 1 { // the second follows the first without a restart between
			k.check()
		}
	}

	at := seq + 1
	step(piece("g", at, 0, "all in one edit"), piece("g", at, 1, ""), checkpoint("g", at, 2))
	k.check()
	k.edit(enter(1, delta("g", seq+1, "next"), delta("g", seq+2, "and next")), k.openedAppend(2))
	seq += 2
	k.edit(enter(1, piece("g", seq-1, 0, "behind the last delta"), checkpoint("g", seq-1, 1)))
	k.check()
	k.commit(
		store.Unit{enter(1, piece("g", seq, 0, "in three units"))},
		store.Unit{enter(1, delta("g", seq+1, "between"), piece("g", seq, 1, "of one call"))},
		store.Unit{enter(1, checkpoint("g", seq, 2), delta("g", seq+2, "after"))},
	)
	k.check()
	k.edit(enter(1, piece("other", 1, 0, "early"), checkpoint("other", 1, 1)))
	k.check()
}

// openedAppend opens a log and makes an edit of it, so that a unit spans logs.
func (k *kit) openedAppend(id store.LogID) store.Edit {
	k.open(id)
	return k.grow(id, 1)
}

// testCheckpointRules refuses pieces and checkpoints out of turn.
func testCheckpointRules(k *kit) {
	k.open(1)
	k.refuse(enter(1, piece("g", 1, 0, "of nothing")))
	k.edit(enter(1, delta("g", 1, "one"), delta("g", 2, "two"), delta("g", 3, "three"), delta("g", 4, "four")))
	k.refuse(enter(1, piece("g", 5, 0, "ahead of the deltas")))
	k.refuse(enter(1, piece("g", 5, 0, "ahead in its edit"), delta("g", 5, "five")))
	k.refuse(enter(1, piece("g", 2, 1, "not the first")))
	k.refuse(enter(1, checkpoint("g", 2, 1)))

	k.edit(enter(1, piece("g", 2, 0, "first")))
	k.refuse(enter(1, piece("g", 2, 2, "third")))
	k.refuse(enter(1, piece("g", 3, 1, "second of another")))
	k.refuse(enter(1, checkpoint("g", 2, 2)))
	k.refuse(enter(1, checkpoint("g", 3, 1)))
	k.refuse(enter(1, piece("g", 2, 1, "second"), checkpoint("g", 2, 1)))
	k.edit(enter(1, checkpoint("g", 2, 1)))
	k.refuse(enter(1, checkpoint("g", 2, 1)))
	for _, seq := range []uint64{1, 2} {
		k.refuse(enter(1, piece("g", seq, 0, "not newer than the complete one")))
	}
	k.check()

	k.edit(enter(1, piece("g", 3, 0, "begun"), piece("g", 3, 1, "and left")))
	k.edit(enter(1, piece("g", 4, 0, "for a newer one")))
	k.refuse(enter(1, piece("g", 3, 2, "too late")))
	k.refuse(enter(1, checkpoint("g", 3, 2)))
	k.edit(enter(1, checkpoint("g", 4, 1)))
	k.check()
	k.refuse(enter(1, piece("g", 4, 0, "after a restart")))
	k.check()
}

// testIncompleteCheckpoint leaves checkpoints incomplete: replay goes on with the deltas, and the next attempt does not mix with the last.
func testIncompleteCheckpoint(k *kit) {
	k.open(1)
	k.edit(enter(1, delta("g", 1, "one"), delta("g", 2, "two")))
	k.edit(enter(1, piece("g", 2, 0, "old 0"), piece("g", 2, 1, "old 1"), piece("g", 2, 2, "old 2")))
	k.check()
	k.edit(enter(1, piece("g", 2, 0, "new 0"), piece("g", 2, 1, "new 1"), checkpoint("g", 2, 2)))
	k.check()
	k.edit(enter(1, delta("g", 3, "three"), delta("g", 4, "four")))
	k.edit(enter(1, piece("g", 4, 0, "over"), piece("g", 4, 1, "over")))
	k.edit(enter(1, piece("g", 4, 0, "again"), piece("g", 4, 1, "again")))
	k.check()
	k.edit(enter(1, piece("g", 3, 0, "older than the left one"), checkpoint("g", 3, 1)))
	k.check()
	k.edit(enter(1, piece("g", 4, 0, "at last"), checkpoint("g", 4, 1), delta("g", 5, "five")))
	k.check()
}

// testForget forgets journals whole, and only those, and begins them anew.
func testForget(k *kit) {
	k.open(1, 2)
	for _, id := range []store.LogID{1, 2} {
		for _, j := range names {
			k.edit(enter(id, delta(j, 1, "one"), delta(j, 2, "two"), piece(j, 1, 0, "state"), checkpoint(j, 1, 1), delta(j, 3, "three"), piece(j, 3, 0, "begun")),
				annotateOther(id, note(j, 0, "zero"), note(j, 5, "five")))
			k.edit(annotate(id, note(j, 0, "zero"), note(j, 5, "five")))
		}
	}
	k.edit(enter(1, forget("g/1")))
	k.checkLogs()
	k.refuse(enter(1, delta("g/1", 4, "as if nothing had been")))
	k.refuse(enter(1, piece("g/1", 3, 1, "the next of a forgotten checkpoint")))
	k.refuse(enter(1, checkpoint("g/1", 3, 1)))
	k.check()
	k.refuse(enter(1, delta("g/1", 4, "after a restart")))
	k.edit(enter(1, delta("g/1", 1, "new life")))
	k.check()
	k.edit(enter(1, piece("g/1", 1, 0, "new state"), checkpoint("g/1", 1, 1)))
	k.check()

	again := enter(1, forget("g"), delta("g", 1, "in the same edit"), delta("g", 2, "two"), piece("g", 1, 0, "state"), checkpoint("g", 1, 1))
	again.Notes = []store.Note{note("g", 5, "of the new life")}
	k.edit(again)
	k.checkLogs()
	k.edit(enter(1, delta("g", 3, "three")))
	k.check()
	k.edit(enter(1, delta("g", 4, "four"), forget("g")))
	k.edit(enter(1, forget("g"), forget("never was")))
	k.check()
	k.commit(
		store.Unit{enter(2, forget("\xff"))},
		store.Unit{enter(2, delta("\xff", 1, "one"), delta("\xff", 2, "two"))},
		store.Unit{enter(2, forget("\xff"), delta("\xff", 1, "again"))},
	)
	k.check()
}

// annotateOther makes the edit of a log beside id that takes the same notes: names are a log's own.
func annotateOther(id store.LogID, ns ...store.Note) store.Edit {
	return annotate(3-id, ns...)
}

// testNotes puts, replaces and removes notes.
func testNotes(k *kit) {
	k.open(1, 2)
	const far = store.Offset(1<<63 - 1)
	for _, id := range []store.LogID{1, 2} {
		for i, j := range names {
			k.edit(annotate(id, note(j, 0, "zero"), note(j, 1, fmt.Sprint("of ", i)), note(j, 255, "x"), note(j, 256, "y"), note(j, far, "far")))
		}
	}
	k.checkLogs()
	k.check()
	k.edit(annotate(1, note("g", 1, "replaced"), note("g", 256, ""), note("g/1", 7, "new")), annotate(2, note("g/1", 1, "")))
	k.checkLogs()
	k.edit(annotate(1, note("g", 2, "put and removed"), note("g", 2, ""), note("g", 3, ""), note("g", 3, "removed and put"), note("g", 4, "a"), note("g", 4, "b")))
	k.check()
	for _, at := range []store.Offset{2, 9, 1 << 40} {
		if b, err := k.logs[1].Note(k.Context(), "g", at); b != nil || err != nil {
			k.Fatalf("note that is not there: %q, error %v", b, err)
		}
	}
	if b, err := k.logs[1].Note(k.Context(), "no such journal", 0); b != nil || err != nil {
		k.Fatalf("note of a journal that is not there: %q, error %v", b, err)
	}
	k.edit(annotate(1, note("g", 5, strings.Repeat("long ", 4000))))
	k.check()

	e := k.grow(1, 20)
	e.Start = 10
	e.Notes = []store.Note{note("g", 10, "at the start"), note("g", 9, "below"), note("g", 19, "above"), note("g", 20, "past the end")}
	k.edit(e)
	k.check()
}
