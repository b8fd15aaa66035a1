package storetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// flaw is one bug of an engine: a function replaces what the engine in memory would do.
type flaw struct {
	name   string
	caught string // the case that must find it
	commit func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error)
	read   func(l store.Log, from store.Offset, maxBytes int) ([]store.Batch, error)
	replay func(es []store.Entry) []store.Entry
	note   func(l store.Log, j store.Journal, at store.Offset) []byte
	time   func(l store.Log, t time.Time) store.Offset
	put    func(m store.Meta, name string, value []byte, rev uint64) (uint64, error)
	list   func(ds []store.Definition) []store.Definition
	opens  func(uint64) uint64
	crash  func(s *memory.Store)
}

var flaws = []flaw{
	{name: "appends twice what comes in one edit", caught: "Order", read: func(l store.Log, from store.Offset, n int) ([]store.Batch, error) {
		bs, err := l.Read(bg, from, n)
		if len(bs) > 1 {
			bs = append(bs, bs[len(bs)-1])
		}
		return bs, err
	}},
	{name: "tears units", caught: "Atomic", commit: edgeByEdge},
	{name: "tears units", caught: "Random", commit: edgeByEdge},
	{name: "goes on after an invalid unit", caught: "Prefix", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		n, err := s.Commit(ctx, units)
		if errors.Is(err, store.ErrInvalid) && store.Validate(units) == nil {
			_, _ = s.Commit(ctx, units[n+1:])
		}
		return n, err
	}},
	{name: "applies what it says it did not", caught: "Prefix", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		n, err := s.Commit(ctx, units)
		if err != nil {
			n = 0
		}
		return n, err
	}},
	{name: "checks limits unit by unit", caught: "EditLimits", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		for i := range units {
			if n, err := s.Commit(ctx, units[i:i+1]); err != nil {
				return i + n, err
			}
		}
		return len(units), nil
	}},
	{name: "takes offsets as they come", caught: "OffsetGaps", commit: editing(func(e *store.Edit) {
		if len(e.Append) == 1 && e.Append[0].Base > 5 {
			e.Append = nil
		}
	})},
	{name: "takes bytes that are damaged", caught: "BadBatches", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		n, err := s.Commit(ctx, units)
		if err != nil && strings.Contains(err.Error(), "checksum") {
			return len(units), nil
		}
		return n, err
	}},
	{name: "takes gaps in journals", caught: "JournalGaps", commit: editing(func(e *store.Edit) {
		if len(e.Entries) == 1 && e.Entries[0].Seq == 3 {
			e.Entries = nil
		}
	})},
	{name: "loses the last delta", caught: "Replay", replay: func(es []store.Entry) []store.Entry { return es[:max(0, len(es)-1)] }},
	{name: "mixes journals", caught: "Replay", replay: func(es []store.Entry) []store.Entry {
		if len(es) > 2 {
			es[0], es[len(es)-1] = es[len(es)-1], es[0]
		}
		return es
	}},
	{name: "replays deltas that a checkpoint covers", caught: "Checkpoints", commit: without(store.Checkpoint)},
	{name: "keeps what is to be forgotten", caught: "Forget", commit: without(store.Forget)},
	{name: "has no notes", caught: "Notes", note: func(store.Log, store.Journal, store.Offset) []byte { return nil }},
	{name: "mixes notes", caught: "Notes", note: func(l store.Log, j store.Journal, at store.Offset) []byte {
		b, _ := l.Note(bg, j, at&^256)
		return b
	}},
	{name: "trims whole batches only", caught: "Trim", commit: editing(func(e *store.Edit) { e.Start -= e.Start % 5 })},
	{name: "reads from the batch after", caught: "Rewrite", read: func(l store.Log, from store.Offset, n int) ([]store.Batch, error) {
		bs, err := l.Read(bg, from, n)
		if len(bs) > 1 && bs[0].Base < from {
			bs = bs[1:]
		}
		return bs, err
	}},
	{name: "skips holes", caught: "Rewrite", read: func(l store.Log, from store.Offset, n int) ([]store.Batch, error) {
		bs, err := l.Read(bg, from, n)
		if len(bs) > 1 && len(bs[0].Bytes) == 0 {
			bs = bs[1:]
		}
		return bs, err
	}},
	{name: "rewrites anything", caught: "RewriteRules", commit: editing(func(e *store.Edit) {
		if e.Rewrite != nil && e.Rewrite.Base == 6 {
			e.Rewrite = nil
		}
	})},
	{name: "finds the time after", caught: "Times", time: func(l store.Log, t time.Time) store.Offset {
		at, _ := l.OffsetForTime(bg, t.Add(time.Millisecond))
		return at
	}},
	{name: "reads damage now and then", caught: "Readers", read: func(l store.Log, from store.Offset, n int) ([]store.Batch, error) {
		bs, err := l.Read(bg, from, n)
		for _, b := range bs {
			if from%97 == 96 && len(b.Bytes) > 0 {
				b.Bytes[len(b.Bytes)-1] ^= 1
			}
		}
		return bs, err
	}},
	{name: "tears units", caught: "SeenTogether", commit: edgeByEdge},
	{name: "shows what is in flight", caught: "InFlight", note: func(l store.Log, j store.Journal, at store.Offset) []byte { return []byte("noted") }},
	{name: "drops nothing", caught: "Drop", commit: editing(func(e *store.Edit) { e.Drop = false })},
	{name: "has no conflicts", caught: "Meta", put: func(m store.Meta, name string, value []byte, rev uint64) (uint64, error) {
		_, rev, _ = m.Get(bg, name)
		return m.Put(bg, name, value, rev)
	}},
	{name: "gives revisions again", caught: "Meta", put: func(m store.Meta, name string, value []byte, rev uint64) (uint64, error) {
		next, err := m.Put(bg, name, value, rev)
		if rev == 0 && err == nil {
			next = 1
		}
		return next, err
	}},
	{name: "lists in no order", caught: "Meta", list: func(ds []store.Definition) []store.Definition {
		if len(ds) > 1 {
			ds[0], ds[1] = ds[1], ds[0]
		}
		return ds
	}},
	{name: "keeps the caller's bytes", caught: "Aliases", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		kept = units
		return s.Commit(ctx, units)
	}, read: func(l store.Log, from store.Offset, n int) ([]store.Batch, error) {
		bs, err := l.Read(bg, from, n)
		if len(kept) > 0 && len(kept[0]) > 0 && len(kept[0][0].Append) > 0 && len(bs) > 0 {
			bs[0].Bytes = kept[0][0].Append[0].Bytes
		}
		return bs, err
	}},
	{name: "forgets how often it was opened", caught: "Health", opens: func(uint64) uint64 { return 1 }},
	{name: "loses at a crash what was not closed", caught: "EveryPrefix", crash: dropAll},
	{name: "loses at a crash what was not closed", caught: "Random", crash: dropAll},
	{name: "applies more than was unknown", caught: "Unknown", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		n, err := s.Commit(ctx, units)
		if errors.Is(err, store.ErrUnknown) {
			_, _ = s.Open(ctx, 2)
			_, _ = s.Commit(ctx, []store.Unit{{enter(2, delta("torn", 1, "half a unit"))}})
		}
		return n, err
	}},
	{name: "works after it was closed", caught: "Closed", commit: func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		n, err := s.Commit(ctx, units)
		if errors.Is(err, store.ErrClosed) {
			return len(units), nil
		}
		return n, err
	}},
}

var (
	bg   = context.Background()
	kept []store.Unit
)

// edgeByEdge commits every edit as if it were a unit.
func edgeByEdge(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
	for i, u := range units {
		for k := range u {
			if _, err := s.Commit(ctx, []store.Unit{u[k : k+1]}); err != nil {
				return i, err
			}
			time.Sleep(200 * time.Microsecond) // of the bubble: lets readers run
		}
	}
	return len(units), nil
}

// editing commits units after change had a look at each edit.
func editing(change func(e *store.Edit)) func(context.Context, *memory.Store, []store.Unit) (int, error) {
	return func(ctx context.Context, s *memory.Store, units []store.Unit) (int, error) {
		units = slices.Clone(units)
		for i := range units {
			units[i] = slices.Clone(units[i])
			for k := range units[i] {
				change(&units[i][k])
			}
		}
		return s.Commit(ctx, units)
	}
}

// without ignores a kind of entries.
func without(kind store.EntryKind) func(context.Context, *memory.Store, []store.Unit) (int, error) {
	return editing(func(e *store.Edit) {
		e.Entries = slices.DeleteFunc(slices.Clone(e.Entries), func(x store.Entry) bool { return x.Kind == kind })
	})
}

// dropAll empties the first log, as if none of its commits had been durable.
func dropAll(s *memory.Store) {
	_, _ = s.Open(bg, 1)
	_, _ = s.Commit(bg, []store.Unit{{drop(1)}})
}

// flawed is a harness of the engine in memory with a flaw.
type flawed struct {
	s *memory.Store
	f flaw
}

func (h *flawed) Store() store.Store { return flawedStore{h.s, h.f} }

func (h *flawed) Reopen(*testing.T) store.Store {
	h.s = h.s.Reopen()
	return h.Store()
}

func (h *flawed) Crash(*testing.T) store.Store {
	if h.f.crash != nil {
		h.f.crash(h.s)
	}
	h.s = h.s.Crash()
	return h.Store()
}

func (h *flawed) Variants() int { return 2 }

func (h *flawed) FailCommit(_ *testing.T, variant int) {
	h.s.SetFaults(memory.Faults{Commit: func(uint64) memory.Fate {
		h.s.SetFaults(memory.Faults{})
		return memory.Fate{Outcome: memory.UnknownNone + memory.Outcome(variant)}
	}})
}

func (h *flawed) HoldCommit(*testing.T) (release func()) {
	held := make(chan struct{})
	h.s.SetFaults(memory.Faults{BeforeDurable: func(uint64) {
		h.s.SetFaults(memory.Faults{})
		<-held
	}})
	return func() { close(held) }
}

type flawedStore struct {
	*memory.Store
	f flaw
}

func (s flawedStore) Open(ctx context.Context, id store.LogID) (store.Log, error) {
	l, err := s.Store.Open(ctx, id)
	return flawedLog{l, s.f}, err
}

func (s flawedStore) Commit(ctx context.Context, units []store.Unit) (int, error) {
	if s.f.commit == nil {
		return s.Store.Commit(ctx, units)
	}
	return s.f.commit(ctx, s.Store, units)
}

func (s flawedStore) Meta() store.Meta { return flawedMeta{s.Store.Meta(), s.f} }

func (s flawedStore) Health() store.Health {
	h := s.Store.Health()
	if s.f.opens != nil {
		h.Opens = s.f.opens(h.Opens)
	}
	return h
}

type flawedLog struct {
	store.Log
	f flaw
}

func (l flawedLog) Read(ctx context.Context, from store.Offset, maxBytes int) ([]store.Batch, error) {
	if l.f.read == nil {
		return l.Log.Read(ctx, from, maxBytes)
	}
	return l.f.read(l.Log, from, maxBytes)
}

func (l flawedLog) OffsetForTime(ctx context.Context, t time.Time) (store.Offset, error) {
	if l.f.time == nil {
		return l.Log.OffsetForTime(ctx, t)
	}
	return l.f.time(l.Log, t), nil
}

func (l flawedLog) Replay(ctx context.Context, fn func(store.Entry) error) error {
	if l.f.replay == nil {
		return l.Log.Replay(ctx, fn)
	}
	var es []store.Entry
	if err := l.Log.Replay(ctx, func(e store.Entry) error { es = append(es, e); return nil }); err != nil {
		return err
	}
	for _, e := range l.f.replay(es) {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (l flawedLog) Note(ctx context.Context, j store.Journal, at store.Offset) ([]byte, error) {
	if l.f.note == nil {
		return l.Log.Note(ctx, j, at)
	}
	return l.f.note(l.Log, j, at), nil
}

type flawedMeta struct {
	store.Meta
	f flaw
}

func (m flawedMeta) Put(ctx context.Context, name string, value []byte, rev uint64) (uint64, error) {
	if m.f.put == nil {
		return m.Meta.Put(ctx, name, value, rev)
	}
	return m.f.put(m.Meta, name, value, rev)
}

func (m flawedMeta) List(ctx context.Context, prefix string) ([]store.Definition, error) {
	ds, err := m.Meta.List(ctx, prefix)
	if m.f.list != nil {
		ds = m.f.list(ds)
	}
	return ds, err
}

// flawVariable names, in a child process, the flaw to run the suite with.
const flawVariable = "HOLT_STORETEST_FLAW"

// TestFlaws runs the suite, in a child process, over engines with a bug: the case that is there for it must fail. Without a bug it passes.
func TestFlaws(t *testing.T) {
	if name := os.Getenv(flawVariable); name != "" {
		f := flaw{}
		for _, other := range flaws {
			if other.name == name {
				f = other
			}
		}
		t.Run("suite", func(t *testing.T) {
			Run(t, func(*testing.T) Harness { return &flawed{memory.New(memory.Config{}), f} })
		})
		return
	}
	if out, err := child(t, "none", ""); err != nil {
		t.Fatalf("the suite without a flaw: %v\n%s", err, out)
	}
	for _, f := range flaws {
		t.Run(f.caught+" finds an engine that "+f.name, func(t *testing.T) {
			out, err := child(t, f.name, f.caught)
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestFlaws/suite/"+f.caught+" ")) {
				t.Errorf("not found; error %v\n%s", err, out)
			}
			if bytes.Contains(out, []byte("panic:")) {
				t.Errorf("found by a panic:\n%s", out)
			}
		})
	}
}

// child runs one case of the suite, or all, over an engine with a flaw.
func child(t *testing.T, flaw, only string) ([]byte, error) {
	t.Helper()
	run := "^TestFlaws$/^suite$"
	if only != "" {
		run += "/^" + only + "$"
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.short", "-test.run="+run)
	c.Env = append(os.Environ(), flawVariable+"="+flaw)
	return c.CombinedOutput()
}

// TestShrink leaves of a program only what it takes to fail.
func TestShrink(t *testing.T) {
	ops := program(1)
	ops[3].kind, ops[17].kind, ops[41].kind = "a", "b", "c"
	fails := func(ops []operation) bool {
		kinds := ""
		for _, o := range ops {
			if len(o.kind) == 1 {
				kinds += o.kind
			}
		}
		return kinds == "abc"
	}
	got := shrink(ops, fails)
	if len(got) != 3 || !fails(got) || got[1] != ops[17] {
		t.Errorf("shrunk to %v", got)
	}
}

// TestShortestProgram finds a flaw, shrinks the program to a few steps, and says what they do.
func TestShortestProgram(t *testing.T) {
	open := func(*testing.T) Harness {
		return &flawed{memory.New(memory.Config{}), flaw{commit: without(store.Forget)}}
	}
	for seed := uint64(1); seed <= 20; seed++ {
		ops := program(seed)
		fails := func(ops []operation) bool {
			_, err := perform(t, open, ops)
			return err != nil
		}
		if !fails(ops) {
			continue
		}
		ops = shrink(ops, fails)
		trace, err := perform(t, open, ops)
		if len(ops) > 6 || err == nil || !strings.Contains(strings.Join(trace, "\n"), "forget") {
			t.Errorf("seed %d: %d operations, error %v:\n%s", seed, len(ops), err, strings.Join(trace, "\n"))
		}
		return
	}
	t.Error("20 seeds do not find an engine that ignores Forget")
}
