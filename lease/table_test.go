package lease

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTable compares the open-addressing table with a map, through growth and gaps.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	keys := []uint64{0}
	tab := table{keyOf: func(c uint32) uint64 { return keys[c] }}
	want := map[uint64]uint32{}
	for range 20_000 {
		key := uint64(r.IntN(600)) << (r.IntN(3) * 12)
		c, ok := want[key]
		switch {
		case tab.get(key) != c:
			t.Fatalf("key %d gives %d, want %d", key, tab.get(key), c)
		case ok:
			tab.remove(key, c)
			delete(want, key)
		default:
			keys = append(keys, key)
			want[key] = uint32(len(keys) - 1)
			tab.put(key, want[key])
		}
		if tab.n != len(want) {
			t.Fatalf("%d entries, want %d", tab.n, len(want))
		}
	}
}

// TestLine compares the line with a sorted slice.
func TestLine(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var l line
	var want []mark
	order := func(a, b mark) int {
		if a.before(b) {
			return -1
		}
		return 1
	}
	for i := range 20_000 {
		switch x := r.IntN(10); {
		case x < 4:
			m := mark{int64(i), Offset(i)} // in order
			l.push(m)
			want = append(want, m)
		case x < 6:
			m := mark{int64(r.IntN(i + 1)), Offset(i)}
			l.push(m)
			want = append(want, m)
		case x == 6 && i%50 == 0:
			odd := func(m mark) bool { return m.offset%3 != 0 }
			l.sweep(odd)
			want = slices.DeleteFunc(want, func(m mark) bool { return !odd(m) })
		case len(want) > 0:
			slices.SortFunc(want, order)
			if got := l.first(); got != want[0] {
				t.Fatalf("first %v, want %v", got, want[0])
			}
			l.pop()
			want = want[1:]
		}
		if l.len() != len(want) {
			t.Fatalf("%d entries, want %d", l.len(), len(want))
		}
	}
}

// TestLineOfSeries sorts what comes in no order, at times as far apart as times can be, more than the heap takes, with sweeps between.
func TestLineOfSeries(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	var l line
	var want []mark
	order := func(a, b mark) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.offset, b.offset)) }
	most := 0
	for round := range 8 {
		for i := range 9 * mostLoose {
			m := mark{int64(r.Uint64()), Offset(r.Uint64() >> 1)}
			switch round % 4 {
			case 1: // two lengths of leases
				m = mark{int64(1000*i + i%2*500_000), Offset(i)}
			case 2:
				m = mark{r.Int64N(1000), Offset(r.Int64N(1 << 20))}
			}
			l.push(m)
			want = append(want, m)
			most = max(most, len(l.rest)-l.loose)
		}
		odd := func(m mark) bool { return (m.at^int64(m.offset))&7 != 0 }
		l.sweep(odd)
		want = slices.DeleteFunc(want, func(m mark) bool { return !odd(m) })
		slices.SortFunc(want, order)
		n := 0
		l.each(func(mark) { n++ })
		if n != len(want) || l.len() != n {
			t.Fatalf("round %d: %d marks, length %d, want %d", round, n, l.len(), len(want))
		}
		for range len(want) * round / 8 {
			if got := l.first(); got != want[0] {
				t.Fatalf("round %d: first %v, want %v", round, got, want[0])
			}
			l.pop()
			want = want[1:]
		}
	}
	if most < 3 {
		t.Errorf("there were no more than %d series", most)
	}
	for _, m := range want {
		if l.first() != m {
			t.Fatalf("first %v, want %v", l.first(), m)
		}
		l.pop()
	}
	if l.len() != 0 || len(l.rest) != 0 || l.loose != 0 {
		t.Errorf("empty, the line has %d marks, %d entries, %d loose", l.len(), len(l.rest), l.loose)
	}
}

// TestPast compares the memory of settled records with a map, up to its limits.
func TestPast(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var p past
	want := map[Offset]Outcome{}
	for i := range Offset(3 * MaxRuns) {
		o := Outcome(1 + r.IntN(4))
		want[i] = o
		p.settle(i, o)
		if len(p.except) > MaxRuns {
			t.Fatalf("%d runs", len(p.except))
		}
	}
	if p.floor == 0 {
		t.Fatal("the floor did not rise")
	}
	for i, o := range want {
		if got := p.outcome(i); got != o && (got != 0 || i >= p.floor) {
			t.Fatalf("%d ended as %d, want %d", i, got, o)
		}
	}
	// What is settled below the floor is known for a while.
	for i := range Offset(maxRecent + 1) {
		p.settle(i, Acked)
	}
	if p.outcome(0) != 0 || p.outcome(1) != Acked || p.outcome(maxRecent) != Acked || len(p.recent) != maxRecent {
		t.Fatalf("the last %d settled below the floor are not what is known there", maxRecent)
	}
	p.cut(100)
	if p.floor != 100 || p.outcome(99) != Acked || len(p.except) != 0 || len(p.recent) != 99 {
		t.Fatalf("after a cut: floor %d, %d runs, %d recent", p.floor, len(p.except), len(p.recent))
	}
}

func TestRuns(t *testing.T) {
	var r runs
	r.add(10, 12, Dead)
	r.add(14, 15, Dead)
	r.add(12, 14, Dead)
	r.add(8, 10, Acked)
	r.add(20, 21, Acked)
	if want := (runs{{8, 10, Acked}, {10, 15, Dead}, {20, 21, Acked}}); !slices.Equal(r, want) {
		t.Fatalf("%v, want %v", r, want)
	}
	r.remove(12)
	r.remove(8)
	r.remove(20)
	r.remove(30)
	if want := (runs{{9, 10, Acked}, {10, 12, Dead}, {13, 15, Dead}}); !slices.Equal(r, want) {
		t.Fatalf("%v, want %v", r, want)
	}
	r.cut(11)
	if want := (runs{{9, 10, Acked}, {10, 11, Dead}}); !slices.Equal(r, want) {
		t.Fatalf("%v, want %v", r, want)
	}
}

func TestMembers(t *testing.T) {
	var m members
	a := m.intern("a")
	m.ref(a)
	for i := range 1000 {
		m.intern(string(rune('b' + i)))
	}
	if m.intern("a") != a || m.name(a) != "a" || m.intern("") != 0 || m.name(0) != "" {
		t.Fatal("a name in use was lost")
	}
	if len(m.all) > 100 {
		t.Fatalf("%d names kept, one in use", len(m.all))
	}
	m.unref(a)
	if m.live != 0 {
		t.Fatalf("%d names in use, want none", m.live)
	}
}

// TestDelay checks the shapes of backoff: exponential, capped, steps, and jitter within its bounds.
func TestDelay(t *testing.T) {
	for _, c := range []struct {
		name    string
		b       Backoff
		failure int
		want    int64
	}{
		{"none", Backoff{}, 1, 0},
		{"first", Backoff{Initial: 100, Multiplier: 2}, 1, 100},
		{"fourth", Backoff{Initial: 100, Multiplier: 2}, 4, 800},
		{"capped", Backoff{Initial: 100, Multiplier: 2, Max: 500}, 4, 500},
		{"constant", Backoff{Initial: 100}, 9, 100},
		{"no overflow", Backoff{Initial: 100, Multiplier: 10}, 1 << 30, MaxDelay},
		{"step", Backoff{Steps: []int64{5, 6, 7}, Initial: 100}, 2, 6},
		{"last step", Backoff{Steps: []int64{5, 6, 7}}, 99, 7},
	} {
		if got := c.b.delay(1, 2, c.failure); got != c.want {
			t.Errorf("%s: %d ms, want %d", c.name, got, c.want)
		}
	}
	b := Backoff{Initial: 1000, Jitter: 0.2}
	least, most, sum := int64(1<<60), int64(0), int64(0)
	for at := range Offset(10_000) {
		d := b.delay(42, at, 1)
		least, most, sum = min(least, d), max(most, d), sum+d
	}
	if least < 800 || least > 810 || most > 1200 || most < 1190 || sum/10_000 < 990 || sum/10_000 > 1010 {
		t.Errorf("jitter from %d to %d, mean %d", least, most, sum/10_000)
	}
	if b.delay(42, 1, 1) != b.delay(42, 1, 1) || b.delay(42, 1, 1) == b.delay(43, 1, 1) {
		t.Error("jitter is not a hash of seed, offset and attempt")
	}
}

func TestLater(t *testing.T) {
	const most = 1<<63 - 1
	if later(5, -1) != 5 || later(5, 6) != 11 || later(5, most) != most || later(-5, most) != most-5 {
		t.Error("times do not saturate")
	}
}

// TestComingBackLeavesNothingBehind: a record that is put back again and again, unsettled as it is, leaves no more marks behind than a sweep lets be.
func TestComingBackLeavesNothingBehind(t *testing.T) {
	w := New(Config{}, 0, 1)
	w.Offer(0, make([]Offered, 2))
	for range 10_000 {
		w.Redrive(Back{Offset: 0})
	}
	if n := w.ready[again].len(); n > 200 {
		t.Errorf("%d marks of one record", n)
	}
}
