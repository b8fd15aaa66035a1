//go:build linux || darwin

package badger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4/table"
)

// compacting makes a store with one table fewer than Badger needs to merge them. It runs in a bubble.
func compacting(t *testing.T) *Store {
	t.Helper()
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	fill(t, s, 1, 100, 100)
	addTables(t, s, 4)
	if !s.young() || len(s.db.Tables()) != 4 {
		t.Fatalf("%d tables", len(s.db.Tables()))
	}
	return s
}

// addTables has Badger write tables out, and gives it time to merge them.
func addTables(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		if err := s.flushTable(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
}

// TestLostTableIsLoud has Badger fail to make the table of a compaction, which it does not mind: the store ends, and the next start knows.
func TestLostTableIsLoud(t *testing.T) { synctest.Test(t, testLostTable) }

func testLostTable(t *testing.T) {
	s := compacting(t)
	highest := uint64(0)
	for _, x := range s.db.Tables() {
		highest = max(highest, x.ID)
	}
	for id := highest + 2; id < highest+50; id++ { // Badger makes no table where a file is
		if err := os.WriteFile(table.NewFilename(id, s.cfg.Dir), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addTables(t, s, 1)
	wantDead(t, s, ErrLost)
	bury(s)
	cfg := s.cfg
	wantRefused(t, cfg, ErrLost)
	if rep, err := Inspect(bg, cfg.Dir, nil); err != nil || len(rep.Faults) == 0 {
		t.Errorf("inspect: %+v, %v", rep, err)
	}
	cfg.AcceptDataLoss = true
	o := mustOpen(t, cfg)
	_ = o.Close()
	if err := knownLoss(cfg.Dir); err != nil {
		t.Errorf("accepted, and %v", err)
	}
}

// TestCompactionsAreFollowed compacts: nothing looks lost.
func TestCompactionsAreFollowed(t *testing.T) { synctest.Test(t, testCompactionsFollowed) }

func testCompactionsFollowed(t *testing.T) {
	s := compacting(t)
	defer s.Close()
	addTables(t, s, 20)
	if err := s.cause(); err != nil || s.young() {
		t.Fatalf("nothing was compacted: %v", err)
	}
	if err := checkLog(s, 1, 100); err != nil {
		t.Fatal(err)
	}
}

// TestCompactionsOverlap tells of compactions at the same time, one of which loses a table.
func TestCompactionsOverlap(t *testing.T) { synctest.Test(t, testCompactionsOverlap) }

func testCompactionsOverlap(t *testing.T) {
	s := compacting(t)
	defer s.Close()
	c := newCompactions(s.cfg.Dir)
	if err := c.begin(); err != nil {
		t.Fatal(err)
	}
	built := func(compactor int, keys ...uint64) {
		for _, n := range keys {
			if err := c.heard(logBuilt, []any{compactor, n}); err != nil {
				t.Fatal(err)
			}
		}
	}
	built(0, 10, 0, 20) // an empty one is not made
	built(1, 5)
	c.made = []int{1, 2}
	if err := errors.Join(c.heard(logDone, []any{0, 1}), c.heard(logDone, []any{1, 1})); err != nil || len(c.made) != 0 {
		t.Errorf("%v, %v", c.made, err)
	}
	built(0, 1, 2, 3)
	built(1, 1, 2)
	c.made = []int{2, 2}
	if err := c.heard(logDone, []any{0, 1}); !errors.Is(err, ErrLost) {
		t.Errorf("two of three tables were made: %v", err)
	}
	if err := c.heard(logDone, []any{1, 1}); err != nil {
		t.Errorf("two of two: %v", err)
	}

	built(0, 1)
	built(1, 1)
	c.made, c.list = nil, other(t) // a new list was begun, in which nothing of the two stands
	if err := c.heard(logDone, []any{0, 1}); err != nil {
		t.Errorf("a new list: %v", err)
	}
	built(1, 2)
	if err := c.heard(logDone, []any{1, 1}); err != nil {
		t.Errorf("begun before a new list: %v", err)
	}
	built(1, 1)
	if err := c.heard(logDone, []any{1, 1}); !errors.Is(err, ErrLost) {
		t.Errorf("begun after a new list, and not made: %v", err)
	}
}

// other describes another file.
func other(t *testing.T) os.FileInfo {
	t.Helper()
	fi, err := os.Stat(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return fi
}
