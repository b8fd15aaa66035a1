package partition

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// thinOut rewrites the batches from base to last to the records that keep names.
func thinOut(t *testing.T, p *Partition, c *commit.Committer, base, last record.Offset, keep func(record.Offset) bool) {
	t.Helper()
	batches, err := p.Stored(t.Context(), base, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	r := Rewriting{Batch: store.Batch{Base: base, Last: last}}
	var old [][]byte
	for _, b := range batches {
		if b.Last > last {
			break
		}
		r.Batch.MaxTime = b.MaxTime
		if b.Base == base {
			r.Edge = b.Last
		}
		r.Was += int64(len(b.Bytes))
		if len(b.Bytes) > 0 {
			old = append(old, b.Bytes)
		}
	}
	r.Batch.Bytes, err = record.Join(old, func(rec record.Record) bool {
		if keep(rec.Offset) {
			r.Kept++
		}
		return keep(rec.Offset)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kept == 0 {
		r.Batch.Bytes = nil
	}
	if ok, err := p.Rewrite(t.Context(), c, r); !ok || err != nil {
		t.Fatalf("rewrite: %v, %v", ok, err)
	}
}

func TestReadersPassOverWhatARewriteTook(t *testing.T) {
	p, c := part(t, DefaultCacheBytes)
	for i := range 10 {
		appendTo(t, p, c, time.UnixMilli(int64(i)), "x", "y", "z")
	}
	bytes := p.Bytes()
	thinOut(t, p, c, 3, 8, func(record.Offset) bool { return false })
	thinOut(t, p, c, 9, 11, func(at record.Offset) bool { return at == 10 })
	thinOut(t, p, c, 12, 14, func(record.Offset) bool { return false })
	if got := p.Bytes(); got >= bytes || got <= bytes/2 {
		t.Errorf("%d bytes of %d are left", got, bytes)
	}
	for _, at := range []record.Offset{3, 8, 9, 11, 14} {
		if _, err := p.Find(t.Context(), at); !errors.Is(err, record.ErrNotFound) {
			t.Errorf("the record at %d: %v", at, err)
		}
	}
	if _, err := p.Find(t.Context(), 10); err != nil {
		t.Error(err)
	}
	for _, q := range []struct {
		from, to record.Offset
		missing  int64
	}{{0, 30, 11}, {0, 3, 0}, {3, 9, 6}, {4, 6, 2}, {9, 12, 2}, {10, 12, 1}, {9, 11, 1}, {10, 11, 0}, {11, 30, 4}, {5, 5, 0}} {
		if got, err := p.Missing(t.Context(), q.from, q.to); err != nil || got != q.missing {
			t.Errorf("[%d, %d) misses %d records, %v; want %d", q.from, q.to, got, err, q.missing)
		}
	}
	if r, err := p.First(t.Context(), 11); err != nil || r.Offset != 15 {
		t.Errorf("the first from 11 on is %d, %v", r.Offset, err)
	}
	if _, err := p.First(t.Context(), 30); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("past the end: %v", err)
	}
	at, err := p.OffsetForTime(t.Context(), time.UnixMilli(2))
	if err != nil || at != 10 {
		t.Errorf("the first of 2 ms or later is %d, %v", at, err)
	}
	if a, b, c := p.PastGap(4), p.PastGap(10), p.PastGap(12); a != 9 || b != 10 || c != 15 {
		t.Errorf("the gaps end at %d, %d, %d", a, b, c)
	}
}

func TestRewriteRefusesWhatIsGone(t *testing.T) {
	p, c := part(t, DefaultCacheBytes)
	appendTo(t, p, c, time.UnixMilli(1), "a", "b")
	p.Retain(c, 1)
	if ok, err := p.Rewrite(t.Context(), c, Rewriting{Batch: store.Batch{Base: 0, Last: 1}, Edge: 0}); ok || err != nil {
		t.Errorf("below the start: %v, %v", ok, err)
	}
	p.Close()
	if ok, err := p.Rewrite(t.Context(), c, Rewriting{Batch: store.Batch{Base: 1, Last: 1}, Edge: 1}); ok || err != nil {
		t.Errorf("of a dropped partition: %v, %v", ok, err)
	}
	if _, ok := p.Write(c, nil, nil); ok {
		t.Error("a dropped partition takes entries")
	}
}

// What is counted stays right when gaps were put together and their ranges are rewritten again.
func TestGapsPutTogetherCountRight(t *testing.T) {
	p, c := part(t, DefaultCacheBytes)
	for i := range 40 {
		appendTo(t, p, c, time.UnixMilli(int64(i)), "a", "b", "c", "d")
	}
	for base := record.Offset(0); base < 160; base += 8 {
		thinOut(t, p, c, base, base+3, func(at record.Offset) bool { return at%4 != 1 })
	}
	p.mu.Lock()
	p.gaps.thin()
	p.mu.Unlock()
	thinOut(t, p, c, 4, 7, func(at record.Offset) bool { return at == 5 })  // between two that are one now
	thinOut(t, p, c, 8, 11, func(at record.Offset) bool { return at == 8 }) // one of them again
	want := int64(20 + 3 + 2)
	if got, err := p.Missing(t.Context(), 0, 160); err != nil || got != want {
		t.Errorf("%d are missing, %v; want %d", got, err, want)
	}
	n := int64(0)
	if err := p.Scan(t.Context(), 0, 0, func(*record.Reader) error { n++; return nil }); err != nil || n != 160-want {
		t.Errorf("%d records are there, %v", n, err)
	}
	if p.gaps.missing != want {
		t.Errorf("the sum is %d", p.gaps.missing)
	}
}

// Gaps, their deltas and their checkpoint agree, however the ranges come, and stay bounded.
func TestGapsSurviveARestart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	live := gaps{journal: journal.New(GapsJournal)}
	var replayed, restored gaps
	for range 3 * maxGaps {
		base := record.Offset(rnd.IntN(1<<20)) * 10
		g := gap{base: base, last: base + 9, kept: int64(rnd.IntN(10)), freed: int64(rnd.IntN(1000))}
		if i, j := live.within(g.base, g.last); i < j { // edges are edges of batches
			g.base, g.last = min(g.base, live.all[i].base), max(g.last, live.all[j-1].last)
			g.kept = min(g.kept, g.span())
		}
		entries := live.entries(g)
		if err := replayed.Replay(entries[0].Bytes); err != nil {
			t.Fatal(err)
		}
		if len(entries) > 1 {
			var b []byte
			for _, e := range entries[1:] {
				b = append(b, e.Bytes...)
			}
			if err := restored.Restore(b); err != nil {
				t.Fatal(err)
			}
		} else if err := restored.Replay(entries[0].Bytes); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*gaps{&live, &replayed, &restored} {
		missing, freed := int64(0), int64(0)
		for i, g := range s.all {
			missing, freed = missing+g.missing(), freed+g.freed
			if i > 0 && s.all[i-1].last >= g.base {
				t.Fatal("gaps overlap")
			}
		}
		if len(s.all) >= maxGaps || missing != s.missing || freed != s.freed || missing != live.missing || freed != live.freed {
			t.Errorf("%d gaps, %d missing (sum %d), %d freed (sum %d)", len(s.all), s.missing, missing, s.freed, freed)
		}
	}
	live.trim(5 << 20)
	if n := len(live.all); n == 0 || live.all[0].last < 5<<20 || live.freedFrom(0) != live.freed {
		t.Error("trim")
	}
	live.trim(1 << 40)
	if fmt.Sprint(live.missing, live.freed, len(live.all)) != "0 0 0" {
		t.Error("something is left of nothing")
	}
}

// A replay meets gaps that were trimmed before later ones came, and puts more of them together than the server did: no record is taken for missing.
func TestGapsReplayedWithoutTheirTrims(t *testing.T) {
	live := gaps{journal: journal.New(GapsJournal)}
	var replayed gaps
	put := func(g gap) {
		entries := live.entries(g)
		if err := replayed.Replay(entries[0].Bytes); err != nil {
			t.Fatal(err)
		}
	}
	const n = 10_000
	for i := range record.Offset(n) {
		put(gap{base: 10 * i, last: 10*i + 4, kept: 2})
	}
	start := record.Offset(10 * (n - 4000))
	live.trim(start)
	for i := range record.Offset(n) {
		put(gap{base: 10 * (n + i), last: 10*(n+i) + 4, kept: 2})
	}
	for i := range record.Offset(4000) { // again, nothing is left of them
		put(gap{base: start + 10*i, last: start + 10*i + 4})
	}
	replayed.trim(start)
	if replayed.missing > live.missing {
		t.Errorf("%d are missing after a replay, and %d are", replayed.missing, live.missing)
	}
	for _, g := range replayed.all {
		if g.kept == 0 && g.span() > 5 {
			t.Fatalf("nothing is known to be in [%d, %d], where there are records", g.base, g.last)
		}
	}
}

func FuzzGaps(f *testing.F) {
	f.Add(gap{base: 10, last: 19, kept: 3, freed: 1000}.append(nil))
	f.Add(gap{base: 0, last: 0}.append(gap{base: 1, last: 5}.append(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s gaps
		if err := s.Replay(b); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		for i := range s.all {
			if i > 0 && s.all[i-1].last >= s.all[i].base {
				t.Fatal("gaps overlap")
			}
		}
	})
}
