package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// tempDir makes a directory for a test, in memory where the system has that: what the tests look at does not depend on
// the disk, and syncs of a busy one take most of their time.
func tempDir(t testing.TB) string {
	t.Helper()
	const memory = "/dev/shm"
	if fi, err := os.Stat(memory); err != nil || !fi.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "holt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

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

var bg = context.Background()

// testBatch makes a batch of n records from base on, each with a value of size bytes that tells its offset.
func testBatch(base store.Offset, n, size int) store.Batch {
	var b record.Builder
	b.Reset(base)
	at := time.UnixMilli(1_700_000_000_000 + int64(base)).UTC()
	for i := range n {
		v := bytes.Repeat([]byte{byte(int(base) + i)}, size)
		copy(v, fmt.Sprintf("%d;", int(base)+i))
		b.Append(record.Record{Timestamp: at, Value: v})
	}
	enc, err := b.Encode(nil, record.None)
	if err != nil {
		panic(err)
	}
	return store.Batch{Base: base, Last: base + store.Offset(n) - 1, MaxTime: at, Bytes: enc}
}

func mustCommit(t testing.TB, s *Store, units ...store.Unit) {
	t.Helper()
	if n, err := s.Commit(bg, units); err != nil || n != len(units) {
		t.Fatalf("commit: %d of %d, %v", n, len(units), err)
	}
}

func mustLog(t testing.TB, s *Store, id store.LogID) store.Log {
	t.Helper()
	l, err := s.Open(bg, id)
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	return l
}

// fill appends batches of ten records to a log until it holds n more.
func fill(t testing.TB, s *Store, id store.LogID, n, size int) {
	t.Helper()
	l := mustLog(t, s, id)
	for range n / 10 {
		_, end, _ := l.Bounds()
		mustCommit(t, s, store.Unit{{Log: id, Append: []store.Batch{testBatch(end, 10, size)}}})
	}
}

// checkLog reads a whole log and checks that it is what fill wrote, from start to end.
func checkLog(s *Store, id store.LogID, wantEnd store.Offset) error {
	l, err := s.Open(bg, id)
	if err != nil {
		return err
	}
	start, end, _ := l.Bounds()
	if end != wantEnd {
		return fmt.Errorf("log %d ends at %d, want %d", id, end, wantEnd)
	}
	for at := start; at < end; {
		bs, err := l.Read(bg, at, 64<<10)
		if err != nil {
			return err
		}
		if len(bs) == 0 {
			return fmt.Errorf("log %d: nothing at %d", id, at)
		}
		for _, b := range bs {
			if b.Last < at {
				return fmt.Errorf("log %d: batch %d–%d at %d", id, b.Base, b.Last, at)
			}
			if got := b.Last - b.Base + 1; got == 10 && !bytes.Contains(b.Bytes, fmt.Appendf(nil, "%d;", b.Base)) {
				return fmt.Errorf("log %d: batch %d–%d holds something else", id, b.Base, b.Last)
			}
			at = b.Last + 1
		}
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(tempDir(t), "data")
	s := mustOpen(t, testConfig(dir))
	fill(t, s, 7, 100, 100)
	fill(t, s, 8, 100, 3000)
	mustCommit(t, s, store.Unit{{Log: 7,
		Entries: []store.Entry{{Journal: "g/1", Kind: store.Delta, Seq: 1, Bytes: []byte("a")}, {Journal: "g/1", Kind: store.Delta, Seq: 2}},
		Notes:   []store.Note{{Journal: "g/1", At: 12, Bytes: []byte("note")}}}})
	if _, err := s.Meta().Put(bg, "t/orders", []byte("def"), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testConfig(dir))
	defer s.Close()
	if err := errors.Join(checkLog(s, 7, 100), checkLog(s, 8, 100)); err != nil {
		t.Fatal(err)
	}
	l := mustLog(t, s, 7)
	var got []string
	if err := l.Replay(bg, func(e store.Entry) error {
		got = append(got, fmt.Sprintf("%s %d %d %s", e.Journal, e.Kind, e.Seq, e.Bytes))
		return nil
	}); err != nil || fmt.Sprint(got) != "[g/1 1 1 a g/1 1 2 ]" {
		t.Fatalf("replay: %q, %v", got, err)
	}
	if n, err := l.Note(bg, "g/1", 12); err != nil || string(n) != "note" {
		t.Fatalf("note: %q, %v", n, err)
	}
	if v, rev, err := s.Meta().Get(bg, "t/orders"); err != nil || string(v) != "def" || rev == 0 {
		t.Fatalf("definition: %q %d, %v", v, rev, err)
	}
	if at, err := l.OffsetForTime(bg, time.UnixMilli(1_700_000_000_055)); err != nil || at != 60 {
		t.Fatalf("offset for time: %d, %v", at, err)
	}
	if h := s.Health(); h.Opens != 2 || h.Used <= 0 || h.Free <= 0 {
		t.Fatalf("health: %+v", h)
	}
}

func isTrimmed(err error) bool { return errors.Is(err, store.ErrTrimmed) }
