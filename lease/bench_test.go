package lease_test

import (
	"fmt"
	"math/rand/v2"
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
	dies  int64 // of what is offered
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
		b.recs[i] = lease.Offered{Size: 200, Dies: b.dies}
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

// layout is a window full of records, of all of which something was made.
type layout struct {
	name string
	cfg  lease.Config
	key  func(int) uint64
	made made
	ttl  bool
}

// made is what becomes of each record of a layout that may go out.
type made int

const (
	available made = iota
	leased
	leasedAtOddLengths
	extended // once, so that what told of the old deadline lies about
	deferred // with the jitter of the default backoff
)

var layouts = []layout{
	{name: "leased", made: leased},
	{name: "leased-odd-lengths", made: leasedAtOddLengths},
	{name: "extended", made: extended},
	{name: "deferred", made: deferred},
	{name: "leased-key-not-looked-at", key: ofAKey(1), made: leased},
	{name: "leased-own-key", cfg: lease.Config{KeyOrder: true}, key: ofAKey(1), made: leased},
	{name: "leased-own-key-ttl", cfg: lease.Config{KeyOrder: true}, key: ofAKey(1), made: leased, ttl: true},
	{name: "extended-own-key-ttl", cfg: lease.Config{KeyOrder: true}, key: ofAKey(1), made: extended, ttl: true},
	{name: "deferred-own-key-ttl", cfg: lease.Config{KeyOrder: true}, key: ofAKey(1), made: deferred, ttl: true},
	{name: "available-own-key-ttl", cfg: lease.Config{KeyOrder: true}, key: ofAKey(1), ttl: true},
	{name: "behind-one-key", cfg: lease.Config{KeyOrder: true}, key: func(int) uint64 { return 1 }},
	{name: "two-of-a-key", cfg: lease.Config{KeyOrder: true}, key: ofAKey(2)},
	{name: "two-of-a-key-first-leased", cfg: lease.Config{KeyOrder: true}, key: ofAKey(2), made: leased},
	{name: "two-of-a-key-first-deferred", cfg: lease.Config{KeyOrder: true}, key: ofAKey(2), made: deferred},
	{name: "three-of-a-key-first-leased", cfg: lease.Config{KeyOrder: true}, key: ofAKey(3), made: leased},
	{name: "one-to-three-of-a-key", cfg: lease.Config{KeyOrder: true}, key: upToThree},
	{name: "limit-own-key", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(1), made: leased},
	{name: "limit-two-of-a-key-ttl", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(2), made: leased, ttl: true},
	{name: "limit-two-of-a-key-odd-lengths", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(2), made: leasedAtOddLengths},
	{name: "limit-two-of-a-key-extended", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(2), made: extended},
	{name: "limit-two-of-a-key-deferred", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(2), made: deferred},
	{name: "limit-three-of-a-key", cfg: lease.Config{KeyConcurrency: 2}, key: ofAKey(3)},
}

// ofAKey gives keys of n records each.
func ofAKey(n int) func(int) uint64 { return func(i int) uint64 { return uint64(i/n) + 1 } }

// upToThree gives keys of one, two and three records in turn.
func upToThree(i int) uint64 {
	return uint64(i/6*3+[6]int{0, 1, 1, 2, 2, 2}[i%6]) + 1
}

// BenchmarkMemory reports the bytes an unresolved record takes.
func BenchmarkMemory(t *testing.B) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.B) {
			for range t.N {
				t.ReportMetric(l.memory(t, 999_000), "B/record")
			}
		})
	}
}

// memory is the bytes a record takes of a layout of n records.
func (l *layout) memory(t testing.TB, n int) float64 {
	before := heapBytes()
	b := newBench(l.cfg, 0, l.key)
	if l.ttl {
		b.dies = 1 << 40
	}
	for int(b.w.End()) < n {
		b.offer(l.key)
		b.take()
	}
	if l.made != available {
		b.handOutAll(t, l.made)
	}
	b.delta, b.recs, b.out = nil, nil, nil
	after := heapBytes()
	c := b.w.Counts()
	return float64(after-before) / float64(c.Available+c.Leased+c.Deferred)
}

// handOutAll hands out all that may go, 50,000 records a second, 10 s before they are made what they shall be.
func (b *bench) handOutAll(t testing.TB, made made) {
	r := rand.New(rand.NewPCG(1, 1))
	var all []lease.Claim
	for {
		length := int64(30_000)
		if made == leasedAtOddLengths {
			length = 1000 + r.Int64N(600_000)
		}
		b.out, _ = b.w.Lease(b.request(length, 50), b.out[:0])
		b.now++
		if b.take(); len(b.out) == 0 {
			break
		}
		for _, h := range b.out {
			all = append(all, h.Claim)
		}
	}
	b.now += 10_000 - int64(len(all))/50
	for i, c := range all {
		switch b.now += int64(i) % 50 / 49; made {
		case extended:
			b.settle(t, lease.Action{Claim: c, Verb: lease.Extend, For: 30_000})
		case deferred:
			b.settle(t, lease.Action{Claim: c, Verb: lease.Nack, Delay: 1_000 - 200 + r.Int64N(401)})
		}
	}
}

func (b *bench) settle(t testing.TB, a lease.Action) {
	if got := b.w.Settle(b.now, a); got.Code != lease.OK {
		t.Fatalf("%+v was answered by %+v", a, got)
	}
	b.take()
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
