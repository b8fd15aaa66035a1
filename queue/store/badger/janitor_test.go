//go:build linux || darwin

package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// smallFiles has value log files of 1 MiB, so that little data fills many.
func smallFiles(t *testing.T) Config {
	t.Helper()
	if raceEnabled {
		t.Skip("NOT RUN with the race detector: Badger's own collection reads a memtable's newest version while a commit raises it")
	}
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	cfg.valueFile = 1 << 20
	return cfg
}

// TestTrimGivesSpaceBack fills twenty files of the value log, trims, and lets the janitor do its turns in fake time.
func TestTrimGivesSpaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, smallFiles(t))
		defer s.Close()
		fill(t, s, 1, 2000, 10_000)
		before := takes(s.cfg.Dir)
		mustCommit(t, s, store.Unit{{Log: 1, Start: 1985}})
		wantShrunk(t, s, before, before/2)
		l := mustLog(t, s, 1)
		if start, end, _ := l.Bounds(); start != 1985 || end != 2000 {
			t.Fatalf("bounds %d–%d", start, end)
		}
		if err := checkLog(s, 1, 2000); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSpaceComesBackWhereThereIsLittle: room for a part of a file is enough to give files back of which less than that is live.
func TestSpaceComesBackWhereThereIsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := smallFiles(t)
		cfg.valueFile = 16 << 20
		var free atomic.Int64
		free.Store(1 << 30)
		cfg.free = func(string) (size, left int64, err error) { return 4 << 30, free.Load(), nil }
		s := mustOpen(t, cfg)
		defer s.Close()
		fill(t, s, 1, 6000, 10_000)
		before := takes(cfg.Dir)
		free.Store(20 << 20)
		mustCommit(t, s, store.Unit{{Log: 1, Start: 5990}})
		wantShrunk(t, s, before, before/2)
		if err := checkLog(s, 1, 6000); err != nil {
			t.Fatal(err)
		}
	})
}

// littleDisk is a configuration with a file system that has that many bytes for the store, and the means to change them.
func littleDisk(t *testing.T, bytes int64) (Config, *atomic.Int64) {
	t.Helper()
	cfg := smallFiles(t)
	size := new(atomic.Int64)
	size.Store(bytes)
	cfg.free = func(dir string) (int64, int64, error) {
		ballast := int64(0)
		if fi, err := os.Stat(filepath.Join(dir, ballastName)); err == nil {
			ballast = fi.Size()
		}
		return size.Load(), size.Load() - takes(dir) - ballast, nil
	}
	return cfg, size
}

// fillUp appends until free space is low, and leaves so much of it.
func fillUp(t *testing.T, s *Store, size *atomic.Int64, leave int64) store.Offset {
	t.Helper()
	for !s.Health().Low {
		fill(t, s, 1, 100, 10_000)
		time.Sleep(keepEvery)
		synctest.Wait()
	}
	_, free, _ := s.cfg.free(s.cfg.Dir)
	size.Add(leave - free)
	_, end, _ := mustLog(t, s, 1).Bounds()
	return end
}

// TestFullDiskComesBack: however small a minimum is asked for, publishes stop while there is room for giving space back, and doing so does not need more than there is.
func TestFullDiskComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, size := littleDisk(t, 96<<20)
		s := mustOpen(t, cfg)
		defer s.Close()
		end := fillUp(t, s, size, 22<<20)
		before := takes(cfg.Dir)
		mustCommit(t, s, store.Unit{{Log: 1, Start: end - 10}})
		wantShrunk(t, s, before, before/2)
		if h := s.Health(); h.Low {
			t.Fatalf("space is short: %+v", h)
		}
		if err := checkLog(s, 1, end); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFullDiskComesBackAfterRestart: what was deleted before a restart is given back, though nothing more can be deleted. Space runs out at first, so
// that all is deleted and nothing collected.
func TestFullDiskComesBackAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, size := littleDisk(t, 96<<20)
		s := mustOpen(t, cfg)
		end := fillUp(t, s, size, 2*minFloor)
		before := takes(cfg.Dir)
		mustCommit(t, s, store.Unit{{Log: 1, Start: end - 10}})
		for !s.idle() {
			time.Sleep(sweepEvery)
			synctest.Wait()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		size.Add(8 << 20)
		s = mustOpen(t, cfg)
		defer s.Close()
		wantShrunk(t, s, before, before/2)
		if err := checkLog(s, 1, end); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDropGivesSpaceBack does the same with a log that is dropped beside one that stays.
func TestDropGivesSpaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := smallFiles(t)
		s := mustOpen(t, cfg)
		fill(t, s, 1, 100, 2000)
		fill(t, s, 2, 2000, 10_000)
		before := takes(cfg.Dir)
		mustCommit(t, s, store.Unit{{Log: 2, Drop: true}})
		if err := s.Close(); err != nil { // the restart takes the work over
			t.Fatal(err)
		}
		s = mustOpen(t, cfg)
		defer s.Close()
		wantShrunk(t, s, before, before/2)
		if err := checkLog(s, 1, 100); err != nil {
			t.Fatal(err)
		}
		if start, end, _ := mustLog(t, s, 2).Bounds(); start != 0 || end != 0 {
			t.Fatalf("the dropped log has %d–%d", start, end)
		}
	})
}

// takes returns the bytes that a directory takes without the files in front of Badger, which are of one size whatever is in them.
func takes(dir string) int64 {
	n := diskUse(dir)
	for i := range 2 {
		if fi, err := os.Stat(aheadPath(dir, i)); err == nil {
			n -= fi.Size()
		}
	}
	return n
}

func wantShrunk(t *testing.T, s *Store, before, want int64) {
	t.Helper()
	for range 60 {
		time.Sleep(s.cfg.CollectEvery)
		synctest.Wait()
		if takes(s.cfg.Dir) <= want {
			return
		}
	}
	t.Fatalf("the directory takes %d MiB of %d, want %d", takes(s.cfg.Dir)>>20, before>>20, want>>20)
}

// keysOf counts the live keys of each kind.
func keysOf(t *testing.T, s *Store) map[byte]int {
	t.Helper()
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	it := forward(txn, nil)
	defer it.Close()
	n := map[byte]int{}
	for it.Rewind(); it.Valid(); it.Next() {
		n[it.Item().Key()[0]]++
	}
	return n
}

// TestSweepDeletesWhatIsOfNoUse looks at the keys that are left.
func TestSweepDeletesWhatIsOfNoUse(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	fill(t, s, 1, 100, 10)
	for seq := uint64(1); seq <= 40; seq++ {
		mustCommit(t, s, store.Unit{{Log: 1,
			Entries: []store.Entry{{Journal: "a", Kind: store.Delta, Seq: seq}, {Journal: "b", Kind: store.Delta, Seq: seq}},
			Notes:   []store.Note{{Journal: "a", At: store.Offset(seq), Bytes: []byte("x")}}}})
	}
	checkpoint := func(seq uint64) {
		mustCommit(t, s, store.Unit{{Log: 1, Entries: []store.Entry{
			{Journal: "a", Kind: store.Piece, Seq: seq, Bytes: []byte("p")},
			{Journal: "a", Kind: store.Piece, Seq: seq, Part: 1, Bytes: []byte("q")},
			{Journal: "a", Kind: store.Checkpoint, Seq: seq, Part: 2}}}})
	}
	checkpoint(10)
	checkpoint(30)
	mustCommit(t, s, store.Unit{{Log: 1, Start: 35, Entries: []store.Entry{{Journal: "b", Kind: store.Forget}}}})
	if err := s.sweep(bg); err != nil {
		t.Fatal(err)
	}
	got := keysOf(t, s)
	for kind, want := range map[byte]int{
		kindBatch:   7,  // 30–39, in which the start lies, to 90–99
		kindDeltas:  10, // 31 to 40 of a
		kindPiece:   2,  // of the second checkpoint
		kindNote:    6,  // 35 to 40
		kindJournal: 1,
		kindGarbage: 0,
		kindHead:    1,
	} {
		if got[kind] != want {
			t.Errorf("%d keys of kind %q, want %d", got[kind], kind, want)
		}
	}
	if !s.idle() {
		t.Error("there is work left")
	}
	mustCommit(t, s, store.Unit{{Log: 1, Start: 100}}, store.Unit{{Log: 1, Drop: true}})
	if err := s.sweep(bg); err != nil {
		t.Fatal(err)
	}
	got = keysOf(t, s)
	delete(got, kindSequence)
	if len(got) != 0 {
		t.Errorf("keys left after the drop: %v", got)
	}
}

// TestSweepIsBounded deletes more keys than one transaction of the janitor takes.
func TestSweepIsBounded(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	mustLog(t, s, 1)
	notes := func(from, n int) (out []store.Note) {
		for i := range n {
			out = append(out, store.Note{Journal: "a", At: store.Offset(from + i), Bytes: []byte("n")})
		}
		return out
	}
	for i := range 3 {
		mustCommit(t, s, store.Unit{{Log: 1, Notes: notes(i*900, 900)}})
	}
	mustCommit(t, s, store.Unit{{Log: 1, Entries: []store.Entry{{Journal: "a", Kind: store.Forget}}}})
	seq := s.seq
	for turn := 1; ; turn++ {
		more, err := s.sweepOnce(bg)
		if err != nil {
			t.Fatal(err)
		}
		if left := keysOf(t, s)[kindNote]; left != max(0, 2700-turn*maxDeletes) {
			t.Fatalf("%d notes left after %d turns", left, turn)
		}
		if !more {
			break
		}
	}
	if s.seq != seq+3 {
		t.Fatalf("%d transactions, want 3", s.seq-seq)
	}
}

// TestReadersBesideCollection reads while batches are appended, trimmed and moved by collection: never a fault.
func TestReadersBesideCollection(t *testing.T) {
	cfg := smallFiles(t)
	cfg.CollectEvery = time.Hour // the test collects
	s := mustOpen(t, cfg)
	defer s.Close()
	fill(t, s, 2, 300, 10_000) // stays, between what goes
	l := mustLog(t, s, 1)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for _, id := range []store.LogID{1, 2} {
		wg.Go(func() {
			l := mustLog(t, s, id)
			for !stop.Load() {
				start, end, _ := l.Bounds()
				for at := start; at < end && !stop.Load(); {
					bs, err := l.Read(bg, at, 100<<10)
					if isTrimmed(err) {
						break
					}
					if err != nil {
						t.Errorf("read log %d at %d: %v", id, at, err)
						return
					}
					at = bs[len(bs)-1].Last + 1
				}
			}
		})
	}
	for round := range 6 {
		fill(t, s, 1, 300, 10_000)
		fill(t, s, 2, 10, 10_000)
		_, end, _ := l.Bounds()
		mustCommit(t, s, store.Unit{{Log: 1, Start: end - 20}})
		if err := s.sweep(bg); err != nil {
			t.Fatal(err)
		}
		for turn := 0; turn == 0 || s.stage() != waiting || s.due(); turn++ {
			if err := s.collect(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			runtime.Gosched() // a memtable is on its way to a table
		}
	}
	stop.Store(true)
	wg.Wait()
	if files, err := numberedFiles(cfg.Dir, ".vlog"); err != nil || len(files) == int(files[len(files)-1].number) {
		t.Errorf("no file was rewritten: %d files, %v", len(files), err)
	}
	if err := checkLog(s, 2, 360); err != nil {
		t.Fatal(err)
	}
}

// TestLargeUnits commits units with more keys than a transaction takes, and crashes between their parts.
func TestLargeUnits(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	mustLog(t, s, 1)
	const n = 20_000
	unit := store.Unit{{Log: 1, Append: []store.Batch{testBatch(0, n, 1)}}}
	for i := range n {
		unit[0].Notes = append(unit[0].Notes, store.Note{Journal: "a", At: store.Offset(i), Bytes: fmt.Appendf(nil, "note %d", i)})
	}
	before := s.seq
	mustCommit(t, s, unit)
	if s.seq-before < 3 {
		t.Fatalf("%d transactions: the unit fits into one", s.seq-before)
	}
	check := func(s *Store) {
		t.Helper()
		l := mustLog(t, s, 1)
		for i := 0; i < n; i += 37 {
			if b, err := l.Note(bg, "a", store.Offset(i)); err != nil || string(b) != fmt.Sprintf("note %d", i) {
				t.Fatalf("note %d: %q, %v", i, b, err)
			}
		}
	}
	check(s)

	// The same again on another log, as a crash right after the record became durable leaves it.
	mustLog(t, s, 2)
	unit[0].Log = 2
	g := newGroup()
	p, err := s.plan(g, unit)
	if err != nil {
		t.Fatal(err)
	}
	g.add(p)
	ops := g.close()
	key := redoKey(s.next())
	if err := s.write([]op{{key, seal(key, encodeOps(ops))}}); err != nil {
		t.Fatal(err)
	}
	crashes := []string{copyDir(t, cfg.Dir)}
	if err := s.write(ops[:5000]); err != nil { // … and after the first part
		t.Fatal(err)
	}
	crashes = append(crashes, copyDir(t, cfg.Dir))
	_ = s.Close()
	for _, dir := range crashes {
		if rep, err := Inspect(bg, dir, nil); err != nil || len(rep.Faults) > 0 || rep.Notes != 2*n {
			t.Fatalf("inspect: %d notes, %v, %v", rep.Notes, rep.Faults, err)
		}
		s := mustOpen(t, testConfig(dir))
		if _, end, _ := mustLog(t, s, 2).Bounds(); end != n {
			t.Fatalf("the unit is not whole: end %d", end)
		}
		if b, err := mustLog(t, s, 2).Note(bg, "a", n-1); err != nil || string(b) != fmt.Sprintf("note %d", n-1) {
			t.Fatalf("last note: %q, %v", b, err)
		}
		if keysOf(t, s)[kindRedo] != 0 {
			t.Fatal("the record is still there")
		}
		_ = s.Close()
	}
}

// TestCrashImages copies the directory while commits run: whatever was acknowledged before the copy is in it.
func TestCrashImages(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	var acked atomic.Int64
	bursts := make(chan struct{}, 1) // bounded, so that a slow copy finds an end
	var wg sync.WaitGroup
	wg.Go(func() {
		mustLog(t, s, 1)
		const burst = 200 // two, which may come during a copy, are less than a file in front of Badger takes
		for at, n := store.Offset(0), 0; ; at, n = at+10, n+1 {
			if n%burst == 0 {
				if _, more := <-bursts; !more {
					return
				}
			}
			if _, err := s.Commit(bg, []store.Unit{{{Log: 1, Append: []store.Batch{testBatch(at, 10, 2000)}}}}); err != nil {
				t.Error(err)
				for range bursts { // let the other side end
				}
				return
			}
			acked.Store(int64(at) + 10)
		}
	})
	for range 8 {
		bursts <- struct{}{}
		want := acked.Load()
		dir := copyDir(t, cfg.Dir)
		c := mustOpen(t, testConfig(dir))
		_, end, _ := mustLog(t, c, 1).Bounds()
		if int64(end) < want {
			t.Errorf("the image ends at %d, %d was acknowledged", end, want)
		}
		if err := checkLog(c, 1, end); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		if rep, err := Inspect(bg, dir, nil); err != nil || len(rep.Faults) > 0 {
			t.Errorf("inspect: %v, %v", rep.Faults, err)
		}
	}
	close(bursts)
	wg.Wait()
	_ = s.Close()
}

// TestPaddingComesAfterWhatBadgerHas has padding written between a commit's arrival in Badger and the moment in which readers see it: to a start it must not look like an
// older commit behind a newer one.
func TestPaddingComesAfterWhatBadgerHas(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	mustLog(t, s, 1)
	mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(0, 10, 100)}}})
	if err := s.enter(bg); err != nil {
		t.Fatal(err)
	}
	padding := []op{{[]byte{kindPadding, 0, 0}, []byte("padding")}}
	if err := s.write(padding); err != nil {
		t.Fatal(err)
	}
	if err := s.pad(padding); err != nil {
		t.Fatal(err)
	}
	s.publish(nil, nil)
	s.leave()
	dir := copyDir(t, s.cfg.Dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, testConfig(dir))
	if err := checkLog(c, 1, 10); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRewriteGivesSpaceBack makes holes of all but the first batches.
func TestRewriteGivesSpaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, smallFiles(t))
		defer s.Close()
		fill(t, s, 1, 2000, 10_000)
		before := takes(s.cfg.Dir)
		l := mustLog(t, s, 1)
		for at := store.Offset(0); at < 2000; {
			bs, err := l.Read(bg, at, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			last := bs[len(bs)-1]
			if at > 0 { // the first ones stay
				mustCommit(t, s, store.Unit{{Log: 1, Rewrite: &store.Batch{Base: at, Last: last.Last, MaxTime: last.MaxTime}}})
			}
			at = last.Last + 1
		}
		wantShrunk(t, s, before, before/2)
		if start, end, _ := l.Bounds(); start != 0 || end != 2000 {
			t.Fatalf("bounds %d–%d", start, end)
		}
	})
}
