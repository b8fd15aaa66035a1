package blackbox_test

import (
	"fmt"
	"testing"
	"time"
)

// keyed publishes n records for each key, in turn, to partition 0.
func (q queue) keyed(n int, keys ...string) {
	q.t.Helper()
	var records []obj
	for i := range n {
		for _, key := range keys {
			records = append(records, obj{"key": key, "value": obj{"n": i}, "partition": 0})
		}
	}
	q.publish(q.name, records...)
}

func TestScenario42_KeyOrder(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, obj{"ordering": "key", "lease": "60s"})
	q.keyed(5, "a", "b")
	got := q.take(2)
	if *got[0].Key == *got[1].Key {
		t.Fatalf("two records of key %s are in flight", *got[0].Key)
	}
	q.none("300ms")
	a, b := got[0], got[1]
	if *a.Key == "b" {
		a, b = b, a
	}
	before := time.Now()
	q.nack(a, "1500ms")
	for n := range 5 {
		if !isNumber(b, n) || *b.Key != "b" {
			t.Fatalf("record %d of key b is %s of key %s", n, b.Value, *b.Key)
		}
		q.ack(b)
		if n == 2 {
			s.crash(t)
		}
		if n < 4 {
			b = q.one()
			if *b.Key == "a" {
				if time.Since(before) < 1500*time.Millisecond {
					t.Fatalf("key a came %v after its nack, before its backoff", time.Since(before))
				}
				next := q.one() // of key b: a is in flight
				q.verb("release", b).ok(1)
				b = next
			}
		}
	}
	for n := range 5 {
		r := q.one()
		if !isNumber(r, n) || *r.Key != "a" {
			t.Fatalf("record %d of key a is %s", n, r.Value)
		}
		q.ack(r)
	}
}

func TestScenario42_OtherKeysFlow(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"ordering": "key", "lease": "10m"})
	q.keyed(1, "stuck")
	stuck := q.one()
	var records []obj
	for i := range 5000 {
		records = append(records, obj{"key": "stuck", "value": i, "partition": 0})
	}
	q.publish(q.name, records...)
	q.keyed(1, "free-1", "free-2", "free-3")
	if got := q.take(3); len(got) != 3 {
		t.Errorf("%d records behind a stuck key, want 3", len(got))
	}
	q.ack(stuck)
	r := q.one()
	if *r.Key != "stuck" || string(r.Value) != "0" {
		t.Errorf("after the stuck record came %s of %s", r.Value, *r.Key)
	}
}

func TestScenario43_OnDead(t *testing.T) {
	t.Parallel()
	for policy, comes := range map[string]bool{"skip": true, "hold": false} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, 1, obj{"ordering": "key", "on_dead": policy})
			q.keyed(2, "a")
			q.verb("reject", q.one()).ok(1)
			if got := q.lease(1, "1s"); (len(got) == 1) != comes {
				t.Errorf("on_dead %s: %d records of the key came after its dead letter", policy, len(got))
			}
		})
	}
}

func TestScenario44_NoKeyNoOrder(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"ordering": "key"})
	q.fill(0, 0, 5)
	q.publish(q.name, obj{"key": "", "value": 1, "partition": 0}, obj{"key": "", "value": 2, "partition": 0})
	if got := q.lease(10, "0s"); len(got) != 6 {
		t.Errorf("%d records of five without a key and two of the empty key, want 6", len(got))
	}
}

func TestScenario45_KeyConcurrency(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"key_concurrency": 2})
	q.keyed(5, "a", "b")
	got := q.lease(10, "0s")
	count := map[string]int{}
	for _, r := range got {
		count[*r.Key]++
	}
	if fmt.Sprint(count) != "map[a:2 b:2]" {
		t.Errorf("leases by key %v with key_concurrency 2", count)
	}
}
