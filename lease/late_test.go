package lease_test

import (
	"testing"

	"github.com/holtmq/holt/lease"
)

// TestLateExtendUnderKeyOrder: key order was turned on while two records of a key were leased. A lease that ran out cannot be extended beside the one that runs.
func TestLateExtendUnderKeyOrder(t *testing.T) {
	w := lease.New(lease.Config{KeyConcurrency: 2}, 0, 1)
	w.Offer(0, []lease.Offered{{Key: 7}, {Key: 7}})
	short, _ := w.Lease(lease.Request{Now: 0, Length: 1000, Max: 1, Incarnation: 1}, nil)
	long, _ := w.Lease(lease.Request{Now: 0, Length: 9000, Max: 1, Incarnation: 1}, nil)
	w.Configure(lease.Config{KeyOrder: true})
	extend := lease.Action{Claim: short[0].Claim, Verb: lease.Extend, For: 5000}
	if r := w.Settle(1500, extend); r.Code != lease.Lost { // before the expiry is turned over
		t.Fatalf("a late extend beside a running lease of the key: %v, want Lost", r.Code)
	}
	w.Expire(2000, nil)
	if r := w.Settle(2000, extend); r.Code != lease.Lost {
		t.Fatalf("after the expiry: %v, want Lost", r.Code)
	}
	if r := w.Settle(2000, lease.Action{Claim: long[0].Claim, Verb: lease.Ack}); r.Code != lease.OK {
		t.Fatalf("ack of the other: %v", r.Code)
	}
	if r := w.Settle(2500, extend); r.Code != lease.OK {
		t.Fatalf("with the key free again: %v, want OK", r.Code)
	}
}

// TestTwoForgottenHandouts: two crashes forgot a hand-out of one record each. When the first holder is believed, the second one's receipt is lost, not invalid.
func TestTwoForgottenHandouts(t *testing.T) {
	w := lease.New(lease.Config{}, 0, 1)
	w.Offer(0, make([]lease.Offered, 1))
	first := lease.Claim{Offset: 0, Delivery: 2, Incarnation: 1, Epoch: 1}  // the second hand-out of the first life
	second := lease.Claim{Offset: 0, Delivery: 1, Incarnation: 2, Epoch: 1} // the first one of the second life
	if r := w.Settle(0, lease.Action{Claim: first, Verb: lease.Extend, For: 1000}); r.Code != lease.OK {
		t.Fatalf("the first forgotten claim: %v", r.Code)
	}
	if r := w.Settle(0, lease.Action{Claim: second, Verb: lease.Ack}); r.Code != lease.Lost {
		t.Fatalf("the second forgotten claim: %v, want Lost", r.Code)
	}
	if r := w.Settle(0, lease.Action{Claim: first, Verb: lease.Ack}); r.Code != lease.OK {
		t.Fatalf("the believed one: %v", r.Code)
	}
}
