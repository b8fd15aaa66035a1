package lease_test

import (
	"testing"

	"github.com/holtmq/holt/lease"
)

// Whatever the length of its cells, a ribbon counts what View says of each record.
func TestRibbonAgreesWithViews(t *testing.T) {
	w := lease.New(lease.Config{MaxAttempts: 3, Backoff: lease.Backoff{Steps: []int64{500}}}, 3, 0)
	w.Offer(3, make([]lease.Offered, 20))
	got, _ := w.Lease(lease.Request{Now: 0, Length: 1000, Max: 8, Incarnation: 1}, nil)
	for i, h := range got {
		claim := lease.Action{Claim: lease.Claim{Offset: h.Offset, Delivery: h.Delivery, Incarnation: 1}}
		switch i % 4 {
		case 0:
			claim.Verb = lease.Ack
		case 1:
			claim.Verb = lease.Nack
		case 2:
			claim.Verb = lease.Reject
		default:
			continue
		}
		w.Settle(1, claim)
	}
	for at, v := range map[lease.Offset]lease.Verb{25: lease.Ack, 26: lease.Ack, 29: lease.Reject, 15: lease.Ack} {
		w.SettleAt(2, at, v)
	}
	const to = 33
	for n := 1; n <= 40; n++ {
		cells := make([]lease.Cell, n)
		if !w.Ribbon(w.Start(), to, cells, 1000) {
			t.Fatalf("%d cells: not whole", n)
		}
		want := make([]lease.Cell, n)
		for at := w.Start(); at < to; at++ {
			c := &want[(at-w.Start())/lease.CellWidth(w.Start(), to, n)]
			switch w.View(at).State {
			case lease.Available:
				c.Available++
			case lease.Leased:
				c.Leased++
			case lease.Deferred, lease.Unread:
				c.Deferred++
			case lease.Dying:
				c.Dying++
			}
		}
		for i := range cells {
			if cells[i] != want[i] {
				t.Errorf("%d cells, cell %d: %+v, want %+v", n, i, cells[i], want[i])
			}
		}
	}
	if w.Ribbon(w.Start(), to, make([]lease.Cell, 4), 3) {
		t.Error("a walk that was cut short says it was whole")
	}
	if !w.Ribbon(9, 9, make([]lease.Cell, 4), 3) || !w.Ribbon(0, 9, nil, 3) {
		t.Error("nothing to count is not whole")
	}
}
