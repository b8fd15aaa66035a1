package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/store"
)

// both is a unit that appends to two logs and steps a journal: a copy has all of it or nothing.
func both(at store.Offset, size int) store.Unit {
	return store.Unit{
		{Log: 1, Append: []store.Batch{testBatch(at, 1, size)}},
		{Log: 2, Append: []store.Batch{testBatch(at, 1, 10)}, Entries: []store.Entry{
			{Journal: "g/1", Kind: store.Delta, Seq: uint64(at) + 1, Bytes: fmt.Append(nil, "step ", at)},
		}},
	}
}

func restored(t *testing.T, backup []byte, forget ...string) (*Store, string) {
	t.Helper()
	dir := filepath.Join(tempDir(t), "copy")
	if _, err := Restore(bg, dir, bytes.NewReader(backup), forget...); err != nil {
		t.Fatal(err)
	}
	rep, err := Inspect(bg, dir, nil)
	if err != nil || len(rep.Faults) > 0 || !rep.Clean {
		t.Fatalf("restored: %+v, %v", rep, err)
	}
	return mustOpen(t, testConfig(dir)), dir
}

func TestBackupUnderLoadIsAPrefix(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	mustLog(t, s, 1)
	mustLog(t, s, 2)
	at := store.Offset(0)
	commit := func(n int) {
		for range n {
			mustCommit(t, s, both(at, 3000))
			at++
		}
	}
	commit(200)
	var wg sync.WaitGroup
	begun, done := make(chan struct{}), make(chan struct{})
	var copied bytes.Buffer
	var info store.Backup
	wg.Go(func() {
		defer close(done)
		var err error
		if info, err = backup(s, bg, signalling(&copied, begun)); err != nil {
			t.Error(err)
		}
	})
	<-begun
	before := at
	for running := true; running; {
		commit(10)
		select {
		case <-done:
			running = false
		default:
		}
	}
	wg.Wait()
	if checked, err := CheckCopy(bytes.NewReader(copied.Bytes())); err != nil || checked != info {
		t.Fatalf("%+v, %v; the backup said %+v", checked, err, info)
	}
	r, _ := restored(t, copied.Bytes())
	defer r.Close()
	one, two := mustLog(t, r, 1), mustLog(t, r, 2)
	_, end, _ := one.Bounds()
	if _, other, _ := two.Bounds(); end != before || other != before {
		t.Errorf("ends at %d and %d, want %d: everything that was durable when it began, and nothing after", end, other, before)
	}
	steps := 0
	if err := two.Replay(bg, func(store.Entry) error { steps++; return nil }); err != nil || steps != int(before) {
		t.Errorf("%d steps, %v, want %d", steps, err, before)
	}
	for o := store.Offset(0); o < end; o++ {
		b, err := one.Read(bg, o, 1)
		if err != nil || !bytes.Equal(b[0].Bytes, testBatch(o, 1, 3000).Bytes) {
			t.Fatalf("batch %d: %v", o, err)
		}
	}
	if r.opens <= s.opens || r.seq <= info.Sequence {
		t.Errorf("opened %d times, commit %d; the source %d and %d", r.opens, r.seq, s.opens, info.Sequence)
	}
	mustCommit(t, r, both(end, 10)) // and it goes on
}

// backup takes a snapshot and copies all of it.
func backup(s *Store, ctx context.Context, w io.Writer) (store.Backup, error) {
	p, err := s.Snapshot(ctx)
	if err != nil {
		return store.Backup{}, err
	}
	defer p.Close()
	return p.Copy(ctx, w, 0)
}

// signalling closes begun when the first byte is written.
func signalling(to *bytes.Buffer, begun chan struct{}) *firstByte {
	return &firstByte{to: to, begun: begun}
}

type firstByte struct {
	to    *bytes.Buffer
	begun chan struct{}
	once  sync.Once
}

func (w *firstByte) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.begun) })
	return w.to.Write(p)
}

func TestRestoredDefinitions(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	for _, name := range []string{"t/a", "t/b", "secret"} {
		if _, err := s.Meta().Put(bg, name, []byte(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	want, err := s.Meta().List(bg, "t/")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := backup(s, bg, &b); err != nil {
		t.Fatal(err)
	}
	r, dir := restored(t, b.Bytes(), "secret")
	got, err := r.Meta().List(bg, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rev, err := r.Meta().Put(bg, "t/a", nil, want[0].Revision); err != nil || rev <= want[1].Revision {
		t.Errorf("revision %d, %v", rev, err)
	}
	_ = r.Close()
	if _, err := Restore(bg, dir, bytes.NewReader(b.Bytes())); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("restored over a store: %v", err)
	}
	in, err := openCopy(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := restoreLocked(bg, dir, in, nil); !errors.Is(err, ErrNotEmpty) { // as if the store was made after Restore had looked
		t.Errorf("restored over a store: %v", err)
	}
	mustOpen(t, testConfig(dir)).Close() // which is still there
}

// atByte calls fn once, when it has given so many bytes.
type atByte struct {
	r    io.Reader
	left int
	fn   func()
}

func (a *atByte) Read(b []byte) (int, error) {
	n, err := a.r.Read(b[:min(len(b), 64<<10)])
	if a.left -= n; a.left <= 0 && a.fn != nil {
		a.fn()
		a.fn = nil
	}
	return n, err
}

// TestKilledRestore takes what a killed restore leaves: no server opens it, and the next restore begins anew. Beside data of others it stays away.
func TestKilledRestore(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	fill(t, s, 1, 3000, 3000)
	var b bytes.Buffer
	if _, err := backup(s, bg, &b); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	dir := filepath.Join(tempDir(t), "copy")
	killed := ""
	in := &atByte{bytes.NewReader(b.Bytes()), b.Len() / 2, func() { killed = copyDir(t, dir) }}
	if _, err := Restore(bg, dir, in); err != nil || killed == "" {
		t.Fatal(killed, err)
	}
	cfg := testConfig(killed)
	wantRefused(t, cfg, ErrRestore)
	cfg.AcceptDataLoss = true
	wantRefused(t, cfg, ErrRestore)
	if _, err := Inspect(bg, killed, nil); !errors.Is(err, ErrRestore) {
		t.Errorf("inspect: %v", err)
	}
	if tables, err := filepath.Glob(filepath.Join(killed, "*.vlog")); err != nil || len(tables) == 0 {
		t.Fatal("it was killed before it had written anything")
	}
	if _, err := Restore(bg, killed, bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	rep, err := Inspect(bg, killed, nil)
	if err != nil || len(rep.Faults) > 0 || !rep.Clean || rep.Records != 3000 {
		t.Fatalf("restored: %+v, %v", rep, err)
	}
	if _, err := Restore(bg, killed, bytes.NewReader(b.Bytes())); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over a store: %v", err)
	}
	if err := os.Remove(filepath.Join(killed, identityName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(bg, killed, bytes.NewReader(b.Bytes())); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over data without a name: %v", err)
	}
}

// A backup with any bit flipped, cut anywhere, or longer than it was is refused, and leaves nothing behind.
func TestDamagedBackupIsRefused(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	mustLog(t, s, 1)
	mustLog(t, s, 2)
	for i := range 20 {
		mustCommit(t, s, both(store.Offset(i), 100))
	}
	var b bytes.Buffer
	if _, err := backup(s, bg, &b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	refused := func(what string, data []byte) {
		t.Helper()
		if _, err := CheckCopy(bytes.NewReader(data)); !errors.Is(err, ErrDamagedCopy) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		refused(fmt.Sprint("flipped at ", i), flipped)
	}
	for n := range whole {
		refused(fmt.Sprint("cut at ", n), whole[:n])
	}
	refused("something after it", append(bytes.Clone(whole), 0))
	refused("twice", append(bytes.Clone(whole), whole...))
	refused("nothing", nil)

	for _, made := range []bool{false, true} {
		dir := filepath.Join(tempDir(t), "copy")
		if made {
			if err := os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Restore(bg, dir, bytes.NewReader(whole[:len(whole)-10])); !errors.Is(err, ErrDamagedCopy) {
			t.Errorf("restored: %v", err)
		}
		names, err := os.ReadDir(dir)
		if made && (err != nil || len(names) != 1) || !made && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left behind: %v, %v", names, err)
		}
	}
}

func TestBackupStops(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	mustLog(t, s, 1)
	mustLog(t, s, 2)
	mustCommit(t, s, both(0, 10))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if _, err := backup(s, ctx, new(bytes.Buffer)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := errors.New("full")
	if _, err := backup(s, bg, failing{full}); !errors.Is(err, full) {
		t.Errorf("the writer's error: %v", err)
	}
	if len(s.readers.open) != 0 {
		t.Error("what the backup read stays readable")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := backup(s, bg, new(bytes.Buffer)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A unit too large for one transaction, and what was deleted, are copied as they are readable.
func TestBackupOfLargeUnitsAndTrims(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	mustLog(t, s, 1)
	var entries []store.Entry
	for i := range 12 {
		entries = append(entries, store.Entry{Journal: "g/1", Kind: store.Delta, Seq: uint64(i) + 1, Bytes: bytes.Repeat([]byte{byte(i)}, store.MaxEntryBytes)})
	}
	mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(0, 10, 100)}, Entries: entries}})
	mustCommit(t, s, store.Unit{{Log: 1, Append: []store.Batch{testBatch(10, 10, 100)}, Start: 12}})
	var b bytes.Buffer
	if _, err := backup(s, bg, &b); err != nil {
		t.Fatal(err)
	}
	r, _ := restored(t, b.Bytes())
	defer r.Close()
	l := mustLog(t, r, 1)
	if start, end, _ := l.Bounds(); start != 12 || end != 20 {
		t.Errorf("bounds %d to %d", start, end)
	}
	n := 0
	if err := l.Replay(bg, func(e store.Entry) error { n += len(e.Bytes); return nil }); err != nil || n != 12*store.MaxEntryBytes {
		t.Errorf("%d bytes of deltas, %v", n, err)
	}
}

func FuzzCheckCopy(f *testing.F) {
	var b bytes.Buffer
	c, err := beginCopy(&b, store.Backup{Engine: "badger", Sequence: 7})
	if err == nil {
		k := metaKey("a")
		_ = c.add(k, seal(k, []byte("12345678value")))
		err = c.finish()
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := CheckCopy(bytes.NewReader(data)); err == nil && !bytes.Equal(data, b.Bytes()) {
			t.Log("another whole copy") // possible, with luck with checksums
		}
	})
}

// TestCopyOfAMomentIsTheSame cuts a copy at many places and goes on behind its whole frames, while the store is written, trimmed and collected.
func TestCopyOfAMomentIsTheSame(t *testing.T) {
	s := mustOpen(t, testConfig(filepath.Join(tempDir(t), "data")))
	defer s.Close()
	fill(t, s, 1, 3000, 1000)
	p, err := s.Snapshot(bg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var whole bytes.Buffer
	if _, err := p.Copy(bg, &whole, 0); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, store.Unit{{Log: 1, Start: 2990}})
	if err := s.sweep(bg); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1, 1000, 1000)
	for _, cut := range []int{0, 5, len(copyMagic) + 3, 400, 1 << 20, whole.Len() - 3, whole.Len()} {
		some := bytes.Clone(whole.Bytes()[:cut])
		info, there, err := WholeFrames(bytes.NewReader(some))
		if cut < 400 {
			if !errors.Is(err, ErrDamagedCopy) {
				t.Errorf("cut at %d: %v", cut, err)
			}
			continue
		}
		if err != nil || info.Tag() != p.Info().Tag() || there == 0 || there > int64(cut) {
			t.Fatalf("cut at %d: %+v, %d bytes in whole frames, %v", cut, info, there, err)
		}
		rest := bytes.NewBuffer(some[:there])
		if _, err := p.Copy(bg, rest, there); err != nil || !bytes.Equal(rest.Bytes(), whole.Bytes()) {
			t.Errorf("cut at %d: %v; the two parts are not the whole", cut, err)
		}
	}
	if _, err := p.Copy(bg, io.Discard, int64(whole.Len())+1); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("behind the end: %v", err)
	}
}
