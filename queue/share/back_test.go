package share

import (
	"testing"

	"github.com/holtmq/holt/lease"
)

func TestFirstRedrivenRecordIsFound(t *testing.T) {
	const n = 5000
	m := lease.New(lease.Config{}, 0, 1)
	for at := lease.Offset(0); at < n; at += 1000 {
		m.Offer(at, make([]lease.Offered, 1000))
	}
	var b backs
	redrive := func(at lease.Offset) {
		if code := m.Redrive(lease.Back{Offset: at}); code != lease.OK {
			t.Fatal(code)
		}
		b.add(at, m)
	}
	want := func(at lease.Offset, any bool) {
		t.Helper()
		if got, is := b.first(m, maxStale); got != at || is != any {
			t.Errorf("the first is %d, %v, want %d, %v", got, is, at, any)
		}
	}
	settle := func(from, to lease.Offset) {
		for at := from; at < to; at++ {
			m.SettleAt(0, at, lease.Ack)
			m.TakeDelta(nil)
		}
	}
	want(0, false)
	for at := lease.Offset(n - 1); at >= 10; at-- {
		redrive(at)
	}
	want(10, true)
	redrive(10) // again, and again it is one
	redrive(3)
	want(3, true)
	settle(3, 4)
	settle(11, n-1)
	want(10, true)
	if got := b.waiting(m, maxStale); len(got) != 2 || got[0] != 10 || got[1] != n-1 {
		t.Errorf("waiting are %v", got)
	}
	settle(10, 11)
	if got, any := b.first(m, 5); !any || got >= n-1 {
		t.Errorf("after five steps the first is %d, %v: one that is settled was meant to be left", got, any)
	}
	want(n-1, true)
	settle(n-1, n)
	want(0, false)
	if len(b.offsets) != 0 {
		t.Errorf("%d are kept of nothing", len(b.offsets))
	}
}

func TestSettledRedrivenRecordsAreForgotten(t *testing.T) {
	m := lease.New(lease.Config{}, 0, 1)
	m.Offer(0, make([]lease.Offered, 10))
	var b backs
	for at := range lease.Offset(2) { // the first stays, so that nothing is taken off the top
		if code := m.Redrive(lease.Back{Offset: at}); code != lease.OK {
			t.Fatal(code)
		}
	}
	for i := range keptStale + 100 {
		b.add(lease.Offset(min(i, 9)), m)
	}
	if at, any := b.first(m, maxStale); len(b.offsets) > 200 || at != 0 || !any {
		t.Errorf("%d offsets are kept of two records; the first is %d, %v", len(b.offsets), at, any)
	}
}
