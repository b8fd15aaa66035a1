package lease_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/holtmq/holt/lease"
)

// busy runs a program and gives its window, a checkpoint of before and the deltas since.
func busy(seed uint64) *pair {
	p := newPair(uint32(seed*2654435761), false)
	for i, o := range program(seed, 300) {
		if why := p.step(o, i); why != "" {
			panic(why)
		}
	}
	return p
}

// exercise uses a window every way there is: whatever a decoder let through must not make it panic.
func exercise(w *lease.Window) {
	at := w.Start()
	if w.End() < 1<<40 {
		w.Offer(w.End(), []lease.Offered{{Size: 1, Key: 1}, {Size: 2}})
	}
	got, _ := w.Lease(lease.Request{Now: 5000, Length: 10, Max: 20, Incarnation: 1 << 30}, nil)
	for i, h := range got {
		w.Settle(5001, lease.Action{Claim: h.Claim, Verb: lease.Verb(1 + i%5), Delay: -1, For: 10})
	}
	w.Expire(1<<40, nil)
	for _, b := range []lease.Offset{at, at - 1, w.End() - 1, w.End()} {
		w.Redrive(lease.Back{Offset: b, Key: 1, Deliveries: 3, Incarnation: 1 << 30})
	}
	w.Drop(at)
	for _, d := range w.Dying(nil, 10) {
		w.Bury(d.Offset)
		w.FreeKey(d.Key, d.Offset)
	}
	w.SettleAt(6000, at, lease.Ack)
	views, _, _ := w.Views(0, 0, 100, 100, nil)
	for _, v := range views {
		w.View(v.Offset)
	}
	w.Resume(7000)
	w.Configure(lease.Config{KeyConcurrency: 1})
	w.NextDeadline()
	w.TrimTo(at + 2)
	w.Reset(at)
	w.AppendCheckpoint(nil)
}

func FuzzReplay(f *testing.F) {
	start := make([][]byte, 4)
	for seed := range start {
		p := busy(uint64(seed + 1))
		start[seed] = p.w.AppendCheckpoint(nil)
		for _, d := range p.deltas {
			f.Add(uint8(seed), d)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, delta []byte) {
		w, err := lease.Restore(config(uint32(n)*97), start[int(n)%len(start)])
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Replay(delta); err != nil {
			if !errors.Is(err, lease.ErrCorrupt) {
				t.Fatalf("an error that is not ErrCorrupt: %v", err)
			}
			return
		}
		roundTrip(t, config(uint32(n)*97), w)
		exercise(w)
	})
}

func FuzzRestore(f *testing.F) {
	for seed := range uint64(8) {
		b := busy(seed + 1).w.AppendCheckpoint(nil)
		f.Add(uint8(seed), b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		cfg := config(uint32(n) * 97)
		if _, err := lease.Restore(cfg, body); err != nil && !errors.Is(err, lease.ErrCorrupt) {
			t.Fatalf("an error that is not ErrCorrupt: %v", err)
		}
		w, err := lease.Restore(cfg, lease.Seal(bytes.Clone(body)))
		if err != nil {
			if !errors.Is(err, lease.ErrCorrupt) {
				t.Fatalf("an error that is not ErrCorrupt: %v", err)
			}
			return
		}
		roundTrip(t, cfg, w)
		exercise(w)
	})
}

// roundTrip says that what was accepted is written and read again unchanged.
func roundTrip(t *testing.T, cfg lease.Config, w *lease.Window) {
	t.Helper()
	cp := w.AppendCheckpoint(nil)
	back, err := lease.Restore(cfg, cp)
	if err != nil {
		t.Fatalf("what was accepted cannot be restored: %v", err)
	}
	if !bytes.Equal(cp, back.AppendCheckpoint(nil)) || w.Counts() != back.Counts() || w.Start() != back.Start() {
		t.Fatal("what was accepted changes when restored")
	}
}

// FuzzProgram lets the fuzzer write the programs of the model test: 17 bytes a step. Run it with -fuzzminimizetime 10x: what a map's order
// covers is never minimal.
func FuzzProgram(f *testing.F) {
	for seed := range uint64(4) {
		var b []byte
		for _, o := range program(seed, 60) {
			b = append(b, byte(o.kind))
			for _, n := range o.n {
				b = binary.LittleEndian.AppendUint32(b, n)
			}
		}
		f.Add(uint32(seed*7919), b)
	}
	f.Fuzz(func(t *testing.T, cfg uint32, b []byte) {
		var prog []op
		for ; len(b) >= 17 && len(prog) < 400; b = b[17:] {
			o := op{kind: kind(b[0]) % kinds}
			for i := range o.n {
				o.n[i] = binary.LittleEndian.Uint32(b[1+4*i:])
			}
			prog = append(prog, o)
		}
		if step, why := run(cfg, cfg%2 == 0, prog); step >= 0 {
			t.Fatalf("step %d %v: %s", step, prog[step], why)
		}
	})
}

// TestDamage flips every bit and cuts at every byte of a checkpoint and of deltas: an error or a window, and never more memory than the
// bytes can ask for.
func TestDamage(t *testing.T) {
	p := busy(11)
	cp := p.w.AppendCheckpoint(nil)
	for i := range cp {
		for bit := range 8 {
			bad := bytes.Clone(cp)
			bad[i] ^= 1 << bit
			if _, err := lease.Restore(p.cfg, bad); !errors.Is(err, lease.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
		if _, err := lease.Restore(p.cfg, cp[:i]); !errors.Is(err, lease.ErrCorrupt) {
			t.Fatalf("cut at byte %d: %v", i, err)
		}
	}
	body := cp[:len(cp)-4]
	before := allocated()
	n := 0
	for i := range body {
		for _, c := range []byte{0, 1, 0x7F, 0xFF} {
			bad := bytes.Clone(body)
			bad[i] = c
			if w, err := lease.Restore(p.cfg, lease.Seal(bad)); err == nil {
				exercise(w)
			}
			n++
		}
	}
	if per := (allocated() - before) / uint64(n); per > 4<<20 {
		t.Fatalf("%d bytes allocated for a checkpoint of %d", per, len(cp))
	}
	damageDeltas(t)
}

func damageDeltas(t *testing.T) {
	p := busy(12)
	cp := p.w.AppendCheckpoint(nil)
	n := 0
	for _, d := range p.deltas {
		for i := range d {
			bad := bytes.Clone(d)
			bad[i] ^= 0x55
			w, err := lease.Restore(p.cfg, cp)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Replay(bad); err == nil {
				exercise(w)
			} else if n++; !errors.Is(err, lease.ErrCorrupt) {
				t.Fatalf("an error that is not ErrCorrupt: %v", err)
			}
		}
	}
	if n == 0 {
		t.Fatal("no damage was found")
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
