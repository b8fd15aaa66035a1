package lease_test

import (
	"bytes"
	"testing"

	"github.com/holtmq/holt/lease"
)

func TestDropsOfWhatWasPutBack(t *testing.T) {
	fresh := func() *lease.Window { return lease.New(lease.Config{MaxAttempts: 5, Seed: 1}, 0, 0) }
	w, replica := fresh(), fresh()
	follow := func() {
		t.Helper()
		if d := w.TakeDelta(nil); len(d) > 0 {
			if err := replica.Replay(d); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(w.AppendCheckpoint(nil), replica.AppendCheckpoint(nil)) {
			t.Fatal("a replay ends elsewhere")
		}
	}
	w.Offer(0, []lease.Offered{{Size: 1}, {Size: 1}, {Size: 1}, {Size: 1}})
	for at := range lease.Offset(3) {
		w.SettleAt(0, at, lease.Ack)
	}
	for at := range lease.Offset(2) {
		w.Redrive(lease.Back{Offset: at, Size: 1, Deliveries: 1})
	}
	got, _ := w.Lease(lease.Request{Now: 1, Length: 1000, Max: 1, Incarnation: 1}, nil)
	follow()
	if len(got) != 1 || got[0].Offset != 0 {
		t.Fatalf("leased %+v", got)
	}
	for at, want := range []bool{true, true, false, false} { // leased, available, settled, never put back
		if w.Drop(lease.Offset(at)) != want {
			t.Errorf("dropping %d does not say %t", at, want)
		}
		follow()
	}
	if r := w.Settle(2, lease.Action{Claim: got[0].Claim, Verb: lease.Ack}); r.Code != lease.AlreadySettled {
		t.Errorf("an ack of a dropped record: %v", r.Code)
	}
	if c := w.Counts(); c.Leased != 0 || c.Available != 1 || w.Dropped() != 2 {
		t.Errorf("%+v, %d dropped", c, w.Dropped())
	}
}

// TestRedrivenRecordsAreCounted has redriven records leave every way there is.
func TestRedrivenRecordsAreCounted(t *testing.T) {
	w := lease.New(lease.Config{MaxAttempts: 2}, 0, 0)
	w.Offer(0, make([]lease.Offered, 8))
	for at := range lease.Offset(8) {
		w.SettleAt(0, at, lease.Ack)
		w.Redrive(lease.Back{Offset: at, Size: 1, Deliveries: 1})
	}
	check := func(what string, waiting int, settled uint64) {
		t.Helper()
		if n, s := w.Redriven(); n != waiting || s != settled {
			t.Errorf("%s: %d wait and %d are settled, want %d and %d", what, n, s, waiting, settled)
		}
	}
	check("redriven", 8, 0)
	got, _ := w.Lease(lease.Request{Now: 1, Length: 1000, Max: 2, Incarnation: 1}, nil)
	w.Settle(2, lease.Action{Claim: got[0].Claim, Verb: lease.Ack})
	check("acked", 7, 1)
	w.Settle(2, lease.Action{Claim: got[1].Claim, Verb: lease.Reject})
	check("dying", 7, 1)
	w.Bury(1)
	check("dead", 6, 2)
	w.Drop(2)
	check("dropped", 5, 3)
	w.Configure(lease.Config{KeyOrder: true})
	w.TrimTo(8)
	check("configured and trimmed", 5, 3)
	w.Reset(5)
	check("reset to 5", 2, 6)
}
