package blackbox_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// expired waits until no lease of the group runs any more.
func (q queue) expired() {
	q.t.Helper()
	eventually(q.t, soon, "all leases expired", func() bool { return q.view().Totals.Leased == 0 })
}

func TestScenario17_AckPrefix(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	got := q.take(10)
	q.ack(got[:4]...)
	if p := q.only(); p.StartOffset != 4 || p.EndOffset != 10 || p.Lag != 6 || p.Leased != 6 {
		t.Errorf("partition %+v, want start 4, lag 6", p)
	}
}

func TestScenario18_AckMiddleFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	got := q.take(10)
	q.ack(got[3:7]...)
	if p := q.only(); p.StartOffset != 0 || p.Lag != 6 {
		t.Errorf("partition %+v, want start 0, lag 6", p)
	}
	q.ack(got[:3]...)
	if p := q.only(); p.StartOffset != 7 || p.Lag != 3 {
		t.Errorf("partition %+v, want start 7, lag 3", p)
	}
}

func TestScenario19_NackComesAgainAfterBackoff(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	r := q.one(obj{"member": "a"})
	before := time.Now()
	q.verb("nack", r, obj{"error": "first try"}).ok(1)
	if v := q.view(); v.Totals.Deferred != 1 || v.Totals.Lag != 1 || v.Totals.Available != 0 {
		t.Errorf("totals %+v after a nack, want 1 deferred", v.Totals)
	}
	again := q.one(obj{"member": "b"})
	if took := time.Since(before); took < time.Second {
		t.Errorf("record came again %v after its nack, backoff is 1 s", took)
	}
	wantAttempt(t, again, 2, 2)
	if again.Receipt == r.Receipt {
		t.Error("two hand-outs have one receipt")
	}
}

func TestScenario20_Reject(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	got := q.take(2)
	q.verb("reject", got[0], obj{"error": "bad"}).ok(1)
	q.verb("release", got[1]).ok(1)
	letters := q.awaitLetters(1)
	if at := letters[0].Headers["holt-dl-offset"]; at != "0" {
		t.Errorf("holt-dl-offset %q, want 0", at)
	}
	wantOffsets(t, "after a reject", q.take(1), []int64{1})
	q.none("300ms")
}

func TestScenario21_MixedOutcomes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 6)
	got := q.take(6)
	q.settle(obj{
		"ack":     list{got[0].Receipt, got[1].Receipt},
		"nack":    list{obj{"receipt": got[2].Receipt, "delay": "1h", "error": "later"}},
		"release": list{got[3].Receipt},
		"reject":  list{obj{"receipt": got[4].Receipt, "error": "no"}},
		"extend":  list{obj{"receipt": got[5].Receipt, "for": "60s"}},
	}).ok(6)
	want := totals{Lag: 3, Available: 1, Leased: 1, Deferred: 1, DeadLetters: 1}
	if v := q.view(); v.Totals != want || v.Partitions[0].StartOffset != 2 {
		t.Errorf("start %d, totals %+v, want start 2, %+v", v.Partitions[0].StartOffset, v.Totals, want)
	}
	r := q.one()
	wantOffsets(t, "released", []wireRecord{r}, []int64{3})
	wantAttempt(t, r, 1, 2)
}

// lost makes a receipt whose record was handed out again.
func (q queue) lost() (old, now wireRecord) {
	q.t.Helper()
	old = q.one()
	q.nack(old, "0s")
	now = q.one()
	if now.Offset != old.Offset {
		q.t.Fatalf("record %d was nacked, %d came again", old.Offset, now.Offset)
	}
	return old, now
}

func TestScenario22_OneLostAmongGood(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 3)
	old, now := q.lost()
	good := q.take(2)
	var s settled
	q.settle(obj{"ack": list{good[0].Receipt, old.Receipt, good[1].Receipt}}).is(200).into(&s)
	if s.Settled != 2 || len(s.Failed) != 1 || s.Failed[0] != (failedItem{old.Receipt, "lease_lost"}) {
		t.Errorf("answer %+v, want 2 settled and the lost one in failed", s)
	}
	if p := q.only(); p.Lag != 1 || p.Leased != 1 {
		t.Errorf("partition %+v, want only the lost one's record left", p)
	}
	q.settle(obj{"ack": list{old.Receipt}}).refused("lease_lost")
	q.ack(now)
}

func TestScenario22_AllLost(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	old, now := q.lost()
	p := q.settle(obj{
		"nack":   list{obj{"receipt": old.Receipt, "delay": "1h"}},
		"reject": list{obj{"receipt": "bogus"}},
	}).anyProblem()
	if p.Status != 409 || len(p.Failed) != 2 {
		t.Errorf("status %d, failed %v, want 409 with both", p.Status, p.Failed)
	}
	for _, verb := range []string{"ack", "nack", "release", "reject", "extend"} {
		extra := obj{}
		if verb == "extend" {
			extra["for"] = "60s"
		}
		q.verb(verb, old, extra).refused("lease_lost")
	}
	if v := q.view(); v.Totals != (totals{Lag: 1, Leased: 1}) {
		t.Errorf("totals %+v, want the new lease alone", v.Totals)
	}
	q.ack(now)
}

func TestScenario23_ForgedReceipts(t *testing.T) {
	t.Parallel()
	q, other := newQueue(t, 1, nil), newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	other.fill(0, 0, 1)
	r, foreign := q.one(), other.one()
	for i := range r.Receipt {
		for _, c := range []byte{'A', 'b', '7', '_'} {
			if r.Receipt[i] == c {
				continue
			}
			bad := []byte(r.Receipt)
			bad[i] = c
			q.settle(obj{"ack": list{string(bad)}}).refused("invalid_receipt")
		}
	}
	for _, bad := range []string{foreign.Receipt, r.Receipt + "A", r.Receipt[1:], r.Receipt[:len(r.Receipt)-1], "x", "\u0000", "../..", r.Receipt + r.Receipt} {
		q.settle(obj{"ack": list{bad}}).refused("invalid_receipt")
	}
	if v := q.view(); v.Totals != (totals{Lag: 1, Leased: 1}) {
		t.Errorf("totals %+v after forged receipts, want 1 leased", v.Totals)
	}
	q.ack(r)
	other.ack(foreign)
}

func TestScenario23_NoTwoReceiptsAreEqual(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, nil)
	q.fill(0, 0, 5)
	q.fill(1, 0, 5)
	seen := map[string]bool{}
	for range 20 {
		got := q.take(10)
		for _, r := range got {
			if seen[r.Receipt] {
				t.Fatalf("receipt %s was given twice", r.Receipt)
			}
			seen[r.Receipt] = true
		}
		q.settle(obj{"release": receipts(got)}).ok(10)
	}
}

// After a settle and before the next hand-out, the same verb is accepted again
// and any other is already_settled; after the hand-out, all are lease_lost.
func TestScenario24_SameSettleTwice(t *testing.T) {
	t.Parallel()
	for verb, extra := range map[string]obj{"nack": {"delay": "4s"}, "release": {}} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, 1, nil)
			q.fill(0, 0, 1)
			r := q.one()
			q.verb(verb, r, extra).ok(1)
			q.verb(verb, r, extra).ok(1)
			q.others(verb, r, "already_settled")
			again := q.one()
			if want := map[string]int{"nack": 2, "release": 1}[verb]; again.Attempt != want {
				t.Errorf("attempt %d after two %ss, want %d", again.Attempt, verb, want)
			}
			q.verb(verb, r, extra).refused("lease_lost")
			q.others(verb, r, "lease_lost")
			q.ack(again)
		})
	}
}

// others requires that every verb but one is refused.
func (q queue) others(verb string, r wireRecord, code string) {
	q.t.Helper()
	for _, v := range []string{"ack", "nack", "release", "reject", "extend"} {
		switch {
		case v == verb:
		case v == "extend":
			q.verb(v, r, obj{"for": "60s"}).refused(code)
		default:
			q.verb(v, r).refused(code)
		}
	}
}

func TestScenario24_SettledRecord(t *testing.T) {
	t.Parallel()
	t.Run("acked", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		q.fill(0, 0, 1)
		old, now := q.lost()
		q.ack(now)
		for _, r := range []wireRecord{now, old} {
			q.verb("ack", r).ok(1)
			q.others("ack", r, "already_settled")
		}
		if p := q.only(); p.Lag != 0 || p.StartOffset != 1 {
			t.Errorf("partition %+v, want all settled", p)
		}
	})
	t.Run("dead-lettered", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		q.fill(0, 0, 1)
		r := q.one()
		q.verb("reject", r).ok(1)
		q.verb("reject", r).ok(1)
		q.verb("nack", r).ok(1)
		q.verb("ack", r).refused("already_settled")
		q.verb("release", r).refused("already_settled")
		q.verb("extend", r, obj{"for": "60s"}).refused("already_settled")
		q.awaitLetters(1)
	})
}

func TestScenario25_LateSettles(t *testing.T) {
	t.Parallel()
	late := func(t *testing.T, config obj) (queue, wireRecord) {
		t.Parallel()
		full := obj{"lease": "1s"}
		maps.Copy(full, config)
		q := newQueue(t, 1, full)
		q.fill(0, 0, 1)
		r := q.one()
		q.expired()
		if v := q.view(); v.Totals.Available != 1 {
			t.Errorf("totals %+v after the expiry, want 1 available", v.Totals)
		}
		return q, r
	}
	t.Run("ack", func(t *testing.T) {
		q, r := late(t, nil)
		q.ack(r)
		q.none("500ms")
	})
	t.Run("nack is one failure", func(t *testing.T) {
		q, r := late(t, nil)
		q.nack(r, "0s")
		wantAttempt(t, q.one(), 2, 2)
	})
	t.Run("release undoes the expiry", func(t *testing.T) {
		q, r := late(t, nil)
		q.verb("release", r).ok(1)
		wantAttempt(t, q.one(), 1, 2)
	})
	t.Run("reject", func(t *testing.T) {
		q, r := late(t, nil)
		q.verb("reject", r).ok(1)
		q.awaitLetters(1)
	})
	t.Run("extend takes the lease up again", func(t *testing.T) {
		q, r := late(t, nil)
		q.verb("extend", r, obj{"for": "60s"}).ok(1)
		q.none("1500ms")
		if v := q.view(); v.Totals.Leased != 1 {
			t.Errorf("totals %+v after a late extend, want 1 leased", v.Totals)
		}
		q.nack(r, "0s")
		wantAttempt(t, q.one(), 2, 2)
	})
	t.Run("handed out again", func(t *testing.T) {
		q, r := late(t, nil)
		again := q.one(obj{"lease": "60s"})
		wantAttempt(t, again, 2, 2)
		q.others("", r, "lease_lost")
		q.ack(again)
	})
	t.Run("strict", func(t *testing.T) {
		q, r := late(t, obj{"strict_leases": true})
		q.others("", r, "lease_lost")
		wantAttempt(t, q.one(), 2, 2)
	})
}

// Ten records each are acked about when their lease ends while another worker
// leases: each is either acked or handed out again, never both.
func TestScenario26_ExpiryAckRace(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "1s", "max_attempts": 0})
	q.fill(0, 0, 40)
	held := q.take(40)
	again := make(chan []int64, 1)
	go func() {
		var got []int64
		deadline := time.Now().Add(3 * time.Second)
		for time.Now().Before(deadline) {
			got = append(got, offsets(q.lease(5, "200ms", obj{"lease": "10m"}))...)
		}
		again <- got
	}()
	pause(900 * time.Millisecond)
	acked := map[int64]bool{}
	for _, r := range held {
		switch a := q.verb("ack", r); a.status {
		case 200:
			acked[r.Offset] = true
		default:
			a.refused("lease_lost")
		}
		pause(5 * time.Millisecond)
	}
	redelivered := append(<-again, offsets(q.lease(100, "0s"))...)
	for _, o := range redelivered {
		if acked[o] {
			t.Errorf("record %d was acked and handed out again", o)
		}
	}
	all := slices.AppendSeq(redelivered, maps.Keys(acked))
	slices.Sort(all)
	if !slices.Equal(all, between(0, 40)) {
		t.Errorf("acked or handed out again: %v, want each of 40 once", all)
	}
}

func TestScenario27_SettlesAtOnce(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	got := q.take(2)
	inParallel(16, func(int) { q.verb("ack", got[0]).ok(1) })
	if p := q.only(); p.Lag != 1 || p.StartOffset != 1 {
		t.Errorf("partition %+v after 16 acks of one lease, want lag 1", p)
	}
	var mu sync.Mutex
	won := map[string]int{}
	inParallel(16, func(i int) {
		verb := []string{"ack", "reject"}[i%2]
		a := q.verb(verb, got[1])
		if a.status != 200 {
			a.refused("already_settled")
			return
		}
		mu.Lock()
		defer mu.Unlock()
		won[verb]++
	})
	if len(won) != 1 {
		t.Errorf("ack and reject of one lease at once: accepted %v, want one verb only", won)
	}
	if p := q.only(); p.Lag != 0 {
		t.Errorf("partition %+v, want lag 0", p)
	}
}

func TestScenario29_Release(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_attempts": 2})
	q.fill(0, 0, 1)
	for i := range 5 {
		r := q.one()
		wantAttempt(t, r, 1, i+1)
		q.verb("release", r).ok(1)
	}
}

func TestScenario30_Extend(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "3s"})
	q.fill(0, 0, 1)
	r := q.one()
	q.verb("extend", r, obj{"for": "60s"}).ok(1)
	q.none("4s")
	q.verb("extend", r, obj{"for": "1s"}).ok(1)
	again := q.one(obj{"lease": "60s"})
	wantAttempt(t, again, 2, 2)
	q.verb("extend", r, obj{"for": "60s"}).refused("lease_lost")
	q.ack(again)
	q.verb("extend", again, obj{"for": "60s"}).refused("already_settled")
}

func TestScenario31_ExtendOneAckAnother(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "2s"})
	q.fill(0, 0, 2)
	got := q.take(2)
	q.settle(obj{"ack": list{got[0].Receipt}, "extend": list{obj{"receipt": got[1].Receipt, "for": "60s"}}}).ok(2)
	q.none("2500ms")
	if v := q.view(); v.Totals != (totals{Lag: 1, Leased: 1}) {
		t.Errorf("totals %+v, want one lease", v.Totals)
	}
	q.ack(got[1])
}

func TestScenario32_PartlyAckedBatch(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "1s"})
	q.fill(0, 0, 6)
	got := q.take(6)
	q.ack(got[0], got[2], got[4])
	again := q.take(3, obj{"lease": "60s"})
	wantOffsets(t, "expired rest", again, []int64{1, 3, 5})
	for _, r := range again {
		wantAttempt(t, r, 2, 2)
	}
	q.none("300ms")
}

// The one-verb forms take one receipt or many.
func TestOneVerbForms(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_attempts": 0})
	q.fill(0, 0, 10)
	got := q.take(10)
	q.post(q.groupPath()+"/ack", obj{"receipts": receipts(got[:2])}).ok(2)
	q.post(q.groupPath()+"/nack", obj{"receipts": receipts(got[2:4]), "delay": "1h", "error": "x"}).ok(2)
	q.post(q.groupPath()+"/release", obj{"receipts": receipts(got[4:6])}).ok(2)
	q.post(q.groupPath()+"/reject", obj{"receipts": receipts(got[6:8]), "error": obj{"type": "T", "message": "m"}}).ok(2)
	q.post(q.groupPath()+"/extend", obj{"receipts": receipts(got[8:]), "for": "60s"}).ok(2)
	want := totals{Lag: 6, Available: 2, Deferred: 2, Leased: 2, DeadLetters: 2}
	if v := q.view(); v.Totals != want {
		t.Errorf("totals %+v, want %+v", v.Totals, want)
	}
}

func TestSettleRequestRules(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	got := q.take(2)
	q.settle(obj{}).ok(0)
	twice := list{got[0].Receipt, got[0].Receipt}
	q.settle(obj{"ack": twice}).problem(400, "invalid_request")
	q.settle(obj{"ack": list{got[0].Receipt}, "release": list{got[0].Receipt}}).problem(400, "invalid_request")
	q.post(q.groupPath()+"/ack", obj{"receipts": twice}).problem(400, "invalid_request")
	if v := q.view(); v.Totals != (totals{Lag: 2, Leased: 2}) {
		t.Errorf("totals %+v after refused calls, want 2 leased", v.Totals)
	}
	for i, verb := range []string{"ack", "nack", "release", "reject", "extend"} {
		path := fmt.Sprintf("/v1/groups/%s/%s", unique("absent"), verb)
		body := obj{"receipt": got[i%2].Receipt}
		if verb == "extend" {
			body["for"] = "60s"
		}
		q.post(path, body).problem(404, "group_not_found")
	}
	q.ack(got...)
}
