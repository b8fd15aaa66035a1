//go:build linux

package badger

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/storetest"
)

// testConfig is a configuration that does not depend on how full the machine's disk is.
func testConfig(dir string) Config {
	return Config{
		Dir: dir, MinFree: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func mustOpen(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// copyDir copies a data directory as a crash would leave it, while its store may be at work. Files are copied in an
// order in which what is copied later may only know more; holes stay holes.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	for {
		to := filepath.Join(t.TempDir(), "crash")
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		copyAll(t, from, to, sideName)
		for _, pattern := range []string{"*.mem", "MANIFEST", "*.sst", "*.vlog", "*"} {
			copyAll(t, from, to, pattern)
		}
		was, err := os.ReadFile(filepath.Join(to, "MANIFEST"))
		if err != nil {
			t.Fatal(err)
		}
		is, err := os.ReadFile(filepath.Join(from, "MANIFEST"))
		if err != nil {
			t.Fatal(err)
		}
		if string(was) == string(is) { // no table that it names was removed meanwhile
			return to
		}
	}
}

// copyAll copies the files that match and are not there yet.
func copyAll(t testing.TB, from, to, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(from, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		target := filepath.Join(to, filepath.Base(p))
		if _, err := os.Stat(target); err == nil || filepath.Base(p) == ballastName {
			continue
		}
		copyFile(t, p, target)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return // it was removed meanwhile
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	fi, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at := fi.Size()
	for from := int64(0); from < at; {
		data, err := unix.Seek(int(in.Fd()), from, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		hole, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, data), io.NewSectionReader(in, data, hole-data)); err != nil {
			t.Fatal(err)
		}
		from = hole
	}
	if err := out.Truncate(at); err != nil {
		t.Fatal(err)
	}
}

// harness lets the suite restart a store and crash it.
type harness struct {
	s *Store
}

func newHarness(t *testing.T) storetest.Harness {
	h := &harness{mustOpen(t, testConfig(filepath.Join(t.TempDir(), "data")))}
	t.Cleanup(func() { _ = h.s.Close() })
	return h
}

func (h *harness) Store() store.Store { return h.s }

func (h *harness) Reopen(t *testing.T) store.Store {
	_ = h.s.Close()
	h.s = mustOpen(t, h.s.cfg)
	return h.s
}

func (h *harness) Crash(t *testing.T) store.Store {
	cfg := h.s.cfg
	cfg.Dir = copyDir(t, cfg.Dir)
	_ = h.s.Close()
	h.s = mustOpen(t, cfg)
	return h.s
}

func TestConformance(t *testing.T) { storetest.Run(t, newHarness) }
