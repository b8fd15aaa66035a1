package lease_test

import (
	"bytes"
	"testing"

	"github.com/holtmq/holt/lease"
)

// manyCalls are those that are about everything a window holds, or might be.
var manyCalls = []struct {
	name string
	call func(*lease.Window, lease.Config)
}{
	{"backoff", func(w *lease.Window, cfg lease.Config) {
		cfg.Backoff.Initial++
		w.Configure(cfg)
	}},
	{"attempts", func(w *lease.Window, cfg lease.Config) {
		cfg.MaxAttempts++
		w.Configure(cfg)
	}},
	{"limit", func(w *lease.Window, cfg lease.Config) {
		cfg.KeyConcurrency++
		w.Configure(cfg)
	}},
	{"order", func(w *lease.Window, cfg lease.Config) {
		cfg.KeyOrder = !cfg.KeyOrder
		w.Configure(cfg)
	}},
	{"reset", func(w *lease.Window, _ lease.Config) { w.Reset(w.End()) }},
	{"trim", func(w *lease.Window, _ lease.Config) { w.TrimTo(w.End()) }},
	{"expire", func(w *lease.Window, _ lease.Config) { w.Expire(1<<40, nil) }},
	{"snapshot", func(w *lease.Window, _ lease.Config) { w.Snapshot() }},
	{"encode", func(w *lease.Window, _ lease.Config) { w.AppendCheckpoint(nil) }},
}

// BenchmarkHold has one call on a window with nearly a million leases: as long as that takes its caller holds a lock.
func BenchmarkHold(b *testing.B) {
	for _, l := range []layout{
		{name: "plain", cfg: lease.Config{MaxAttempts: 5}},
		{name: "order", cfg: lease.Config{MaxAttempts: 5, KeyOrder: true}, key: ofAKey(1)},
		{name: "limit", cfg: lease.Config{MaxAttempts: 5, KeyConcurrency: 3}, key: ofAKey(3)},
	} {
		for _, c := range manyCalls {
			b.Run(l.name+"/"+c.name, func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					w, _ := many(l.cfg, 990_000, l.key)
					b.StartTimer()
					c.call(w, l.cfg)
				}
			})
		}
	}
}

// A change of what the records that wait do not depend on asks for no memory, however many there are, nor for time: they are left alone.
func TestConfigureLeavesAloneWhatItIsNotAbout(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, l := range []layout{
		{name: "plain", cfg: lease.Config{MaxAttempts: 5}},
		{name: "ordered", cfg: lease.Config{MaxAttempts: 5, KeyOrder: true, HoldDead: true}, key: ofAKey(2)},
		{name: "limited", cfg: lease.Config{MaxAttempts: 5, KeyConcurrency: 2}, key: ofAKey(3)},
	} {
		w, _ := many(l.cfg, 1000, l.key)
		cfg := l.cfg
		if n := testing.AllocsPerRun(10, func() {
			cfg.Seed++
			cfg.MaxAttempts++
			cfg.Backoff.Max++
			cfg.Strict, cfg.Drop, cfg.DropTTL = !cfg.Strict, !cfg.Drop, !cfg.DropTTL
			if cfg.KeyConcurrency > 0 {
				cfg.KeyConcurrency++
			}
			w.Configure(cfg)
		}); n > 0 {
			t.Errorf("%s: %v allocations", l.name, n)
		}
	}
}

// TestTrimLimit skips no more than MaxTrim records a call, and says that more are below.
func TestTrimLimit(t *testing.T) {
	const n = 2*lease.MaxTrim + 10
	w, _ := many(lease.Config{}, n, nil)
	for _, want := range []lease.Offset{lease.MaxTrim, 2 * lease.MaxTrim, n - 1} {
		if more := w.TrimTo(n - 1); more != (want < n-1) || w.Start() != want {
			t.Fatalf("start %d, want %d; more %v", w.Start(), want, more)
		}
	}
	if left := w.Counts().Leased; left < 1 {
		t.Errorf("%d leases are left", left)
	}
}

// TestEndedLeasesCountAsTurns: what leases leave behind that ended before their time is put away as slowly as leases that run out.
func TestEndedLeasesCountAsTurns(t *testing.T) {
	w, all := many(lease.Config{}, 8*lease.MaxExpire, nil) // most of it is swept on the way
	for _, h := range all {
		w.Settle(1, lease.Action{Claim: h.Claim, Verb: lease.Extend, For: 5000})
	}
	if exp, freed, more := w.Expire(1000, nil); len(exp) > 0 || freed > 0 || !more {
		t.Fatalf("%d expired, %d freed, more %v", len(exp), freed, more)
	}
	if _, _, more := w.Expire(1000, nil); more {
		t.Fatal("more are due than there were")
	}
	if ms, ok := w.NextDeadline(); ms != 5001 || !ok {
		t.Fatalf("the next deadline is %d, %v", ms, ok)
	}
	if exp, _, more := w.Expire(5001, nil); len(exp) != lease.MaxExpire || !more {
		t.Fatalf("%d expired, more %v", len(exp), more)
	}
}

// A snapshot stays what it is while the window goes on.
func TestSnapshotsStay(t *testing.T) {
	for seed := range uint64(20) {
		p := busy(seed)
		want, s := p.w.AppendCheckpoint(nil), p.w.Snapshot()
		p.w.Redrive(lease.Back{Offset: 0, Key: 3, Due: 1 << 40})
		p.w.Lease(lease.Request{Now: 1 << 30, Length: 1000, Max: 1000, Member: "somebody else", Incarnation: 1 << 20}, nil)
		p.w.Expire(1<<50, nil)
		p.w.Offer(p.w.End(), []lease.Offered{{Size: 7, Key: 1}, {Gone: true}, {Dies: 1, Key: 2}})
		p.w.SettleAt(1<<30, p.w.End()+1, lease.Reject)
		for n := 0; n < 3 && p.w.Start() < p.w.End(); n++ {
			p.w.SettleAt(1<<30, p.w.Start(), lease.Ack)
		}
		if bytes.Equal(p.w.AppendCheckpoint(nil), want) {
			t.Fatalf("seed %d: nothing has happened", seed)
		}
		if !bytes.Equal(s.AppendCheckpoint(nil), want) {
			t.Fatalf("seed %d: the snapshot has changed", seed)
		}
	}
}
