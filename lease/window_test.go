package lease_test

import (
	"bytes"
	"testing"

	"github.com/holtmq/holt/lease"
)

// TestFirstSteps walks one window through the verbs, and its journal beside it.
func TestFirstSteps(t *testing.T) {
	cfg := lease.Config{MaxAttempts: 2, Backoff: lease.Backoff{Initial: 100}}
	w := lease.New(cfg, 0, 1)
	twin := lease.New(cfg, 0, 1)
	w.Offer(0, make([]lease.Offered, 10))
	got, stop := w.Lease(lease.Request{Now: 0, Length: 1000, Max: 4, Member: "a", Incarnation: 1}, nil)
	if len(got) != 4 || stop != lease.StopLimit {
		t.Fatalf("leased %d, %v", len(got), stop)
	}
	for i, v := range []lease.Verb{lease.Ack, lease.Nack, lease.Release} {
		if r := w.Settle(10, lease.Action{Claim: got[i].Claim, Verb: v, Delay: -1}); r.Code != lease.OK {
			t.Fatalf("verb %d: %+v", v, r)
		}
	}
	exp, freed, more := w.Expire(1000, nil)
	if len(exp) != 1 || freed != 2 || more {
		t.Fatalf("expired %+v, freed %d, more %v", exp, freed, more)
	}
	if r := w.Settle(1001, lease.Action{Claim: got[3].Claim, Verb: lease.Reject}); !r.Dying || !r.Late {
		t.Fatalf("late reject: %+v", r)
	}
	if d := w.Dying(nil, 10); len(d) != 1 || d[0].Attempts != 1 || !w.Bury(d[0].Offset) {
		t.Fatalf("dying: %+v", d)
	}
	if w.Start() != 1 || w.Counts() != (lease.Counts{Available: 8, Ready: 8}) {
		t.Fatalf("start %d, %+v", w.Start(), w.Counts())
	}
	if err := twin.Replay(w.TakeDelta(nil)); err != nil {
		t.Fatal(err)
	}
	cp := w.AppendCheckpoint(nil)
	if !bytes.Equal(cp, twin.AppendCheckpoint(nil)) {
		t.Fatal("the replayed window differs")
	}
	back, err := lease.Restore(cfg, cp)
	if err != nil || !bytes.Equal(cp, back.AppendCheckpoint(nil)) {
		t.Fatalf("the restored window differs: %v", err)
	}
}
