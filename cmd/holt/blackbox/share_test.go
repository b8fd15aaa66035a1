package blackbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestScenario01_FirstLease(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": nil})
	q.fill(0, 0, 10)
	got := q.lease(10, "0s")
	wantOffsets(t, "first lease", got, between(0, 10))
	for i, r := range got {
		wantAttempt(t, r, 1, 1)
		if r.Offset != int64(i) || r.Topic != q.name || r.Partition != 0 {
			t.Errorf("record %d is %s/%d/%d", i, r.Topic, r.Partition, r.Offset)
		}
		if r.Receipt == "" || len(r.Receipt) > 128 {
			t.Errorf("receipt %q", r.Receipt)
		}
		if r.ExpiresInMS <= 0 || r.ExpiresInMS > 30_000 {
			t.Errorf("expires_in_ms %d, want at most the default of 30 s", r.ExpiresInMS)
		}
	}
	p := q.only()
	if p.StartOffset != 0 || p.EndOffset != 10 || p.LogEndOffset != 10 || p.Leased != 10 || p.Lag != 10 || p.Available != 0 {
		t.Errorf("partition %+v, want 0–10, 10 leased", p)
	}
}

func TestScenario02_TwoWorkersAtOnce(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 4, nil)
	for p := range 4 {
		q.fill(p, 0, 60)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	inParallel(8, func(i int) {
		for {
			got := q.lease(7, "500ms", obj{"member": fmt.Sprint("worker-", i)})
			if len(got) == 0 {
				return
			}
			mu.Lock()
			for _, r := range got {
				seen[fmt.Sprint(r.Partition, "/", r.Offset)]++
			}
			mu.Unlock()
		}
	})
	for at, n := range seen {
		if n != 1 {
			t.Errorf("record %s was handed out %d times", at, n)
		}
	}
	if len(seen) != 240 {
		t.Errorf("%d records were handed out, want 240", len(seen))
	}
}

func TestScenario03_OnePartitionManyWorkers(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 64)
	var mu sync.Mutex
	seen := map[int64]bool{}
	inParallel(64, func(i int) {
		r := q.one(obj{"member": fmt.Sprint("worker-", i)})
		mu.Lock()
		defer mu.Unlock()
		if seen[r.Offset] {
			t.Errorf("record %d was handed to two workers", r.Offset)
		}
		seen[r.Offset] = true
	})
	if len(seen) != 64 {
		t.Errorf("64 workers hold %d records", len(seen))
	}
}

func TestScenario04_TwoGroups(t *testing.T) {
	t.Parallel()
	a := newQueue(t, 2, nil)
	b := queue{a.client, a.name, unique("group")}
	b.makeGroup(b.gname, obj{"topics": list{a.name}})
	a.fill(0, 0, 10)
	a.fill(1, 0, 10)
	a.ack(a.take(20)...)
	if lag := b.view().Totals.Lag; lag != 20 {
		t.Errorf("lag of the other group is %d after acks in the first, want 20", lag)
	}
	if got := len(b.take(20)); got != 20 {
		t.Errorf("second group got %d records, want 20", got)
	}
	a.none("0s")
}

func TestScenario05_MaxIsNeverExceeded(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	wantOffsets(t, "max 3", q.lease(3, "0s"), between(0, 3))
	if p := q.only(); p.Leased != 3 || p.Available != 7 || p.Lag != 10 {
		t.Errorf("partition %+v, want 3 leased, 7 available", p)
	}
	wantOffsets(t, "the rest", q.take(7), between(3, 10))
}

func TestScenario06_PartlyLeasedRange(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 6)
	first := q.take(6)
	for _, r := range first {
		if r.Offset%2 == 0 {
			q.verb("release", r).ok(1)
		}
	}
	got := q.lease(10, "0s")
	wantOffsets(t, "free ones between leased ones", got, []int64{0, 2, 4})
}

func TestScenario07_MaxInflight(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, obj{"max_inflight": 2})
	q.fill(0, 0, 5)
	q.fill(1, 0, 5)
	held := q.take(2)
	q.none("300ms")
	p := q.park(context.Background(), 10, "50s")
	p.asleep()
	q.ack(held[0])
	if got := p.woken(); len(got) != 1 {
		t.Errorf("one settle freed %d leases", len(got))
	}
	if v := q.view(); v.Totals.Leased != 2 {
		t.Errorf("%d leased, limit 2", v.Totals.Leased)
	}
}

func TestScenario08_LimitCountsLeasesNotSpan(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_inflight": 1001})
	const behind = 20_000
	q.fill(0, 0, behind+1)
	stuck := q.take(1, obj{"lease": "10m"})[0]
	for done := 0; done < behind; {
		got := q.take(min(1000, behind-done))
		q.ack(got...)
		done += len(got)
	}
	p := q.only()
	if p.StartOffset != 0 || p.Lag != 1 || p.Leased != 1 || p.EndOffset != behind+1 {
		t.Errorf("partition %+v, want start 0 and lag 1", p)
	}
	q.ack(stuck)
	if p := q.only(); p.StartOffset != behind+1 || p.Lag != 0 {
		t.Errorf("partition %+v, want start at the end", p)
	}
}

func TestScenario09_AvailableAgainBeforeNew(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 6)
	got := q.take(3)
	q.verb("release", got[1]).ok(1)
	q.nack(got[2], "0s")
	wantOffsets(t, "available again", q.take(2), []int64{1, 2})
	wantOffsets(t, "new", q.take(3), between(3, 6))
}

func TestScenario10_LimitBelowInFlight(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	held := q.take(5)
	q.put(q.groupPath(), obj{"max_inflight": 3}).is(200)
	q.none("300ms")
	q.ack(held[0], held[1])
	q.none("300ms")
	if v := q.view(); v.Totals.Leased != 3 || v.Totals.Lag != 8 {
		t.Errorf("totals %+v, want 3 leased, lag 8", v.Totals)
	}
	q.ack(held[2])
	wantOffsets(t, "after draining", q.lease(10, "5s"), []int64{5})
	p := q.park(context.Background(), 10, "50s")
	p.asleep()
	q.put(q.groupPath(), obj{"max_inflight": 100}).is(200)
	wantOffsets(t, "raised", p.woken(), between(6, 10))
}

func TestScenario11_ParkedLeaseWakes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("publish", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 4, nil)
		p := q.park(ctx, 10, "50s")
		p.asleep()
		q.publish(q.name, obj{"value": 1})
		p.woken()
	})
	t.Run("nack due", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		q.fill(0, 0, 1)
		q.nack(q.one(), "1200ms")
		wantAttempt(t, q.park(ctx, 10, "50s").woken()[0], 2, 2)
	})
	t.Run("expiry", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, obj{"lease": "1s"})
		q.fill(0, 0, 1)
		q.one()
		wantAttempt(t, q.park(ctx, 10, "50s").woken()[0], 2, 2)
	})
	t.Run("release", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		q.fill(0, 0, 1)
		held := q.one()
		p := q.park(ctx, 10, "50s")
		p.asleep()
		q.verb("release", held).ok(1)
		wantAttempt(t, p.woken()[0], 1, 2)
	})
	t.Run("resume by configuration", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, obj{"paused": true})
		q.fill(0, 0, 1)
		p := q.park(ctx, 10, "50s")
		p.asleep()
		q.put(q.groupPath(), obj{"paused": false}).is(200)
		p.woken()
	})
	t.Run("topic attached", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		other := q.makeTopic(unique("topic"), nil)
		q.publish(other, obj{"value": 1})
		p := q.park(ctx, 10, "50s")
		p.asleep()
		q.put(q.groupPath(), obj{"topics": list{q.name, other}}).is(200)
		p.woken()
	})
	t.Run("else empty at wait", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, nil)
		start := time.Now()
		q.none("1500ms")
		if took := time.Since(start); took < 1500*time.Millisecond {
			t.Errorf("a lease with wait 1.5s came back empty after %v", took)
		}
	})
}

// A paused group parks leases while settles go on.
func TestScenario11_PausedSettlesGoOn(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	held := q.one()
	q.put(q.groupPath(), obj{"paused": true}).is(200)
	q.none("300ms")
	q.ack(held)
	if v := q.view(); v.Totals.Lag != 1 || v.Totals.Available != 1 {
		t.Errorf("totals %+v, want lag 1, available 1", v.Totals)
	}
}

func TestScenario12_LargerThanMaxBytes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	big := string(make1(2000))
	q.publish(q.name, obj{"text": big, "partition": 0}, obj{"text": big, "partition": 0}, obj{"text": "s", "partition": 0})
	wantOffsets(t, "larger than max_bytes", q.lease(10, "0s", obj{"max_bytes": 100}), []int64{0})
	wantOffsets(t, "two that do not fit together", q.lease(10, "0s", obj{"max_bytes": 1900}), []int64{1})
	wantOffsets(t, "one that fits", q.lease(10, "0s", obj{"max_bytes": 1900}), []int64{2})
}

// make1 gives n bytes of plain text.
func make1(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

func TestScenario13_PartitionsRotate(t *testing.T) {
	t.Parallel()
	const partitions = 8
	q := newQueue(t, partitions, nil)
	for p := range partitions {
		q.fill(p, 0, 50)
	}
	seen := map[int]int{}
	for range 10 * partitions {
		r := q.one()
		seen[r.Partition]++
		q.ack(r)
	}
	for p := range partitions {
		if seen[p] == 0 {
			t.Errorf("partition %d got no lease of %d: %v", p, 10*partitions, seen)
		}
	}
}

// A busy topic of the group does not starve the other one.
func TestScenario13_TopicsRotate(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	quiet := q.makeTopic(unique("topic"), obj{"partitions": 1})
	q.put(q.groupPath(), obj{"topics": list{q.name, quiet}}).is(200)
	q.fill(0, 0, 200)
	q.publish(quiet, obj{"value": 1})
	for range 50 {
		r := q.one()
		q.ack(r)
		if r.Topic == quiet {
			return
		}
	}
	t.Error("50 leases of a group with two topics gave nothing of the quiet one")
}

func TestScenario14_FirstComeFirstServed(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	ctx := context.Background()
	waiters := []parked{q.park(ctx, 1, "50s"), q.park(ctx, 1, "50s"), q.park(ctx, 1, "50s")}
	for i, p := range waiters {
		q.fill(0, i, 1)
		wantOffsets(t, fmt.Sprint("waiter ", i), p.woken(), []int64{int64(i)})
		for _, later := range waiters[i+1:] {
			later.asleep()
		}
	}
}

func TestScenario14_WaiterGoneDoesNotEatWakeUp(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "10m"})
	ctx, cancel := context.WithCancel(context.Background())
	for range 5 {
		q.park(ctx, 1, "50s")
	}
	cancel()
	q.awaitWaiters(0)
	p := q.park(context.Background(), 1, "50s")
	q.fill(0, 0, 1)
	if r := p.woken()[0]; r.Attempt != 1 {
		t.Errorf("attempt %d after waiters that were gone, want 1", r.Attempt)
	}
}

func TestScenario15_ClientGoneInMidPoll(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "10m"})
	for i := range 5 {
		conn := dial(t, q.s)
		conn.request("POST", q.groupPath()+"/lease", `{"max":10,"wait":"50s"}`)
		q.awaitWaiters(1)
		conn.reset()
		q.fill(0, i, 1)
		r := q.one()
		if r.Attempt != 1 || r.Offset != int64(i) {
			t.Fatalf("record %d came with attempt %d, want %d with attempt 1", r.Offset, r.Attempt, i)
		}
		q.ack(r)
	}
}

// Many workers at once never hold more than the limit between them.
func TestScenario07_MaxInflightIsNeverExceeded(t *testing.T) {
	t.Parallel()
	const limit, n = 5, 300
	q := newQueue(t, 3, obj{"max_inflight": limit})
	for p := range 3 {
		q.fill(p, 0, n/3)
	}
	var mu sync.Mutex
	held, most, done := 0, 0, 0
	deadline := time.Now().Add(2 * soon)
	inParallel(12, func(int) {
		for {
			got := q.lease(3, "200ms")
			mu.Lock()
			held += len(got)
			most = max(most, held)
			mu.Unlock()
			if len(got) > 0 {
				mu.Lock()
				held -= len(got)
				done += len(got)
				mu.Unlock()
				q.ack(got...)
			}
			mu.Lock()
			over := done == n || time.Now().After(deadline)
			mu.Unlock()
			if over {
				return
			}
		}
	})
	if most > limit || done != n {
		t.Errorf("%d leases at once with max_inflight %d; %d of %d records done", most, limit, done, n)
	}
}
