//go:build linux || darwin

package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/storetest"
)

// never is so long that Badger gets nothing by itself.
const never = 1000 * time.Hour

// TestConformanceBehind runs the suite on stores of which Badger gets nothing by itself.
func TestConformanceBehind(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT RUN with the race detector, under which it takes minutes: TestConformance is")
	}
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		cfg := testConfig(filepath.Join(tempDir(t), "data"))
		cfg.applyAfter = never
		h := &harness{mustOpen(t, cfg)}
		t.Cleanup(func() { _ = h.s.Close() })
		return h
	})
}

// behindStore makes a store whose log 1 has n records that Badger has not got.
func behindStore(t *testing.T, n int) *Store {
	t.Helper()
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	cfg.applyAfter = never
	s := mustOpen(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	fill(t, s, 1, n, 100)
	if s.inBadger >= s.seq {
		t.Fatal("Badger has got it all")
	}
	return s
}

// TestBehindIsRead reads what Badger has not got, has got, and what lies on the edge of the two.
func TestBehindIsRead(t *testing.T) {
	s := behindStore(t, 200)
	if err := s.catchUp(); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 200, 100)
	l := mustLog(t, s, 1)
	note := func(at store.Offset, text string) store.Unit {
		return store.Unit{{Log: 1, Notes: []store.Note{{Journal: "g/1", At: at, Bytes: []byte(text)}}}}
	}
	mustCommit(t, s, note(5, "five"), note(6, "six"))
	if err := s.catchUp(); err != nil {
		t.Fatal(err)
	}
	for at := store.Offset(400); at < 600; at += 10 {
		mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(at, 10, 100)}}})
	}
	mustCommit(t, s, note(5, ""), note(6, "sechs"), note(7, "sieben"))
	for _, from := range []store.Offset{0, 395, 400, 405, 599} {
		bs, err := l.Read(bg, from, 1<<20)
		if err != nil || len(bs) == 0 || bs[0].Base > from || bs[0].Last < from || bs[len(bs)-1].Last != 599 {
			t.Fatalf("read at %d: %d batches, %v", from, len(bs), err)
		}
		bs[0].Bytes[len(bs[0].Bytes)-1] ^= 1 // it is the caller's
		at, err := l.OffsetForTime(bg, bs[0].MaxTime)
		if err != nil || at != bs[0].Base {
			t.Fatalf("the time of %d is found at %d, %v", bs[0].Base, at, err)
		}
	}
	for at, want := range map[store.Offset]string{5: "", 6: "sechs", 7: "sieben", 8: ""} {
		if got, err := l.Note(bg, "g/1", at); err != nil || string(got) != want {
			t.Errorf("note at %d: %q, %v", at, got, err)
		}
	}
	if err := checkLog(s, 1, 600); err != nil {
		t.Fatal(err)
	}
}

// TestAheadGoesRound writes the two files over several times, with crashes in between: an image has everything, and nothing twice.
func TestAheadGoesRound(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	cfg.applyAfter = never
	s := mustOpen(t, cfg)
	defer func() { _ = s.Close() }()
	mustLog(t, s, 1)
	const size = 100 << 10
	rounds := map[int]bool{}
	for at, n := store.Offset(0), 0; n < 5*aheadSize/size; at, n = at+1, n+1 {
		mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(at, 1, size)}}})
		rounds[s.ahead.turn] = true
		if n%100 != 99 {
			continue
		}
		image := cfg
		image.Dir = copyDir(t, s.cfg.Dir)
		c := mustOpen(t, image)
		if _, end, _ := mustLog(t, c, 1).Bounds(); end != at+1 {
			t.Fatalf("the image ends at %d, want %d", end, at+1)
		}
		if err := checkLog(c, 1, at+1); err != nil {
			t.Fatal(err)
		}
		gone := c
		if n%200 == 199 { // go on with the image
			gone, s = s, c
		}
		if err := errors.Join(gone.Close(), os.RemoveAll(gone.cfg.Dir)); err != nil {
			t.Fatal(err)
		}
	}
	if len(rounds) != 2 {
		t.Fatal("one file did it all")
	}
}

// TestBehindIsBounded commits faster than Badger gets anything by itself.
func TestBehindIsBounded(t *testing.T) {
	s := behindStore(t, 10)
	for at := store.Offset(10); at < 200; at++ {
		mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(at, 1, 200<<10)}}})
		s.mu.Lock()
		n := s.behindBytes
		s.mu.Unlock()
		if n > maxBehind+maxAhead {
			t.Fatalf("%d bytes are behind", n)
		}
	}
}

// TestGivesWhatWasBehind gives Badger some of what is behind: what comes meanwhile waits for its own turn.
func TestGivesWhatWasBehind(t *testing.T) {
	s := behindStore(t, 100)
	first := s.behind[0].seq
	if err := s.giveBadger(4); err != nil {
		t.Fatal(err)
	}
	if s.inBadger != first+3 || len(s.behind) != 6 || s.behind[0].seq != first+4 {
		t.Fatalf("Badger has %d, %d commits are behind; the first was %d", s.inBadger, len(s.behind), first)
	}
	if tail := s.index.tails[1]; len(tail) != 6 || tail[0].base != 40 {
		t.Fatalf("the tail has %d batches", len(tail))
	}
	if err := checkLog(s, 1, 100); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, store.Unit{{Log: 1, Notes: []store.Note{{Journal: "g/1", At: 5, Bytes: []byte("five")}}}})
	if err := s.catchUp(); err != nil {
		t.Fatal(err)
	}
	if s.inBadger != s.seq || s.behind != nil || s.behindBytes != 0 || len(s.index.tails)+len(s.index.notes) != 0 {
		t.Fatalf("Badger has %d of %d, %d bytes are behind, %v", s.inBadger, s.seq, s.behindBytes, s.index)
	}
}

// TestBubbleWaitsForBadger waits for one who waits, in turn, for the bubble's clock, as Badger does when it must compact first.
func TestBubbleWaitsForBadger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := behindStore(t, 10)
		defer s.Close()
		s.applying <- struct{}{}
		go func() {
			time.Sleep(time.Second)
			<-s.applying
		}()
		if err := s.catchUp(); err != nil || s.inBadger != s.seq {
			t.Fatalf("Badger has %d of %d, %v", s.inBadger, s.seq, err)
		}
	})
}

// TestFullDiskKeepsAhead opens where there is no space to give Badger what a crash has left: it stays where it is.
func TestFullDiskKeepsAhead(t *testing.T) {
	s := behindStore(t, 100)
	cfg := s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	free := cfg.free
	cfg.free = func(string) (size, left int64, err error) { return 10 << 30, 1 << 20, nil }
	wantRefused(t, cfg, ErrFull)
	if all, err := readAhead(cfg.Dir); err != nil || len(all) != 10 {
		t.Fatalf("%d records are left, %v", len(all), err)
	}
	cfg.free = free
	o := mustOpen(t, cfg)
	defer o.Close()
	if err := checkLog(o, 1, 100); err != nil {
		t.Fatal(err)
	}
}

// TestValueIsNoRecord writes over a part of a record whose value looks like the record that would come next.
func TestValueIsNoRecord(t *testing.T) {
	files := func() (*ahead, string) {
		dir := tempDir(t)
		a, err := openAhead(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.close() })
		return a, dir
	}
	add := func(a *ahead, seq uint64, value []byte) {
		t.Helper()
		if err := a.append(seq, seq-1, []op{{[]byte("k"), value}}, func(uint64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	forger, _ := files()
	add(forger, 4, []byte("forged"))
	value := make([]byte, 3*aheadBlock)
	before := aheadHeader + len(appendOps(nil, []op{{[]byte("k"), value}})) - len(value)
	copy(value[aheadBlock-before:], forger.buf)

	a, dir := files()
	add(a, 1, value)
	a.at = aheadSize // the next one goes to the other file
	add(a, 2, []byte("two"))
	a.at = aheadSize
	add(a, 3, []byte("three"))
	all, err := readAhead(dir)
	if err != nil || len(all) != 2 || all[1].seq != 3 {
		t.Fatalf("%d records, the last is %d, %v", len(all), all[len(all)-1].seq, err)
	}
}

// TestTornAhead cuts and changes what a crash left in front of Badger: an unacknowledged tail goes, anything else is refused.
func TestTornAhead(t *testing.T) {
	s := behindStore(t, 100)
	image := copyDir(t, s.cfg.Dir)
	all, err := readAhead(image)
	if err != nil || len(all) != 10 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	last := s.ahead.at - aheadBlock*1 // every record of the ten takes one block
	for _, c := range []struct {
		name  string
		acked bool // the last record's commit was acknowledged
		do    func(path string)
		want  error
		end   store.Offset
	}{
		{"whole", true, func(string) {}, nil, 100},
		{"cut tail", true, func(p string) { truncate(t, p, last+50) }, ErrLost, 0},
		{"cut tail nobody knew of", false, func(p string) { truncate(t, p, last+50) }, nil, 90},
		{"flipped tail nobody knew of", false, func(p string) { flip(t, p, last+50) }, nil, 90},
		{"flipped middle", true, func(p string) { flip(t, p, 5*aheadBlock+50) }, ErrLost, 0},
		{"flipped middle, tail unknown", false, func(p string) { flip(t, p, 5*aheadBlock+50) }, ErrLost, 0},
		{"flipped first, tail unknown", false, func(p string) { flip(t, p, aheadBlock+50) }, ErrLost, 0},
		{"flipped opening", true, func(p string) { flip(t, p, 26) }, nil, 100},
		{"removed", true, func(p string) { _ = os.Remove(p) }, ErrLost, 0},
		{"behind the tail", true, func(p string) { grow(t, p, []byte("something else")) }, nil, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := s.cfg
			cfg.Dir = copyDir(t, image)
			if !c.acked {
				sideAt(t, cfg.Dir, all[len(all)-2].seq)
			}
			c.do(aheadPath(cfg.Dir, 0))
			rep, err := Inspect(bg, cfg.Dir, nil)
			if err != nil || (len(rep.Faults) > 0) != (c.want != nil) {
				t.Errorf("inspect: %+v, %v", rep.Faults, err)
			}
			if c.want != nil {
				wantRefused(t, cfg, c.want)
				return
			}
			if rep.Records != int(c.end) {
				t.Errorf("inspect counts %d records, want %d", rep.Records, c.end)
			}
			o := mustOpen(t, cfg)
			defer o.Close()
			if err := checkLog(o, 1, c.end); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// sideAt makes the side file of a directory know of commits up to one only, as after a power cut.
func sideAt(t *testing.T, dir string, seq uint64) {
	t.Helper()
	side, err := openSide(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(side.advance(seq), side.close()); err != nil {
		t.Fatal(err)
	}
}

// TestEveryByteOfAhead flips each byte that commits were written to, where the side file knows of none of them: all is there, or a commit is missed. Only
// the last one cannot be told from one that was never acknowledged.
func TestEveryByteOfAhead(t *testing.T) {
	s := behindStore(t, 30)
	dir := copyDir(t, s.cfg.Dir)
	sideAt(t, dir, s.behind[0].seq-1)
	path := aheadPath(dir, 0)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRaw(bg, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	side, err := readSide(dir)
	if err != nil {
		t.Fatal(err)
	}
	missed := 0
	for at := range whole {
		bit := byte(1) << (at % 8)
		whole[at] ^= bit
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		whole[at] ^= bit
		if err := r.readAhead(); err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		switch newest, err := r.checkSequence(side); {
		case errors.Is(err, ErrLost):
			missed++
		case err != nil:
			t.Fatalf("byte %d: %v", at, err)
		case newest != s.seq && (newest != s.seq-1 || at < 3*aheadBlock):
			t.Fatalf("byte %d: the newest commit is %d, and %d was acknowledged", at, newest, s.seq)
		}
	}
	if missed < 2*aheadHeader {
		t.Errorf("%d of %d bytes were missed", missed, len(whole))
	}
}

// TestUnreadableAhead starts where one of the files cannot be read: only by whom loss is accepted, and then with a file that can.
func TestUnreadableAhead(t *testing.T) {
	const unreadable = "/proc/self/mem" // its beginning is an I/O error
	if _, err := os.ReadFile(unreadable); !errors.Is(err, unix.EIO) {
		t.Skipf("NOT RUN: reading %s is %v here", unreadable, err)
	}
	s := behindStore(t, 100)
	cfg := s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	path := aheadPath(cfg.Dir, 0)
	if err := errors.Join(os.Remove(path), os.Symlink(unreadable, path)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, cfg, unix.EIO)
	cfg.AcceptDataLoss = true
	o := mustOpen(t, cfg)
	fill(t, o, 1, 100, 100)
	cfg.AcceptDataLoss = false
	cfg.Dir = copyDir(t, cfg.Dir)
	_ = o.Close()
	wantWhole(t, cfg)
}

// TestDamageBeforeTail damages a record that the side file does not know of yet, as after a power cut: those behind it tell.
func TestDamageBeforeTail(t *testing.T) {
	s := behindStore(t, 100)
	cfg := s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	sideAt(t, cfg.Dir, s.behind[1].seq)
	flip(t, aheadPath(cfg.Dir, 0), 6*aheadBlock+100)
	if rep, err := Inspect(bg, cfg.Dir, nil); err != nil || len(rep.Faults) == 0 {
		t.Errorf("inspect finds %v, %v", rep.Faults, err)
	}
	wantRefused(t, cfg, ErrLost)
	cfg.AcceptDataLoss = true
	o := mustOpen(t, cfg)
	defer o.Close()
	if o.seq <= s.seq {
		t.Errorf("goes on at %d, commit %d was acknowledged", o.seq, s.seq)
	}
	if err := checkLog(o, 1, 50); err != nil {
		t.Fatal(err)
	}
}

// TestAcceptedLossGoesOn opens without what is damaged in front of Badger; what comes after meets nothing of it.
func TestAcceptedLossGoesOn(t *testing.T) {
	s := behindStore(t, 100)
	cfg := s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	flip(t, aheadPath(cfg.Dir, 0), 6*aheadBlock+100)
	wantRefused(t, cfg, ErrLost)
	cfg.AcceptDataLoss = true
	o := mustOpen(t, cfg)
	fill(t, o, 1, 50, 100) // the five that were before the damage stay
	if err := checkLog(o, 1, 100); err != nil {
		t.Fatal(err)
	}
	cfg.AcceptDataLoss = false
	cfg.Dir = copyDir(t, cfg.Dir)
	_ = o.Close()
	o = mustOpen(t, cfg)
	defer o.Close()
	if err := checkLog(o, 1, 100); err != nil {
		t.Fatal(err)
	}
}

// TestBackupHasAll makes a copy of a store of which Badger has nothing.
func TestBackupHasAll(t *testing.T) {
	s := behindStore(t, 100)
	path := filepath.Join(tempDir(t), "copy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup(s, bg, f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(filepath.Join(tempDir(t), "restored"))
	if _, err := Restore(bg, cfg.Dir, f); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	o := mustOpen(t, cfg)
	defer o.Close()
	if err := checkLog(o, 1, 100); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, n int64) {
	t.Helper()
	if err := os.Truncate(path, n); err != nil {
		t.Fatal(err)
	}
}

// grow puts bytes at the beginning of the block behind a file's last record.
func grow(t *testing.T, path string, b []byte) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, blocks(int(fi.Size())))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(fmt.Errorf("grow: %w", err))
	}
}
