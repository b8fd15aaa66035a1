package badger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// severalFiles makes a store whose log 1 has n batches in value files of 1 MiB.
func severalFiles(t *testing.T, n int) *Store {
	t.Helper()
	cfg := testConfig(filepath.Join(tempDir(t), "data"))
	cfg.valueFile, cfg.applyAfter = 1<<20, never
	s := mustOpen(t, cfg)
	t.Cleanup(func() { _ = s.Close() })
	mustLog(t, s, 1)
	for at := range store.Offset(n) {
		mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(at, 1, 100<<10)}}})
		if err := s.catchUp(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestBypassReadsAsBadger reads each batch from its file, and by Badger where that is not to be had.
func TestBypassReadsAsBadger(t *testing.T) {
	const n = 30
	s := severalFiles(t, n)
	mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(n, 1, 10)}}}) // no value of the value log
	if err := s.catchUp(); err != nil {
		t.Fatal(err)
	}
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	for _, dir := range []string{s.cfg.Dir, tempDir(t)} {
		s.bypass = bypass{dir: dir, open: map[uint32]*os.File{}}
		for at := range store.Offset(n + 1) {
			key := batchKey(1, at)
			item, err := txn.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			var want store.Batch
			err = item.Value(func(v []byte) error {
				want, err = copyBatch(key, v, len(v), nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			into := make([]byte, len(want.Bytes)-int(at%2)) // sometimes it does not fit
			got, err := s.readBatch(item, key, len(want.Bytes), into)
			if err != nil || got.Base != want.Base || got.Last != want.Last || !got.MaxTime.Equal(want.MaxTime) || !bytes.Equal(got.Bytes, want.Bytes) {
				t.Fatalf("batch at %d: %d–%d with %d bytes, %v", at, got.Base, got.Last, len(got.Bytes), err)
			}
			if fits := len(got.Bytes) == len(into); fits && &got.Bytes[0] != &into[0] {
				t.Errorf("batch at %d is not where it was to be", at)
			}
			if _, err := s.readBatch(item, key, len(want.Bytes)-1, into); !errors.Is(err, errLarge) {
				t.Errorf("batch at %d, too large: %v", at, err)
			}
		}
		if there := dir == s.cfg.Dir; len(s.bypass.open) > 0 != there {
			t.Errorf("%d files were read", len(s.bypass.open))
		}
	}
}

// TestBypassChecksTheKey looks where another value lies.
func TestBypassChecksTheKey(t *testing.T) {
	s := severalFiles(t, 2)
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	item := func(at store.Offset) *badgerdb.Item {
		it, err := txn.Get(batchKey(1, at))
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	first, second := item(0), item(1)
	a, _ := pointerOf(first)
	b, _ := pointerOf(second)
	path := s.bypass.path(a.file)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(content[b.offset:], content[a.offset:a.offset+a.length])
	s.bypass.dir = tempDir(t)
	if err := os.WriteFile(s.bypass.path(a.file), content, 0o600); err != nil {
		t.Fatal(err)
	}
	into := func(n int) []byte { return make([]byte, n) }
	if !s.bypass.read(first, nil, into) || s.bypass.read(second, nil, into) {
		t.Error("the first value is taken for the second")
	}
}

// TestBypassIsBounded opens more files than may be, and lets go of those that were removed.
func TestBypassIsBounded(t *testing.T) {
	f := bypass{dir: t.TempDir(), open: map[uint32]*os.File{}}
	for i := range uint32(maxBypass + 10) {
		if err := os.WriteFile(f.path(i), fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := f.file(i)
		if err != nil {
			t.Fatal(err)
		}
		if b := make([]byte, 1); len(f.open) > maxBypass {
			t.Fatalf("%d files are open", len(f.open))
		} else if _, err := file.ReadAt(b, 0); err != nil || b[0] != fmt.Sprint(i)[0] {
			t.Fatalf("file %d: %q, %v", i, b, err)
		}
	}
	for i := range uint32(maxBypass + 10) {
		if i%2 == 0 {
			_ = os.Remove(f.path(i))
		}
	}
	f.forget()
	for i := range f.open {
		if i%2 == 0 {
			t.Errorf("file %d was removed and is open", i)
		}
	}
	if len(f.open) == 0 {
		t.Error("all were closed")
	}
	f.closeIf(func(string) bool { return true })
}
