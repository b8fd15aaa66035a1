//go:build linux || darwin

package badger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// childEnv makes this test's binary a child process: damage can end a process.
const childEnv = "HOLT_BADGER_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "verify":
		err := Verify(bg, os.Args[len(os.Args)-1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(VerifyExit(err))
	case "die":
		panic("damage")
	case "write":
		os.Exit(childWrite(os.Args[len(os.Args)-1]))
	case "open":
		os.Exit(childOpen(os.Args[len(os.Args)-1]))
	}
}

// What a child found in a damaged directory.
const (
	childRight   = 0
	childLess    = 10 // data is missing or wrong, and nothing said so
	childRefused = 11
	childCorrupt = 12
)

func childOpen(dir string) int {
	s, err := Open(bg, testConfig(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childRefused
	}
	defer s.Close()
	err = checkDamaged(s)
	switch {
	case err == nil:
		return childRight
	case errors.Is(err, store.ErrCorrupt):
		return childCorrupt
	}
	fmt.Fprintln(os.Stderr, err)
	return childLess
}

// childWrite commits until the store dies, and prints how much of log 1 was acknowledged.
func childWrite(dir string) int {
	s, err := Open(bg, testConfig(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childRefused
	}
	if _, err := s.Open(bg, 1); err != nil {
		return childLess
	}
	for at := store.Offset(0); at < 100_000; at += 10 {
		if _, err := s.Commit(bg, []store.Unit{{{Log: 1, Append: []store.Batch{testBatch(at, 10, 2000)}}}}); err != nil {
			fmt.Println(at)
			_, again := s.Commit(bg, nil)
			if (errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrDead)) && errors.Is(again, store.ErrDead) {
				return childRight
			}
			fmt.Fprintln(os.Stderr, err, again)
			return childLess
		}
	}
	return childLess
}

// traced returns a child that meets a fault in its system calls, as strace(1) injects it.
func traced(t *testing.T, dir, does, calls, fault string) *exec.Cmd {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT RUN: it needs strace")
	}
	cmd := exec.Command(strace, "-f", "-qq", "-o", filepath.Join(filepath.Dir(dir), "trace"), "-e", "trace="+calls,
		"-e", fmt.Sprintf("inject=%s:%s", calls, fault), os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"="+does)
	return cmd
}

// TestKilledStarts kills one start after the other, each a little later, over commits that Badger has not got: they are all there in the end.
func TestKilledStarts(t *testing.T) {
	s := behindStore(t, 100)
	cfg := s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	const enough = 10
	kills := 0
	for when := 1; ; when++ {
		cmd := traced(t, cfg.Dir, "open", "pwrite64,msync,fsync,fdatasync,rename,renameat,unlinkat,ftruncate", fmt.Sprintf("signal=KILL:when=%d", when))
		if out, err := cmd.CombinedOutput(); strings.Contains(string(out), ErrLost.Error()) || strings.Contains(string(out), store.ErrCorrupt.Error()) {
			t.Fatalf("after %d kills: %v: %s", kills, err, out)
		}
		if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() { // by strace, as its child was
			kills++
			continue
		}
		if kills >= enough {
			break
		}
		wantWhole(t, cfg) // strace counts the calls of each thread by itself, and none of this start's made so many: once more from the beginning
		cfg.Dir, when = copyDir(t, s.cfg.Dir), 0
	}
	t.Logf("%d starts were killed", kills)
	wantWhole(t, cfg)
}

// TestSyncErrorStops has one sync or write of a child fail, of a commit or of what Badger does with it later: nothing is acknowledged after it, and all that was
// before it is there on the next start.
func TestSyncErrorStops(t *testing.T) {
	faults := []struct{ call, fault string }{{"msync", "EIO"}, {"fdatasync", "EIO"}, {"pwrite64", "ENOSPC"}}
	for i := range 12 {
		when, call := 30+i/len(faults), faults[i%len(faults)].call
		dir := filepath.Join(tempDir(t), "data")
		cmd := traced(t, dir, "write", call, fmt.Sprintf("error=%s:when=%d", faults[i%len(faults)].fault, when))
		var out, said strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s %d: %v: %s", call, when, err, said.String())
		}
		var acked int64
		if _, err := fmt.Sscan(out.String(), &acked); err != nil || acked == 0 {
			t.Fatalf("%s %d: nothing was acknowledged: %q", call, when, out.String())
		}
		s := mustOpen(t, testConfig(dir))
		_, end, _ := mustLog(t, s, 1).Bounds()
		if int64(end) != acked && int64(end) != acked+10 {
			t.Errorf("%s %d: the log ends at %d, %d was acknowledged", call, when, end, acked)
		}
		if err := checkLog(s, 1, end); err != nil {
			t.Error(err)
		}
		_ = s.Close()
	}
}

// damageStore fills a store with some of everything; checkDamaged finds out whether it is still all there.
func damageStore(t *testing.T, dir string) *Store {
	s := mustOpen(t, testConfig(dir))
	fill(t, s, 1, 1500, 3000) // values in the value log …
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testConfig(dir))
	fill(t, s, 1, 1500, 3000) // … in two files of it
	fill(t, s, 2, 500, 10)    // values in tables
	for i := range 50 {
		mustCommit(t, s, store.Unit{{Log: 1,
			Entries: []store.Entry{{Journal: "g/1", Kind: store.Delta, Seq: uint64(i + 1), Bytes: fmt.Appendf(nil, "delta %d", i+1)}},
			Notes:   []store.Note{{Journal: "g/1", At: store.Offset(i), Bytes: fmt.Appendf(nil, "note %d", i)}}}})
		if _, err := s.Meta().Put(bg, fmt.Sprintf("t/%02d", i), fmt.Appendf(nil, "topic %d", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func checkDamaged(s *Store) error {
	if err := errors.Join(checkLog(s, 1, 3000), checkLog(s, 2, 500)); err != nil {
		return err
	}
	l, err := s.Open(bg, 1)
	if err != nil {
		return err
	}
	next := uint64(1)
	if err := l.Replay(bg, func(e store.Entry) error {
		if e.Seq != next || string(e.Bytes) != fmt.Sprintf("delta %d", next) {
			return fmt.Errorf("delta %d: %d %q", next, e.Seq, e.Bytes)
		}
		next++
		return nil
	}); err != nil {
		return err
	}
	if next != 51 {
		return fmt.Errorf("%d deltas, want 50", next-1)
	}
	for i := range 50 {
		if n, err := l.Note(bg, "g/1", store.Offset(i)); err != nil || string(n) != fmt.Sprintf("note %d", i) {
			return errors.Join(err, fmt.Errorf("note %d: %q", i, n))
		}
	}
	defs, err := s.Meta().List(bg, "t/")
	if err == nil && len(defs) != 50 {
		err = fmt.Errorf("%d definitions, want 50", len(defs))
	}
	return err
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	change(t, path, func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	})
}

func change(t *testing.T, path string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fn(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damages are what happens to one file. at runs over its written part.
var damages = []struct {
	name string
	do   func(t *testing.T, path string, at int64)
}{
	{"flip", flip},
	{"cut", func(t *testing.T, path string, at int64) {
		if err := os.Truncate(path, at); err != nil {
			t.Fatal(err)
		}
	}},
	{"zero", func(t *testing.T, path string, at int64) {
		change(t, path, func(b []byte) []byte {
			clear(b[at:min(at+512, int64(len(b)))])
			return b
		})
	}},
	{"remove", func(t *testing.T, path string, _ int64) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}},
}

// TestDamageIsLoud damages each file of a directory, closed and killed, in each way: afterwards all data is right, or the start is
// refused, or what is damaged is reported. It is never silently less.
func TestDamageIsLoud(t *testing.T) {
	dir := filepath.Join(tempDir(t), "data")
	s := damageStore(t, dir)
	killed := copyDir(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]map[int]int{}
	for state, from := range map[string]string{"closed": dir, "killed": killed} {
		names, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			written := writtenPart(t, filepath.Join(from, n.Name()))
			if n.Name() == ballastName || n.Name() == "LOCK" || n.Name() == "HOLT.lock" || written == 0 {
				continue
			}
			for _, d := range damages {
				turns := 3
				if d.name == "remove" || raceEnabled { // each is a process, and none of them has much beside it
					turns = 1
				}
				for range turns {
					at := random.Int64N(written)
					name := fmt.Sprintf("%s %s of %s at %d", state, d.name, n.Name(), at)
					got := damageOne(t, from, n.Name(), at, d.do, name)
					kind := state + " " + filepath.Ext(n.Name()) + " " + d.name
					if seen[kind] == nil {
						seen[kind] = map[int]int{}
					}
					seen[kind][got]++
				}
			}
		}
	}
	for kind, m := range seen {
		t.Logf("%-24s right %d, refused %d, corrupt %d", kind, m[childRight], m[childRefused], m[childCorrupt])
	}
}

func damageOne(t *testing.T, from, name string, at int64, do func(*testing.T, string, int64), what string) int {
	t.Helper()
	dir := copyDir(t, from)
	defer os.RemoveAll(dir)
	do(t, filepath.Join(dir, name), at)
	rep, ierr := Inspect(bg, dir, nil)
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"=open")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	switch code := cmd.ProcessState.ExitCode(); code {
	case childRight:
		return code
	case childRefused, childCorrupt:
		if ierr == nil && len(rep.Faults) == 0 && name != sideName {
			t.Errorf("%s: Inspect found nothing; the child: %s", what, out)
		}
		return code
	case childLess:
		t.Errorf("%s: silently less: %s", what, out)
		return code
	default:
		t.Errorf("%s: the process ended with %d: %.300s", what, code, out)
		return code
	}
}

// writtenPart returns how many bytes of a file are not the zeros behind what was written.
func writtenPart(t *testing.T, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		return 0
	}
	return int64(len(strings.TrimRight(string(b), "\x00")))
}

// flipBatch damages a stored batch in the files of the value log, so many bytes from the beginning of its own bytes: before it (< 0) lies what the store says of it.
func flipBatch(t *testing.T, dir string, b store.Batch, at int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		change(t, f, func(all []byte) []byte {
			if i := bytes.Index(all, b.Bytes); i >= 0 {
				found++
				all[i+at] ^= 0x10
			}
			return all
		})
	}
	if found != 1 {
		t.Fatalf("the batch at %d is found %d times", b.Base, found)
	}
}

// TestDamageHasAnExtent damages batches in different ways: it is told how far the damage goes, and what lies before and behind is read as ever.
func TestDamageHasAnExtent(t *testing.T) {
	dir := filepath.Join(tempDir(t), "data")
	for range 2 { // the newest file of the value log is read at the start, which damage in it refuses
		s := mustOpen(t, testConfig(dir))
		fill(t, s, 1, 100, 300)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	flipBatch(t, dir, testBatch(20, 10, 300), 1000) // a record
	flipBatch(t, dir, testBatch(30, 10, 300), 16)   // the batch's header
	flipBatch(t, dir, testBatch(60, 10, 300), -10)  // the store's
	flipBatch(t, dir, testBatch(90, 10, 300), 2000)
	s := mustOpen(t, testConfig(dir))
	defer s.Close()
	l := mustLog(t, s, 1)
	damaged := map[store.Offset]store.Offset{20: 29, 27: 29, 29: 29, 30: 39, 61: 69, 90: 99}
	for at, last := range damaged {
		_, err := l.Read(bg, at, 1<<20)
		d, known := store.DamageAt(err, at)
		if !errors.Is(err, store.ErrCorrupt) || !known || d.From != at || d.Last != last {
			t.Errorf("at %d: %v, want damage up to %d", at, err, last)
		}
	}
	for at, last := range map[store.Offset]store.Offset{0: 19, 15: 19, 40: 59, 59: 59, 70: 89} {
		got, err := l.Read(bg, at, 1<<20)
		if err != nil || got[len(got)-1].Last != last {
			t.Errorf("at %d: %d batches, %v, want those up to %d", at, len(got), err, last)
		}
		into := make([]byte, 1<<20)
		if got, err := l.(store.Filler).Fill(bg, at, into); err != nil || got[len(got)-1].Last != last {
			t.Errorf("fill at %d: %d batches, %v, want those up to %d", at, len(got), err, last)
		}
	}
}

// TestLostFileHasAnExtent starts, as it is told to, without a file of the value log.
func TestLostFileHasAnExtent(t *testing.T) {
	dir := filepath.Join(tempDir(t), "data")
	s := damageStore(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "000001.vlog")); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(dir)
	cfg.AcceptDataLoss = true
	s = mustOpen(t, cfg)
	defer s.Close()
	l := mustLog(t, s, 1)
	lost := 0
	for at := store.Offset(0); at < 3000; {
		got, err := l.Read(bg, at, 1)
		if d, known := store.DamageAt(err, at); known {
			lost += int(d.Last-at) + 1
			at = d.Last + 1
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		at = got[0].Last + 1
	}
	step := store.Offset(7)
	if raceEnabled {
		step = 97
	}
	for at := store.Offset(1); at < 3000; at += step { // times are those of testBatch
		got, err := l.OffsetForTime(bg, time.UnixMilli(1_700_000_000_000+int64(at)))
		if err != nil || got > (at+9)/10*10 {
			t.Fatalf("offset for the time of %d: %d, %v", at, got, err)
		}
	}
	if lost == 0 || lost == 3000 {
		t.Errorf("%d records of 3000 are lost with one of two files", lost)
	}
}
