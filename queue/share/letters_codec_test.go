package share

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// some makes entries of places, whose letters begin at an offset.
func some(from record.Offset, places ...place) (out []*entry) {
	for i, at := range places {
		out = append(out, &entry{
			place: at, letter: from + record.Offset(i), born: 1_700_000_000_000 + int64(i), key: uint64(at.at) * 77, size: 9, deliveries: uint32(i), state: letter.Open,
			info: &letter.Info{},
		})
	}
	return out
}

func TestLettersComeBack(t *testing.T) {
	l := NewLetters(&partition.Partition{ID: 3})
	l.journal = journal.New("d/1")
	var deltas [][]byte
	keep := func(bodies ...[]byte) { deltas = append(deltas, bodies...) }
	open := some(7, place{1, 5}, place{2, 5}, place{1, 1 << 40}, place{1, 6}, place{1, 7})
	keep(encodeOpened(open)...)
	for _, e := range open {
		l.put(e)
	}
	keep([]byte{opBareLetter, 9, 1, 2})
	l.put(&entry{place: place{9, 1}, letter: 2, state: letter.Open, bare: true})
	keep(encodeRedriven([]place{{1, 6}}, 400)...)
	l.redriven(open[3], 400)
	keep(encodePlaces(opPurged, []place{{1, 7}})...)
	l.move(open[4], letter.Purged)
	again := some(20, place{1, 5}) // dies again
	again[0].redrives = 1
	keep(encodeOpened(again)...)
	l.put(again[0])
	keep(encodePlaces(opCloseLetter, []place{{9, 1}})...)
	l.take(l.by[place{9, 1}])
	keep(encodePlaces(opCloseFrom, []place{{1, 1 << 30}})...)
	if !l.closeFrom(place{1, 1 << 30}) || l.closeFrom(place{1, 1 << 30}) {
		t.Fatal("closed otherwise than once")
	}
	replayed, restored := NewLetters(l.part), NewLetters(l.part)
	for _, b := range deltas {
		if err := replayed.Replay(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := restored.Restore(l.checkpoint()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*Letters{"replayed": replayed, "restored": restored} {
		got.Recover(journal.New("d/1"))
		if diff := cmp.Diff(l.checkpoint(), got.checkpoint()); diff != "" || got.counts != l.counts || len(got.by) != 4 || got.edits[place{1, 6}] != 400 {
			t.Errorf("%s: %v letters %v (−want +got):\n%s", name, len(got.by), got.counts, diff)
		}
	}
}

func TestLetterIDsComeBack(t *testing.T) {
	for _, id := range []LetterID{{0, 0}, {1, 2}, {1<<64 - 1, 1<<63 - 1}} {
		if got, ok := ParseLetterID(id.String()); !ok || got != id {
			t.Errorf("%s: %v %v", id, got, ok)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "1--1", "01-1", "1-01", "g-1", "1-1-1", "1-+1", "A-1", "1-9223372036854775808"} {
		if id, ok := ParseLetterID(s); ok {
			t.Errorf("%q is read as %v", s, id)
		}
	}
}

func FuzzLetters(f *testing.F) {
	for _, b := range encodeOpened(some(7, place{1, 300}, place{1, 301})) {
		f.Add(b)
	}
	f.Add([]byte{opBareLetter, 1, 2, 3})
	f.Add([]byte{opCloseLetter, 1, 2})
	f.Add([]byte{})
	l := NewLetters(nil)
	for _, e := range some(7, place{1, 300}, place{1, 301}) {
		l.put(e)
	}
	f.Add(l.checkpoint())
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLetters(nil)
		if err := l.Replay(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if len(l.by) > len(b)/3 {
			t.Fatalf("%d letters of %d bytes", len(l.by), len(b))
		}
		again := NewLetters(nil)
		if err := again.Replay(l.checkpoint()); err != nil || len(again.by) != len(l.by) || again.counts != l.counts {
			t.Fatalf("a checkpoint comes back with %d of %d letters: %v", len(again.by), len(l.by), err)
		}
	})
}
