package share

import (
	"testing"

	"github.com/holtmq/holt/queue/partition"
)

// TestALaneNobodyAsksForHidesNoOther has a lane in the middle whose topic no call wants: the lowest lane gets its one record in ten all the same.
func TestALaneNobodyAsksForHidesNoOther(t *testing.T) {
	var l lanes
	for _, w := range []*window{
		{part: &partition.Partition{Topic: "a", Lane: 2}}, {part: &partition.Partition{Topic: "b", Lane: 1}}, {part: &partition.Partition{Topic: "a", Lane: 0}},
	} {
		l.add(w)
	}
	var got [3]int
	for range 1000 {
		w, _ := l.next([]string{"a"})
		got[w.part.Lane]++
		l.served(w, 1, false, 0)
	}
	if got[1] != 0 || got[0] < 100 || got[2] < 800 {
		t.Errorf("lanes 0 to 2 got %d records", got)
	}
}

// TestTurns has one record go out a call: few windows alternate, and so do many while calls come one a millisecond; when they come faster a window keeps its turn for
// some. Each gets as much as any other.
func TestTurns(t *testing.T) {
	for _, c := range []struct{ windows, perMilli, longest int }{
		{fewWindows, 100, 1}, {1000, 1, 1}, {1000, 3, 3}, {1000, 100, turnRecords},
	} {
		var l lanes
		for range c.windows {
			l.add(&window{part: &partition.Partition{Topic: "a"}})
		}
		got, row, longest, last := map[*window]int{}, 0, 0, (*window)(nil)
		for i := range c.windows * 100 {
			w, _ := l.next(nil)
			if w != last {
				row, last = 0, w
			}
			row++
			longest = max(longest, row)
			got[w]++
			l.served(w, 1, false, int64(1+i/c.perMilli))
		}
		if longest != c.longest || len(got) != c.windows {
			t.Errorf("%+v: %d windows had turns, the longest of %d records", c, len(got), longest)
		}
		for _, n := range got {
			if n < 90 || n > 110 {
				t.Errorf("%+v: a window got %d records, of 100", c, n)
				break
			}
		}
	}
}

// TestTurnsOfEmptyWindows: one that has to be read ahead makes way for the next, which has a whole turn.
func TestTurnsOfEmptyWindows(t *testing.T) {
	var l lanes
	for range 2 * fewWindows {
		l.add(&window{part: &partition.Partition{Topic: "a"}})
	}
	first, _ := l.next(nil)
	l.served(first, 3, true, 1)
	second, _ := l.next(nil)
	if second == first {
		t.Fatal("an empty window keeps its turn")
	}
	for i := range turnRecords {
		if w, _ := l.next(nil); w != second {
			t.Fatalf("the turn of the next window is over after %d records", i)
		}
		l.served(second, 1, false, 1)
	}
	if w, _ := l.next(nil); w == second {
		t.Errorf("a turn has more than %d records", turnRecords)
	}
}
