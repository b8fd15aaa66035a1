package lease_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/holtmq/holt/lease"
)

// bench leases and settles batches from a window that has stuck leased records all the while.
type bench struct {
	w     *lease.Window
	recs  []lease.Offered
	out   []lease.Handout
	delta []byte
	now   int64
}

func newBench(cfg lease.Config, stuck int, key func(i int) uint64) *bench {
	b := &bench{w: lease.New(cfg, 0, 1), recs: make([]lease.Offered, 512)}
	for n := 0; n < stuck; {
		b.offer(key)
		got, _ := b.w.Lease(b.request(1<<30, min(stuck-n, 512)), b.out[:0])
		n += len(got)
		b.take()
	}
	return b
}

func (b *bench) request(length int64, n int) lease.Request {
	return lease.Request{Now: b.now, Length: length, Max: n, Member: "worker-7", Incarnation: 1}
}

func (b *bench) offer(key func(int) uint64) {
	end := b.w.End()
	for i := range b.recs {
		b.recs[i] = lease.Offered{Size: 200}
		if key != nil {
			b.recs[i].Key = key(int(end) + i)
		}
	}
	b.w.Offer(end, b.recs)
}

func (b *bench) take() { b.delta = b.w.TakeDelta(b.delta[:0]) }

// cycle leases n records and acks them.
func (b *bench) cycle(n int, key func(int) uint64) int {
	if b.w.Counts().Ready < n {
		b.offer(key)
	}
	b.now++
	b.out, _ = b.w.Lease(b.request(30_000, n), b.out[:0])
	b.take()
	for _, h := range b.out {
		if r := b.w.Settle(b.now, lease.Action{Claim: h.Claim, Verb: lease.Ack}); r.Code != lease.OK {
			panic(fmt.Sprint("an ack was refused: ", r))
		}
	}
	b.take()
	return len(b.out)
}

func (b *bench) run(t *testing.B, n int, key func(int) uint64) {
	t.ReportAllocs()
	t.ResetTimer()
	done := 0
	for done < t.N {
		done += b.cycle(min(n, t.N-done), key)
	}
	t.ReportMetric(float64(done)/t.Elapsed().Seconds()/1e6, "Mrecords/s")
}

// BenchmarkCycle is one record offered, leased and acked, with its deltas.
func BenchmarkCycle(t *testing.B) {
	for _, n := range []int{100, 1} {
		for _, stuck := range []int{1, 1e3, 1e5} {
			t.Run(fmt.Sprintf("batch=%d/unresolved=%d", n, stuck), func(t *testing.B) {
				newBench(lease.Config{MaxAttempts: 5}, stuck, nil).run(t, n, nil)
			})
		}
	}
}

// BenchmarkBacklog works on the last records of a backlog of the given length whose first record is never settled: neither what lay before
// nor the span may cost anything.
func BenchmarkBacklog(t *testing.B) {
	for _, backlog := range []int{1e3, 1e5, 1e7} {
		t.Run(fmt.Sprintf("records=%d", backlog), func(t *testing.B) {
			b := newBench(lease.Config{MaxAttempts: 5}, 1, nil)
			for n := 0; n < backlog; {
				n += b.cycle(512, nil)
			}
			b.run(t, 100, nil)
		})
	}
}

// BenchmarkStuckKey has a million records behind one leased record of their key; others flow beside them.
func BenchmarkStuckKey(t *testing.B) {
	for _, stuck := range []int{1, 1e3, 990_000} {
		t.Run(fmt.Sprintf("behind=%d", stuck), func(t *testing.B) {
			key := func(i int) uint64 {
				if i <= stuck {
					return 1
				}
				return uint64(i)%997 + 2
			}
			b := newBench(lease.Config{MaxAttempts: 5, KeyOrder: true}, 1, key)
			for int(b.w.End()) < stuck {
				b.offer(key)
				b.take()
			}
			b.run(t, 100, key)
		})
	}
}

// BenchmarkKeys has three records of each key in turn.
func BenchmarkKeys(t *testing.B) {
	for _, c := range []struct {
		name string
		cfg  lease.Config
	}{
		{"order", lease.Config{MaxAttempts: 5, KeyOrder: true}},
		{"limit", lease.Config{MaxAttempts: 5, KeyConcurrency: 2}},
	} {
		for _, stuck := range []int{1, 1e5} {
			t.Run(fmt.Sprintf("%s/unresolved=%d", c.name, stuck), func(t *testing.B) {
				newBench(c.cfg, stuck, ofAKey(3)).run(t, 100, ofAKey(3))
			})
		}
	}
}

// BenchmarkExpire leases records that all run out and come again.
func BenchmarkExpire(t *testing.B) {
	b := newBench(lease.Config{}, 0, nil)
	b.offer(nil)
	var exp []lease.Expired
	t.ReportAllocs()
	for i := 0; i < t.N; i += len(exp) {
		b.out, _ = b.w.Lease(b.request(10, 512), b.out[:0])
		b.now += 10
		exp, _, _ = b.w.Expire(b.now, exp[:0])
		b.take()
	}
}

// layout is a window full of records of which some are leased, the others available.
type layout struct {
	name   string
	cfg    lease.Config
	key    func(int) uint64
	leased int // 1 in so many; 0 = none
}

var layouts = []layout{
	{"leased", lease.Config{}, nil, 1},
	{"leased-own-key", lease.Config{KeyOrder: true}, ofAKey(1), 1},
	{"available-own-key", lease.Config{KeyOrder: true}, ofAKey(1), 0},
	{"behind-one-key", lease.Config{KeyOrder: true}, func(int) uint64 { return 1 }, 0},
	{"two-of-a-key", lease.Config{KeyOrder: true}, ofAKey(2), 0},
	{"two-of-a-key-first-leased", lease.Config{KeyOrder: true}, ofAKey(2), 2},
	{"three-of-a-key-first-leased", lease.Config{KeyOrder: true}, ofAKey(3), 3},
	{"one-to-three-of-a-key", lease.Config{KeyOrder: true}, upToThree, 0},
	{"limit-own-key", lease.Config{KeyConcurrency: 2}, ofAKey(1), 1},
	{"limit-three-of-a-key", lease.Config{KeyConcurrency: 2}, ofAKey(3), 0},
}

// pairsInFlight is where a record takes most: every second one pays for the queue of its key, which has a limit, and every one for its deadline.
var pairsInFlight = layout{"limit-two-of-a-key", lease.Config{KeyConcurrency: 2}, ofAKey(2), 1}

// ofAKey gives keys of n records each.
func ofAKey(n int) func(int) uint64 { return func(i int) uint64 { return uint64(i/n) + 1 } }

// upToThree gives keys of one, two and three records in turn.
func upToThree(i int) uint64 {
	return uint64(i/6*3+[6]int{0, 1, 1, 2, 2, 2}[i%6]) + 1
}

// BenchmarkMemory reports the bytes an unresolved record takes.
func BenchmarkMemory(t *testing.B) {
	for _, l := range append(layouts, pairsInFlight) {
		t.Run(l.name, func(t *testing.B) {
			for range t.N {
				t.ReportMetric(l.memory(t, 999_000), "B/record")
			}
		})
	}
}

func (l *layout) memory(t testing.TB, n int) float64 {
	before := heapBytes()
	b, stuck := newBench(l.cfg, 0, l.key), 0
	for int(b.w.End()) < n {
		b.offer(l.key)
		b.take()
	}
	if l.leased > 0 {
		stuck = n / l.leased
	}
	for got := 0; got < stuck; {
		b.out, _ = b.w.Lease(b.request(1<<30, min(stuck-got, 512)), b.out[:0])
		if got += len(b.out); len(b.out) == 0 {
			t.Fatalf("%d leased of %d", got, stuck)
		}
		b.take()
	}
	b.delta, b.recs, b.out = nil, nil, nil
	after := heapBytes()
	c := b.w.Counts()
	return float64(after-before) / float64(c.Available+c.Leased)
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
