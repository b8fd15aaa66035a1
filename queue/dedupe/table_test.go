package dedupe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// disk is what the entries of a table leave behind.
type disk map[store.LogID]map[store.Journal][][]byte

func (d disk) write(t *testing.T, log store.LogID, entries []store.Entry) {
	t.Helper()
	if d[log] == nil {
		d[log] = map[store.Journal][][]byte{}
	}
	for _, e := range entries {
		if len(e.Bytes) > store.MaxEntryBytes || e.Kind != store.Delta || e.Seq != uint64(len(d[log][e.Journal]))+1 {
			t.Fatalf("entry of %d bytes, kind %d, seq %d after %d deltas", len(e.Bytes), e.Kind, e.Seq, len(d[log][e.Journal]))
		}
		d[log][e.Journal] = append(d[log][e.Journal], e.Bytes)
	}
}

// restart replays everything, log by log.
func (d disk) restart(t *testing.T) *Table {
	t.Helper()
	out := new(Table)
	for log := range store.LogID(9) {
		for name, deltas := range d[log] {
			m := out.Replay(name, int(log))
			j := journal.New(name)
			for _, b := range deltas {
				if err := m.Replay(b); err != nil {
					t.Fatal(err)
				}
				j.Delta(b)
			}
			out.Recover(log, j)
		}
	}
	return out
}

func (d disk) add(t *testing.T, ids *Table, window time.Duration, log store.LogID, at time.Time, names ...string) {
	t.Helper()
	added := make([]Added, len(names))
	for i, id := range names {
		added[i] = Added{ID: id, Place: partition.Place{Partition: int(log), Offset: record.Offset(i), Timestamp: at}}
	}
	d.write(t, log, ids.Add(log, window, added))
}

func TestScenario49IDsCountUntilTheirWindowIsOver(t *testing.T) {
	for _, window := range []time.Duration{time.Second, 15 * time.Second, 10 * time.Minute} {
		d, ids := disk{}, new(Table)
		d.add(t, ids, window, 3, begin, "x")
		for _, table := range []*Table{ids, d.restart(t)} {
			place, found := table.Find("x", begin.Add(window-time.Millisecond), window)
			if !found || place.Partition != 3 || !place.Duplicate || !place.Timestamp.Equal(begin) {
				t.Errorf("window %s: within it %+v, %v", window, place, found)
			}
			if _, found := table.Find("x", begin.Add(window), window); found {
				t.Errorf("window %s: found at its end", window)
			}
			if _, found := table.Find("y", begin, window); found {
				t.Errorf("window %s: an id nobody added was found", window)
			}
		}
	}
}

// An id comes again after its window, within the stretch of time that is kept together, on a log that is replayed before the first one.
func TestNewestPlaceOfAnIDSurvivesARestart(t *testing.T) {
	const window = time.Second
	d, ids := disk{}, new(Table)
	again := begin.Add(5 * time.Second)
	d.add(t, ids, window, 3, begin, "x")
	d.add(t, ids, window, 1, again, "x")
	for name, table := range map[string]*Table{"before": ids, "after": d.restart(t)} {
		if place, found := table.Find("x", again.Add(window/2), window); !found || place.Partition != 1 {
			t.Errorf("%s the restart: %+v, %v", name, place, found)
		}
	}
}

func TestSweepForgetsWholeBucketsOnce(t *testing.T) {
	const window = time.Minute
	d, ids := disk{}, new(Table)
	for i := range 4 {
		d.add(t, ids, window, store.LogID(1+i%2), begin.Add(time.Duration(i)*20*time.Second), fmt.Sprint(i))
	}
	for name, table := range map[string]*Table{"live": ids, "restarted": d.restart(t)} {
		table.Sweep(begin.Add(window), window)
		if got := table.Forget(); len(got) != 0 {
			t.Errorf("%s: at the window's end %v", name, got)
		}
		table.Sweep(begin.Add(window+21*time.Second), window)
		if got := table.Forget(); len(got) != 2 || table.count != 2 {
			t.Errorf("%s: %v forgotten, %d left", name, got, table.count)
		}
		if got := table.Forget(); len(got) != 0 {
			t.Errorf("%s: forgotten twice: %v", name, got)
		}
		if _, found := table.Find("2", begin.Add(41*time.Second), window); !found {
			t.Errorf("%s: what is left was not found", name)
		}
	}
}

// TestSweepForgetsLogsInOrder has what is enqueued hang on nothing but the ids.
func TestSweepForgetsLogsInOrder(t *testing.T) {
	ids := new(Table)
	for log := store.LogID(9); log > 0; log-- {
		disk{}.add(t, ids, time.Minute, log, begin, fmt.Sprint(log))
	}
	ids.Sweep(begin.Add(time.Hour), time.Minute)
	got := ids.Forget()
	if len(got) != 9 || !slices.IsSortedFunc(got, func(a, b Forgotten) int { return cmp.Compare(a.Log, b.Log) }) {
		t.Errorf("forgotten: %v", got)
	}
}

func TestRoomAtTheLimit(t *testing.T) {
	ids := new(Table)
	ids.Add(1, time.Minute, []Added{{ID: "x", Place: partition.Place{Timestamp: begin}}})
	ids.count = MaxIDs - 1 // as if the others had been added
	if err := ids.Room(1); err != nil {
		t.Errorf("the last one: %v", err)
	}
	if err := ids.Room(2); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
}

func TestLargestRequestIsCutIntoDeltas(t *testing.T) {
	d, ids := disk{}, new(Table)
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprint("id", i)
	}
	d.add(t, ids, time.Minute, 1, begin, names...)
	table := d.restart(t)
	for i, id := range names {
		if place, found := table.Find(id, begin, time.Minute); !found || place.Offset != record.Offset(i) {
			t.Fatalf("%s: %+v, %v", id, place, found)
		}
	}
}

func TestReplayTakesOnlyJournalsOfIDs(t *testing.T) {
	ids := new(Table)
	for _, name := range []store.Journal{"", "i", "i/", "i/x", "g/7", "size"} {
		if ids.Replay(name, 0) != nil {
			t.Errorf("%q was taken", name)
		}
	}
	if err := ids.Replay("i/1", 0).Restore(nil); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a checkpoint: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	entries := new(Table).Add(1, time.Minute, []Added{{ID: "a", Place: partition.Place{Timestamp: begin, Offset: 300}}, {ID: "b", Place: partition.Place{Timestamp: begin}}})
	f.Add(entries[0].Bytes)
	f.Add([]byte{})
	f.Add(make([]byte, 17))
	f.Fuzz(func(t *testing.T, delta []byte) {
		ids := new(Table)
		if err := ids.Replay("i/1", 0).Replay(delta); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		n := 0
		for _, b := range ids.buckets {
			n += len(b.ids)
		}
		if n != ids.count || n > len(delta)/17 {
			t.Fatalf("%d ids, counted as %d, of %d bytes", n, ids.count, len(delta))
		}
	})
}
