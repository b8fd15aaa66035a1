package badger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/storetest"
)

// copyDir copies a data directory as a crash would leave it, while its store may be at work. Files are copied in an
// order in which what is copied later may only know more; holes stay holes.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	for {
		to, err := os.MkdirTemp(filepath.Dir(from), "crash") // goes with the test's own directory
		if err != nil {
			t.Fatal(err)
		}
		copyAll(t, from, to, sideName)
		copyAhead(t, from, to)
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
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
}

// copyAhead copies the files in front of Badger, the one that is being written last: of the other order a commit could come along without those before
// it, which no crash does. If their turn changes meanwhile, it begins anew.
func copyAhead(t testing.TB, from, to string) {
	t.Helper()
	for {
		last := newestAhead(t, from)
		for _, i := range []int{1 - last, last} {
			copyFile(t, aheadPath(from, i), aheadPath(to, i))
		}
		if newestAhead(t, from) == last {
			return
		}
	}
}

// newestAhead returns which of the files in front of Badger has the newest commit.
func newestAhead(t testing.TB, dir string) (file int) {
	t.Helper()
	newest := uint64(0)
	for i := range 2 {
		b, err := readAheadFile(aheadPath(dir, i))
		if err != nil {
			t.Fatal(err)
		}
		run, err := parseAhead(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range run {
			if r.seq > newest {
				newest, file = r.seq, i
			}
		}
	}
	return file
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

// harness lets the suite restart a store and crash it.
type harness struct {
	s *Store
}

func newHarness(t *testing.T) storetest.Harness {
	h := &harness{mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))}
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
