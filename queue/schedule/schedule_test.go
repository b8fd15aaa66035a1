package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

func added(offset record.Offset, due int64, id string) Added {
	return Added{Item: Item{Offset: offset, Due: due}, ID: id}
}

// restart replays entries into a new schedule: the newest checkpoint, then the deltas after it.
func restart(t *testing.T, entries []store.Entry) *Schedule {
	t.Helper()
	s := New()
	from := 0
	var checkpoint []byte
	for i, e := range entries {
		if e.Kind == store.Checkpoint {
			checkpoint, from = nil, i+1
			for _, p := range entries[:i] {
				if p.Kind == store.Piece && p.Seq == e.Seq {
					checkpoint = append(checkpoint, p.Bytes...)
				}
			}
		}
	}
	if checkpoint != nil {
		if err := s.Restore(checkpoint); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range entries[from:] {
		if len(e.Bytes) > store.MaxEntryBytes {
			t.Fatalf("an entry of %d bytes", len(e.Bytes))
		}
		if e.Kind == store.Delta {
			if err := s.Replay(e.Bytes); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Recover(journal.New(JournalName))
	return s
}

func TestRandomSchedulesSurviveARestart(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		s, want := New(), map[record.Offset]int64{}
		var entries []store.Entry
		next, fired := record.Offset(0), int64(0)
		for range 300 {
			switch rnd.IntN(3) {
			case 0:
				var all []Added
				for range 1 + rnd.IntN(50) {
					all = append(all, added(next, rnd.Int64N(1000), fmt.Sprint(next)))
					want[next] = all[len(all)-1].Due
					next++
				}
				entries = append(entries, s.Add(all)...)
			case 1:
				fired = max(fired, rnd.Int64N(1000))
				var taken []record.Offset
				for _, it := range s.Due(time.UnixMilli(fired), rnd.IntN(40)) {
					if it.Due > fired || want[it.Offset] != it.Due {
						t.Fatalf("seed %d: at %d %+v was due, want %d", seed, fired, it, want[it.Offset])
					}
					taken = append(taken, it.Offset)
					delete(want, it.Offset)
				}
				entries = append(entries, s.Take(taken)...)
			case 2:
				at := record.Offset(rnd.Int64N(int64(next) + 1))
				_, there := want[at]
				if _, ok := s.Get(at); ok != there {
					t.Fatalf("seed %d: %d is there: %v, want %v", seed, at, ok, there)
				}
				entries = append(entries, s.Take([]record.Offset{at, at})...)
				delete(want, at)
			}
		}
		for name, s := range map[string]*Schedule{"live": s, "restarted": restart(t, entries)} {
			list := s.List(0, 1<<20)
			if len(list) != len(want) || s.Len() != len(want) {
				t.Fatalf("seed %d, %s: %d listed, %d counted, want %d", seed, name, len(list), s.Len(), len(want))
			}
			for _, it := range list {
				if byID, ok := s.ByID(fmt.Sprint(it.Offset)); !ok || byID != it || want[it.Offset] != it.Due {
					t.Fatalf("seed %d, %s: %+v, by id %+v", seed, name, it, byID)
				}
			}
			if first := s.First(next); len(list) > 0 && first != list[0].Offset || len(list) == 0 && first != next {
				t.Fatalf("seed %d, %s: first %d", seed, name, first)
			}
		}
	}
}

func TestCheckpointStandsForWhatCameBefore(t *testing.T) {
	s := New()
	var entries []store.Entry
	next := record.Offset(0)
	for len(entries) < 30 {
		all := make([]Added, 1000)
		for i := range all {
			all[i] = added(next, int64(next)%977, fmt.Sprint("id", next))
			next++
		}
		entries = append(entries, s.Add(all)...)
	}
	entries = append(entries, s.Take([]record.Offset{0, 5, next - 1})...)
	checkpoint := s.Checkpoint()
	if len(checkpoint) < 2 {
		t.Fatal("no checkpoint was due")
	}
	entries = append(entries, checkpoint...)
	s.Written()
	entries = append(entries, s.Take([]record.Offset{7})...)
	again := restart(t, entries)
	if again.Len() != int(next)-4 {
		t.Fatalf("%d of %d", again.Len(), next)
	}
	for _, at := range []record.Offset{0, 5, 7, next - 1} {
		if _, ok := again.Get(at); ok {
			t.Errorf("%d came back", at)
		}
	}
}

func TestPostponedItemsRest(t *testing.T) {
	s := New()
	s.Add([]Added{added(0, 10, ""), added(1, 20, "")})
	s.Postpone(0, time.UnixMilli(100))
	if got := s.Due(time.UnixMilli(99), 10); len(got) != 1 || got[0].Offset != 1 {
		t.Errorf("at 99: %v", got)
	}
	if it, ok := s.Get(0); !ok || it.Due != 10 {
		t.Errorf("it is due at %d now", it.Due)
	}
	s.Take([]record.Offset{1})
	if next, ok := s.Next(); !ok || next.UnixMilli() != 100 {
		t.Errorf("next %v", next)
	}
	if got := s.Due(time.UnixMilli(100), 10); len(got) != 1 || got[0].Offset != 0 {
		t.Errorf("at 100: %v", got)
	}
	s.Take([]record.Offset{0})
	if _, ok := s.Next(); ok || s.First(2) != 2 {
		t.Error("something is left")
	}
}

func FuzzReplay(f *testing.F) {
	s := New()
	for _, e := range s.Add([]Added{added(3, 1000, "x"), added(400, 2, "")}) {
		f.Add(e.Bytes)
	}
	for _, e := range s.Take([]record.Offset{3}) {
		f.Add(e.Bytes)
	}
	f.Add([]byte{})
	f.Add([]byte{opAdd, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New()
		if err := s.Replay(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		s.Recover(nil)
		if list := s.List(0, 1<<20); len(list) != s.Len() || s.Len() > len(b)/3 {
			t.Fatalf("%d listed, %d counted, of %d bytes", len(list), s.Len(), len(b))
		}
		s.Due(time.UnixMilli(1<<40), 1000)
	})
}
