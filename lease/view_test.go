package lease_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/lease"
)

// Pages of views, whatever their size and however few records a call looks at, give each unsettled record once, in order.
func TestViewsInPagesAreAllOfThem(t *testing.T) {
	const n = 2000
	w := lease.New(lease.Config{MaxAttempts: 9, Backoff: lease.Backoff{Steps: []int64{500}}}, 0, 0)
	for at := lease.Offset(0); at < n; at += 1000 {
		w.Offer(at, make([]lease.Offered, 1000))
	}
	got, _ := w.Lease(lease.Request{Now: 0, Length: 1000, Max: 900, Incarnation: 1}, nil)
	for i, h := range got {
		verb := [...]lease.Verb{lease.Ack, lease.Nack, lease.Extend}[i%3]
		w.Settle(1, lease.Action{Claim: lease.Claim{Offset: h.Offset, Delivery: h.Delivery, Incarnation: 1}, Verb: verb, For: 1000, Delay: -1})
	}
	for at := lease.Offset(1100); at < 1900; at++ { // a hole wider than what is tried offset by offset
		w.SettleAt(2, at, lease.Ack)
	}
	for at := lease.Offset(1890); at > 100; at -= 30 {
		w.Redrive(lease.Back{Offset: at})
	}
	for _, state := range []lease.State{0, lease.Available, lease.Leased, lease.Deferred} {
		var want []lease.View
		for at := range lease.Offset(n) {
			if v := w.View(at); v.State != lease.Settled && (state == 0 || v.State == state) {
				want = append(want, v)
			}
		}
		for _, page := range []int{1, 7, 300, n} {
			for _, most := range []int{1, 13, n} {
				var all []lease.View
				for at, more := lease.Offset(0), true; more; {
					var some []lease.View
					from := at
					some, at, more = w.Views(at, state, page, most, nil)
					if len(some) > min(page, most) || more && at <= from {
						t.Fatalf("state %d, pages of %d, at most %d looked at: %d from %d on, next at %d", state, page, most, len(some), from, at)
					}
					all = append(all, some...)
				}
				if diff := cmp.Diff(want, all); diff != "" {
					t.Fatalf("state %d, pages of %d, at most %d looked at (−want +got):\n%.1000s", state, page, most, diff)
				}
			}
		}
	}
	if v, next, more := w.Views(0, lease.Dying, 10, 40, nil); len(v) != 0 || !more || next > 70 {
		t.Errorf("nothing matches: after 40 records it gives %v and would go on at %d, %v", v, next, more)
	}
}
