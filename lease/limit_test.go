package lease_test

import (
	"strings"
	"testing"

	"github.com/holtmq/holt/lease"
)

// many makes a window with n leased records and an empty journal.
func many(cfg lease.Config, n int, key func(int) uint64) (*lease.Window, []lease.Handout) {
	b := newBench(cfg, 0, nil)
	var all []lease.Handout
	for len(all) < n {
		b.offer(key)
		all, _ = b.w.Lease(b.request(1000, min(n-len(all), 512)), all)
		b.take()
	}
	return b.w, all
}

// TestDeltaSize makes the largest deltas there are: none exceeds 64 KiB.
func TestDeltaSize(t *testing.T) {
	const far = 1 << 60
	check := func(what string, w *lease.Window) {
		t.Helper()
		if n := len(w.TakeDelta(nil)); n == 0 || n > 64<<10 {
			t.Errorf("%s makes a delta of %d bytes", what, n)
		}
	}
	w := lease.New(lease.Config{KeyOrder: true}, far, 1<<31)
	recs := make([]lease.Offered, lease.MaxOffer)
	for i := range recs {
		recs[i] = lease.Offered{Size: 1<<32 - 1, Key: 1<<63 + uint64(i), Dies: int64(1<<62) * int64(1-i%2*2)}
	}
	w.Offer(far, recs)
	check("an offer", w)

	w = lease.New(lease.Config{}, far, 1)
	var all []lease.Handout
	for range 2 {
		w.Offer(w.End(), make([]lease.Offered, lease.MaxOffer))
		all, _ = w.Lease(lease.Request{Length: 1000, Max: lease.MaxLease, Incarnation: 1}, all)
	}
	for i := 1; i < len(all); i += 2 {
		w.Settle(1, lease.Action{Claim: all[i].Claim, Verb: lease.Ack})
	}
	w.TakeDelta(nil)
	for i := 0; i < 2000; i += 2 {
		w.Settle(1<<62, lease.Action{Claim: all[i].Claim, Verb: lease.Extend, For: 1 << 61})
	}
	check("a thousand extends", w)
	for i := 0; i < 2000; i += 2 {
		w.Settle(1<<62, lease.Action{Claim: all[i].Claim, Verb: lease.Nack, Delay: 1 << 61})
	}
	check("a thousand nacks", w)
	w.Expire(1<<63-1, nil)
	check("an expiry", w)
	w.Lease(lease.Request{Now: 1 << 62, Length: 1 << 62, Max: 1 << 30, Member: strings.Repeat("m", 500), Incarnation: 1<<32 - 1}, nil)
	check("a lease", w)
}

// TestExpireLimit turns over no more than MaxExpire a call, and says that more are due.
func TestExpireLimit(t *testing.T) {
	w, _ := many(lease.Config{}, lease.MaxExpire+1, nil)
	exp, freed, more := w.Expire(1000, nil)
	if len(exp) != lease.MaxExpire || freed != lease.MaxExpire || !more {
		t.Fatalf("%d expired, %d freed, more %v", len(exp), freed, more)
	}
	if exp, freed, more = w.Expire(1000, exp[:0]); len(exp) != 1 || freed != 1 || more {
		t.Fatalf("then %d expired, %d freed, more %v", len(exp), freed, more)
	}
}

// TestLeaseLimits: a lease hands out at most MaxLease, and settles at most MaxOverTTL records over their ttl on its way.
func TestLeaseLimits(t *testing.T) {
	w := lease.New(lease.Config{}, 0, 1)
	recs := make([]lease.Offered, lease.MaxOffer)
	w.Offer(0, recs)
	w.Offer(lease.MaxOffer, recs)
	got, stop := w.Lease(lease.Request{Max: 1 << 30, Member: strings.Repeat("m", lease.MaxMember+1), Incarnation: 1}, nil)
	if len(got) != lease.MaxLease || stop != lease.StopLimit {
		t.Fatalf("%d handed out, stop %d", len(got), stop)
	}
	if v := w.View(0); len(v.Member) != lease.MaxMember {
		t.Fatalf("a member's name of %d bytes", len(v.Member))
	}

	for _, cfg := range []lease.Config{{DropTTL: true}, {}} {
		w := lease.New(cfg, 0, 1)
		for i := range recs {
			recs[i].Dies = 10
		}
		for range lease.MaxOverTTL/lease.MaxOffer + 1 {
			w.Offer(w.End(), recs)
		}
		w.TakeDelta(nil)
		got, stop := w.Lease(lease.Request{Now: 10, Max: 5, Incarnation: 1}, nil)
		if len(got) != 0 || stop != lease.StopMore || w.Counts().Available != lease.MaxOffer {
			t.Fatalf("%d handed out, stop %d, %+v", len(got), stop, w.Counts())
		}
		if n := len(w.TakeDelta(nil)); n > 64<<10 {
			t.Fatalf("a delta of %d bytes", n)
		}
		if _, stop = w.Lease(lease.Request{Now: 10, Max: 5, Incarnation: 1}, nil); stop != lease.StopEmpty {
			t.Fatalf("stop %d, want empty", stop)
		}
	}
}

// TestFull: at MaxUnresolved the window says so, dead records that hold their key included.
func TestFull(t *testing.T) {
	w := lease.New(lease.Config{KeyOrder: true, HoldDead: true}, 0, 1)
	recs := make([]lease.Offered, 1000)
	recs[0].Key = 1
	for int(w.End()) < lease.MaxUnresolved {
		if w.Full() {
			t.Fatalf("full at %d", w.End())
		}
		w.Offer(w.End(), recs)
	}
	if !w.Full() {
		t.Fatal("not full")
	}
	w.SettleAt(0, 0, lease.Reject)
	w.Bury(0)
	if !w.Full() {
		t.Fatal("a record that holds its key does not count")
	}
	w.FreeKey(1, 0)
	if w.Full() {
		t.Fatal("still full")
	}
	for w.Start() < w.End() {
		w.SettleAt(0, w.Start(), lease.Ack)
	}
	if c := w.Counts(); c != (lease.Counts{}) {
		t.Fatalf("counts of nothing: %+v", c)
	}
}

// TestAheadLimit: no more than MaxAhead runs lie ahead.
func TestAheadLimit(t *testing.T) {
	w := lease.New(lease.Config{}, 0, 1)
	for i := range lease.Offset(lease.MaxAhead) {
		if r := w.SettleAt(0, 1+2*i, lease.Ack); r.Code != lease.OK {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if r := w.SettleAt(0, 1<<40, lease.Ack); r.Code != lease.NotOffered || w.Ahead() != lease.MaxAhead {
		t.Fatalf("%+v, %d ahead", r, w.Ahead())
	}
}

// TestOfferPanics: an offer that does not fit is the caller's error.
func TestOfferPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		at   lease.Offset
		n    int
	}{{"a gap", 1, 1}, {"too many", 0, lease.MaxOffer + 1}} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			lease.New(lease.Config{}, 0, 1).Offer(c.at, make([]lease.Offered, c.n))
		})
	}
}

// TestNoAllocations: once its memory is there, a window asks for no more.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("not counted with the race detector: it allocates")
	}
	key := func(i int) uint64 {
		if i < 2000 {
			return uint64(i) + 1000 // those that stay leased
		}
		return uint64(i%700) + 1
	}
	for _, c := range []struct {
		name string
		cfg  lease.Config
		key  func(int) uint64
	}{
		{"plain", lease.Config{MaxAttempts: 5}, nil},
		{"ordered", lease.Config{KeyOrder: true}, key},
		{"limited", lease.Config{KeyConcurrency: 2}, key},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(c.cfg, 1000, c.key)
			for range 2000 {
				b.cycle(100, c.key)
			}
			if n := testing.AllocsPerRun(1000, func() { b.cycle(100, c.key) }); n > 0.1 {
				t.Errorf("%v allocations a cycle of 100 records", n)
			}
		})
	}
}

// TestMemory holds the window to 100 bytes a leased record, and to nothing for what is settled.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("not measured with the race detector: it takes memory of its own")
	}
	const n = 200_000
	if b := layouts[0].memory(t, n); b > 100 {
		t.Errorf("%.0f bytes a record", b)
	}
	before := heapBytes()
	b := newBench(lease.Config{}, 1, nil)
	for range 5000 {
		b.cycle(100, nil)
	}
	after := heapBytes()
	if after > before && after-before > 1<<20 {
		t.Errorf("%d bytes for one unresolved record and half a million settled", after-before)
	}
	if b.w.Start() != 0 || b.w.Counts().Leased != 1 {
		t.Errorf("start %d, %+v", b.w.Start(), b.w.Counts())
	}
	// A burst gives its memory back.
	w, all := many(lease.Config{}, n, nil)
	full := heapBytes()
	for _, h := range all {
		w.Settle(1, lease.Action{Claim: h.Claim, Verb: lease.Ack})
		if h.Offset%1000 == 0 {
			w.TakeDelta(nil)
		}
	}
	w.Lease(lease.Request{Now: 2, Max: 1, Incarnation: 1}, nil)
	if left := heapBytes(); full-left < n*50 {
		t.Errorf("%d bytes given back of %d records", full-left, n)
	}
	if w.Start() != n {
		t.Errorf("start %d", w.Start())
	}
}

// TestMemoryOfUnresolvedRecords holds what a record takes to its limit, also where the tables have just grown; what is settled or not yet offered takes nothing.
func TestMemoryOfUnresolvedRecords(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's memory would be measured")
	}
	check := func(l *layout, n int, most float64) {
		if got := l.memory(t, n); got > most {
			t.Errorf("%d records, %s: %.1f bytes each, at most %.0f", n, l.name, got, most)
		}
	}
	for _, n := range []int{165_000, 168_500} { // one of the tables has just grown, or both have
		for i := range layouts {
			check(&layouts[i], n, 100)
		}
	}
	before := heapBytes()
	b := newBench(lease.Config{}, 1, nil)
	for n := 0; n < 400_000; {
		n += b.cycle(512, nil)
	}
	if got := int64(heapBytes() - before); got > 256<<10 {
		t.Errorf("400,000 settled records behind an unresolved one took %d bytes", got)
	}
	b.cycle(1, nil) // it is alive until here
}

// TestCheckpointWithMoreRunsAheadThanMay buries half of a run of rejected records when there are as many runs as may be: it becomes two.
func TestCheckpointWithMoreRunsAheadThanMay(t *testing.T) {
	w := lease.New(lease.Config{}, 0, 0)
	for i := range lease.Offset(lease.MaxAhead) {
		for j := range lease.Offset(2) {
			if r := w.SettleAt(0, 10+3*i+j, lease.Reject); r.Code != lease.OK && i < lease.MaxAhead-1 {
				t.Fatalf("record %d of run %d: code %d", j, i, r.Code)
			}
		}
	}
	for _, d := range w.Dying(nil, 1) {
		if !w.Bury(d.Offset) {
			t.Fatalf("%d is not buried", d.Offset)
		}
	}
	again, err := lease.Restore(lease.Config{}, w.AppendCheckpoint(nil))
	if err != nil {
		t.Fatal(err)
	}
	if again.Counts() != w.Counts() || again.Ahead() != w.Ahead() {
		t.Errorf("%+v and %d ahead, want %+v and %d", again.Counts(), again.Ahead(), w.Counts(), w.Ahead())
	}
}
