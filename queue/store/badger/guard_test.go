//go:build linux || darwin

package badger

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// closed makes a store with something in it, and closes it.
func closed(t testing.TB) Config {
	t.Helper()
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	fill(t, s, 1, 100, 2000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func wantRefused(t *testing.T, cfg Config, want error) {
	t.Helper()
	s, err := Open(bg, cfg)
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("open: %v, want %v", err, want)
	}
}

func wantWhole(t *testing.T, cfg Config) *Store {
	t.Helper()
	s := mustOpen(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	if err := checkLog(s, 1, 100); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectoryIsPrivate(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "a", "data"))
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_ = mustOpen(t, cfg).Close()
	if fi, err := os.Stat(cfg.Dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Fatalf("mode: %v, %v", fi.Mode(), err)
	}
}

func TestInUse(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	defer s.Close()
	_, err := Open(bg, cfg)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), cfg.Dir) || !strings.Contains(err.Error(), "process ") {
		t.Fatalf("second open: %v", err)
	}
	if _, err := Inspect(bg, cfg.Dir, nil); !errors.Is(err, ErrInUse) {
		t.Fatalf("inspect: %v", err)
	}
	fill(t, s, 1, 10, 10) // the owner does not mind
}

func TestMissingManifestIsRefused(t *testing.T) {
	cfg := closed(t)
	path := filepath.Join(cfg.Dir, "MANIFEST")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	cfg.AcceptDataLoss = true // not even then: it would delete the tables
	wantRefused(t, cfg, store.ErrCorrupt)
	cfg.AcceptDataLoss = false
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, cfg)
}

func TestIdentity(t *testing.T) {
	cfg := closed(t)
	path := filepath.Join(cfg.Dir, identityName)
	if err := os.WriteFile(path, []byte("holt data directory, engine badger, format 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, cfg, ErrForeign)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, cfg, ErrForeign)
}

// TestInterruptedFirstStart begins where a first start was cut off: the directory is marked as being made.
func TestInterruptedFirstStart(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	cfg.Dir = copyDir(t, cfg.Dir)
	_ = s.Close()
	for _, step := range []func() error{
		func() error {
			return os.Rename(filepath.Join(cfg.Dir, identityName), filepath.Join(cfg.Dir, newIdentityName))
		},
		func() error { return os.Remove(filepath.Join(cfg.Dir, sideName)) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	s = mustOpen(t, cfg)
	fill(t, s, 1, 100, 100)
	_ = s.Close()
	wantWhole(t, cfg)
}

func TestLostCommitsAreRefused(t *testing.T) {
	cfg := closed(t)
	side, err := openSide(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	ahead := side.rec.seq + 5
	if err := errors.Join(side.advance(ahead), side.close()); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, cfg, ErrLost)
	cfg.AcceptDataLoss = true
	s := wantWhole(t, cfg)
	if s.seq <= ahead {
		t.Fatalf("sequence %d is used a second time, %d was acknowledged", s.seq, ahead)
	}
	cfg.AcceptDataLoss = false
	killed := cfg
	killed.Dir = copyDir(t, cfg.Dir) // the jump of the sequence lies in the log only
	wantWhole(t, killed)
	_ = s.Close()
	wantWhole(t, cfg) // accepted once, forgotten
}

func TestMissingSideFileIsRefused(t *testing.T) {
	cfg := closed(t)
	if err := os.Remove(filepath.Join(cfg.Dir, sideName)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, cfg, ErrLost)
	cfg.AcceptDataLoss = true
	if s := wantWhole(t, cfg); s.Health().Opens != 2 {
		t.Fatalf("opens: %d, want 2", s.Health().Opens)
	}
}

// TestSideFileIsExactAfterKill kills without a tick of the keeper: the side file still knows each commit.
func TestSideFileIsExactAfterKill(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	s := mustOpen(t, cfg)
	fill(t, s, 1, 100, 100)
	cfg.Dir = copyDir(t, cfg.Dir)
	seq := s.seq
	_ = s.Close()
	if r, err := readSide(cfg.Dir); err != nil || r.seq != seq || r.clean {
		t.Fatalf("side file: %+v, %v, want sequence %d", r, err, seq)
	}
}

// TestSideFileIsSynced looks at the keeper: within a second what was committed is fsynced.
func TestSideFileIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
		defer s.Close()
		fill(t, s, 1, 10, 10)
		if !s.side.behind() {
			t.Fatal("a commit synced the side file")
		}
		time.Sleep(keepEvery + time.Millisecond)
		synctest.Wait()
		if s.side.behind() {
			t.Fatal("the keeper did not sync the side file")
		}
	})
}

func TestVerifyComesFirst(t *testing.T) {
	cfg := closed(t)
	bad := errors.New("bad")
	cfg.Verify = func(context.Context, string) error { return bad }
	wantRefused(t, cfg, bad)
	cfg.AcceptDataLoss = true
	s := mustOpen(t, cfg)
	_ = s.Close()
}

// TestVerifyInChild runs this test's binary as the child.
func TestVerifyInChild(t *testing.T) {
	t.Setenv(childEnv, "verify")
	cfg := closed(t)
	cfg.Verify = VerifyBy(os.Args[0])
	s := wantWhole(t, cfg)
	_ = s.Close()
	tables, _ := filepath.Glob(filepath.Join(cfg.Dir, "*.sst"))
	if len(tables) == 0 {
		t.Fatal("no table to damage")
	}
	flip(t, tables[0], 100)
	wantRefused(t, cfg, store.ErrCorrupt)
	t.Setenv(childEnv, "die")
	wantRefused(t, cfg, store.ErrCorrupt)
}

func TestOpensIsDurable(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	for want := uint64(1); want <= 4; want++ {
		s := mustOpen(t, cfg)
		if got := s.Health().Opens; got != want {
			t.Fatalf("opens: %d, want %d", got, want)
		}
		cfg.Dir = copyDir(t, cfg.Dir) // killed right after Open returned
		_ = s.Close()
	}
}

// TestEmptyFile opens what a crash left between the making of a file and its first write.
func TestEmptyFile(t *testing.T) {
	for _, ext := range []string{".mem", ".vlog"} {
		t.Run(ext, func(t *testing.T) {
			cfg := closed(t)
			files, err := numberedFiles(cfg.Dir, ext)
			if err != nil {
				t.Fatal(err)
			}
			name := "00099" + ext
			if ext == ".vlog" {
				name = "000099" + ext
			}
			if len(files) > 0 && files[len(files)-1].number >= 99 {
				t.Fatal("the new file would not be the newest")
			}
			if err := os.WriteFile(filepath.Join(cfg.Dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, cfg)
		})
	}
}

func TestFileLimit(t *testing.T) {
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	cfg.fileLimit = func() (uint64, error) { return 64, nil }
	wantRefused(t, cfg, ErrFewFiles)

	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(filepath.Join(tempDir(t), "data"))
		cfg.fileLimit = func() (uint64, error) { return 1000, nil }
		var open atomic.Uint64
		cfg.openFiles = func() (uint64, error) { return open.Load(), nil }
		s := mustOpen(t, cfg)
		defer bury(s)
		for _, c := range []struct {
			open uint64
			low  bool
		}{{799, false}, {800, true}, {100, false}} {
			open.Store(c.open)
			time.Sleep(keepEvery + time.Millisecond)
			synctest.Wait()
			if h := s.Health(); h.Low != c.low {
				t.Fatalf("%d of 1000 files open: low is %v", c.open, h.Low)
			}
		}
		open.Store(950)
		time.Sleep(keepEvery + time.Millisecond)
		synctest.Wait()
		wantDead(t, s, ErrFewFiles)
	})
}

// bury closes a store that died, and what the end of its process would.
func bury(s *Store) {
	_ = s.Close()
	_ = s.db.Close()
}

// wantDead checks that the store has stopped, for a cause, and says so everywhere without hanging.
func wantDead(t *testing.T, s *Store, cause error) {
	t.Helper()
	h := s.Health()
	select {
	case <-h.Dead:
	default:
		t.Fatal("the store lives")
	}
	if !errors.Is(h.Cause, cause) {
		t.Fatalf("cause: %v, want %v", h.Cause, cause)
	}
	if _, err := s.Commit(bg, nil); !errors.Is(err, store.ErrDead) {
		t.Fatalf("commit: %v", err)
	}
	if _, err := s.Open(bg, 1); !errors.Is(err, store.ErrDead) {
		t.Fatalf("open log: %v", err)
	}
	if _, err := s.Meta().List(bg, ""); !errors.Is(err, store.ErrDead) {
		t.Fatalf("meta: %v", err)
	}
}

func TestFreeSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gib = int64(1 << 30)
		var free atomic.Int64
		free.Store(gib)
		cfg := testConfig(filepath.Join(tempDir(t), "data"))
		cfg.MinFree = 256 << 20
		cfg.free = func(string) (int64, int64, error) { return 10 * gib, free.Load(), nil }
		s := mustOpen(t, cfg)
		defer bury(s)
		fill(t, s, 1, 100, 10)
		ballast := filepath.Join(cfg.Dir, ballastName)
		for _, c := range []struct {
			free         int64
			low, ballast bool
		}{{gib, false, true}, {256<<20 - 1, true, true}, {64<<20 - 1, true, false}, {300 << 20, false, false}, {gib, false, true}} {
			free.Store(c.free)
			time.Sleep(keepEvery + time.Millisecond)
			synctest.Wait()
			fi, err := os.Stat(ballast)
			if h := s.Health(); h.Low != c.low || (err == nil) != c.ballast || h.Free != c.free {
				t.Fatalf("%d MiB free: %+v, ballast %v", c.free>>20, h, err)
			}
			if err == nil && fi.Size() != 64<<20 {
				t.Fatalf("ballast of %d bytes", fi.Size())
			}
		}
		free.Store(64 << 20) // settles go on
		time.Sleep(keepEvery + time.Millisecond)
		fill(t, s, 1, 100, 10)
		free.Store(minFloor - 1)
		l := mustLog(t, s, 1)
		_, end, _ := l.Bounds()
		n, err := s.Commit(bg, []store.Unit{{{Log: 1, Append: []store.Batch{testBatch(end, 1, 1)}}}})
		if n != 0 || !errors.Is(err, store.ErrUnknown) || !errors.Is(err, ErrFull) {
			t.Fatalf("commit on a full disk: %d, %v", n, err)
		}
		wantDead(t, s, ErrFull)
	})
}

func TestDefaultMinFree(t *testing.T) {
	for _, c := range []struct{ size, want int64 }{{1 << 30, 1 << 30}, {1 << 40, 1 << 40 / 20}} {
		sp, err := newSpace(tempDir(t), 0, func(string) (int64, int64, error) { return c.size, 0, nil })
		if err != nil || sp.minimum != c.want {
			t.Fatalf("minimum for %d: %d, %v", c.size, sp.minimum, err)
		}
	}
}

// TestStorageErrorsStop feeds the logger what Badger says when storage fails. The messages are looked up in its source, so
// that a new version that words them differently is noticed here.
func TestStorageErrorsStop(t *testing.T) {
	source := badgerSource(t)
	for _, format := range []string{logBuilt, logDone} {
		if !strings.Contains(source, `Debugf("`+format) {
			t.Errorf("Badger does not say %q any more", format)
		}
	}
	for _, c := range []struct {
		level, format string
		stops         bool
	}{
		{"Errorf", "Error while curlf sync: %v\\n", true},
		{"Errorf", "error flushing memtable to disk: %v, retrying", true},
		{"Errorf", "writeRequests: %v", true},
		{"Errorf", "cannot start subcompaction: %+v", true},
		{"Errorf", "while deleting file: %s, err: %v", true},
		{"Errorf", "Ignoring table %s", true},
		{"Warningf", "[Compactor: %d] LOG Compact FAILED with error: %+v: %+v", true},
		{"Errorf", "Unable to read: Key: %v, Version : %v, meta: %v, userMeta: %v", false},
		{"Errorf", "Key: %v, Version : %v, meta: %v, userMeta: %v valuePointer: %+v", false},
		{"Errorf", "Invalid read: vp: %+v", false},
		{"Errorf", "Received err: %v. Cleaning up...", false},
		{"Warningf", "While running doCompact with %+v. Error: %v\\n", false},
	} {
		if !strings.Contains(source, c.level+`("`+c.format) {
			t.Errorf("Badger does not say %q any more", c.format)
		}
		s := newStore(testConfig("x").withDefaults())
		w := s.newWatcher()
		say := w.Errorf
		if c.level == "Warningf" {
			say = w.Warningf
		}
		say(strings.ReplaceAll(c.format, `\n`, "\n"))
		if (s.cause() != nil) != c.stops {
			t.Errorf("%q: cause %v", c.format, s.cause())
		}
	}
}

func badgerSource(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dgraph-io/badger/v4").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source: %v", err)
	}
	var b strings.Builder
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(src)
	}
	return b.String()
}

// TestDeadStore has the logger stop an open store in the middle of a commit: the commit's fate is unknown, though Badger says nothing.
func TestDeadStore(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	fill(t, s, 1, 100, 10)
	l := mustLog(t, s, 1)
	io := errors.New("input/output error")
	s.token <- struct{}{} // a commit begins, with nothing behind …
	if err := s.catchUp(); err != nil {
		t.Fatal(err)
	}
	s.fail(io) // … and a sync fails
	if err := s.write(nil); !errors.Is(err, store.ErrUnknown) || !errors.Is(err, io) {
		t.Fatalf("write: %v", err)
	}
	<-s.token
	if _, err := l.Read(bg, 0, 1); !errors.Is(err, store.ErrDead) {
		t.Fatalf("read: %v", err)
	}
	wantDead(t, s, io)
	if err := s.Close(); !errors.Is(err, store.ErrDead) || !errors.Is(err, io) {
		t.Fatalf("close: %v", err)
	}
	if err := s.Close(); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("second close: %v", err)
	}
	_ = s.db.Close() // the process would end here
}

// TestDeadStoreBehind asks for what Badger would have to get first, of a store that dies before that: it is dead, and nothing of the call is in doubt.
func TestDeadStoreBehind(t *testing.T) {
	s := behindStore(t, 10)
	l := mustLog(t, s, 1)
	io := errors.New("input/output error")
	s.fail(io)
	for name, err := range map[string]error{
		"catch up": s.catchUp(), "replay": l.Replay(bg, func(store.Entry) error { return nil }), "write": s.write(nil),
	} {
		if !errors.Is(err, store.ErrDead) || errors.Is(err, store.ErrUnknown) || !errors.Is(err, io) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bury(s)
}

// TestOldIdentity opens a directory of the version before, which may not open it again.
func TestOldIdentity(t *testing.T) {
	cfg := closed(t)
	path := filepath.Join(cfg.Dir, identityName)
	if err := os.WriteFile(path, []byte(oldIdentity), 0o600); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, cfg)
	if b, err := os.ReadFile(path); err != nil || string(b) != identity {
		t.Errorf("identity %q, %v", b, err)
	}
}

// TestCloseDoesNotHang closes a store whose directory is gone: Badger cannot write out what it has in memory, and tries for ever.
func TestCloseDoesNotHang(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	fill(t, s, 1, 10, 10)
	if err := os.RemoveAll(s.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "flushing memtable") {
		t.Fatalf("close: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	err := Config{MinFree: -1, CollectEvery: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("validate: %v", err)
	}
	if err := testConfig("x").Validate(); err != nil {
		t.Fatal(err)
	}
}
