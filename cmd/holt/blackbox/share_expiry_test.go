package blackbox_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScenario34_ExpiryWakesParkedLease(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "2s"})
	q.fill(0, 0, 1)
	before := time.Now()
	q.one(obj{"member": "a"})
	p := q.park(context.Background(), 1, "50s", obj{"member": "b"})
	r := p.woken()[0]
	wantAttempt(t, r, 2, 2)
	if took := time.Since(before); took < 2*time.Second {
		t.Errorf("handed out again after %v, the lease was 2 s", took)
	}
}

func TestScenario35_ExpiryAtTheLimit(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "1s", "max_attempts": 1})
	q.fill(0, 0, 1)
	r := q.one()
	letters := q.awaitLetters(1)
	if p := q.only(); p.StartOffset != 1 || p.Lag != 0 || p.Available != 0 {
		t.Errorf("partition %+v after the record died, want start 1", p)
	}
	if got := letters[0].Headers["holt-dl-reason"]; got != "max_attempts" {
		t.Errorf("holt-dl-reason %q, want max_attempts", got)
	}
	q.verb("ack", r).refused("already_settled")
	q.verb("extend", r, obj{"for": "60s"}).refused("already_settled")
}

func TestScenario36_MaxAttempts(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 5} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, 1, obj{"max_attempts": limit})
			q.fill(0, 0, 1)
			for n := 1; n <= limit; n++ {
				r := q.one()
				wantAttempt(t, r, n, n)
				q.nack(r, "0s")
			}
			letters := q.awaitLetters(1)
			if got := letters[0].Headers["holt-dl-attempts"]; got != strconv.Itoa(limit) {
				t.Errorf("holt-dl-attempts %q, want %d", got, limit)
			}
			q.none("300ms")
		})
	}
	t.Run("unlimited", func(t *testing.T) {
		t.Parallel()
		q := newQueue(t, 1, obj{"max_attempts": 0})
		q.fill(0, 0, 1)
		for n := 1; n <= 12; n++ {
			r := q.one()
			wantAttempt(t, r, n, n)
			q.nack(r, "0s")
		}
		if v := q.view(); v.Totals.DeadLetters != 0 || v.Totals.Lag != 1 {
			t.Errorf("totals %+v, want no dead letter", v.Totals)
		}
	})
}

func TestScenario37_LimitChangedLive(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	for range 3 {
		q.nack(q.one(), "0s")
	}
	r := q.one()
	wantAttempt(t, r, 4, 4)
	q.put(q.groupPath(), obj{"max_attempts": 2}).is(200)
	if v := q.view(); v.Totals.Leased != 1 || v.Totals.DeadLetters != 0 {
		t.Errorf("totals %+v: lowering the limit alone changed something", v.Totals)
	}
	q.put(q.groupPath(), obj{"max_attempts": 10}).is(200)
	q.nack(r, "0s")
	r = q.one()
	wantAttempt(t, r, 5, 5)
	q.put(q.groupPath(), obj{"max_attempts": 2}).is(200)
	q.nack(r, "0s")
	q.awaitLetters(1)
}

// isNumber tells whether the record is {"n":want}.
func isNumber(r wireRecord, want int) bool {
	return bytes.Equal(bytes.TrimSpace(r.Value), fmt.Appendf(nil, `{"n":%d}`, want))
}

// One record of a hundred always kills the worker that holds its batch.
func TestScenario38_Poison(t *testing.T) {
	t.Parallel()
	const poison = 37
	q := newQueue(t, 1, obj{"max_attempts": 5})
	q.fill(0, 0, 100)
	acked := map[int64]bool{}
	deadline := time.Now().Add(2 * soon)
	for q.view().Totals.Lag > 0 && time.Now().Before(deadline) {
		got := q.lease(20, "1s")
		dies := false
		for _, r := range got {
			dies = dies || isNumber(r, poison)
		}
		if dies {
			q.abandon(got)
			continue
		}
		q.ack(got...)
		for _, r := range got {
			acked[r.Offset] = true
		}
	}
	letters := q.awaitLetters(1)
	if at := letters[0].Headers["holt-dl-offset"]; at != strconv.Itoa(poison) {
		t.Errorf("the dead letter is record %s, want %d", at, poison)
	}
	if len(acked) != 99 || acked[poison] {
		t.Errorf("%d neighbours were acked, want 99", len(acked))
	}
}

// abandon has the leases of a worker that died run out soon. Those of one that
// lives have their ten minutes, as at the last attempt an ack that comes late finds
// a letter.
func (q queue) abandon(records []wireRecord) {
	q.t.Helper()
	extend := list{}
	for _, r := range records {
		extend = append(extend, obj{"receipt": r.Receipt, "for": "1s"})
	}
	q.settle(obj{"extend": extend}).ok(len(records))
}

// The last attempt of a record that used the others up by expiry is alone.
func TestScenario38_LastAttemptAlone(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_attempts": 3})
	q.fill(0, 0, 6)
	last := 0
	deadline := time.Now().Add(2 * soon)
	for q.view().Totals.Lag > 0 && time.Now().Before(deadline) {
		got := q.lease(10, "1s")
		if !slices.ContainsFunc(got, func(r wireRecord) bool { return r.Attempt == 3 }) {
			q.abandon(got)
			continue
		}
		if len(got) > 1 {
			t.Fatalf("of records %v one is at its last attempt, which is to be alone", offsets(got))
		}
		last++
		q.ack(got...)
	}
	if last != 6 {
		t.Errorf("%d records reached their last attempt, want 6; %+v", last, q.view().Totals)
	}
}

func TestScenario39_NewLeaseLengthAppliesLater(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "60s"})
	q.fill(0, 0, 2)
	first := q.one()
	q.put(q.groupPath(), obj{"lease": "1s"}).is(200)
	second := q.one()
	if second.ExpiresInMS > 1000 || first.ExpiresInMS < 30_000 {
		t.Errorf("leases of %d ms and %d ms, want 60 s and 1 s", first.ExpiresInMS, second.ExpiresInMS)
	}
	again := q.one(obj{"lease": "60s"})
	if again.Offset != second.Offset {
		t.Errorf("record %d expired, want %d", again.Offset, second.Offset)
	}
	q.none("500ms")
	q.ack(first, again)
}

func TestScenario40_Backoff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		backoff obj
		least   []time.Duration
	}{
		"exponential": {obj{"initial": "400ms", "multiplier": 2, "jitter": 0}, []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}},
		"cap":         {obj{"initial": "500ms", "multiplier": 10, "max": "1s", "jitter": 0}, []time.Duration{500 * time.Millisecond, time.Second, time.Second}},
		"steps":       {obj{"steps": list{"200ms", "1s"}, "jitter": 0}, []time.Duration{200 * time.Millisecond, time.Second, time.Second}},
		"steps alone": {obj{"steps": list{"200ms", "1s"}}, []time.Duration{160 * time.Millisecond, 800 * time.Millisecond, 800 * time.Millisecond}},
		"jitter":      {obj{"initial": "1s", "multiplier": 1, "jitter": 0.5}, []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, 1, obj{"backoff": tt.backoff})
			q.fill(0, 0, 1)
			for i, least := range tt.least {
				r := q.one()
				before := time.Now()
				q.verb("nack", r).ok(1)
				r = q.one()
				if took := time.Since(before); took < least {
					t.Errorf("attempt %d came after %v, want not before %v", i+2, took, least)
				}
				q.verb("release", r).ok(1)
			}
		})
	}
}

func TestScenario40_NackDelay(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"backoff": obj{"initial": "1h", "jitter": 0, "max": "2h"}})
	q.fill(0, 0, 1)
	q.nack(q.one(), "0s")
	r := q.one()
	wantAttempt(t, r, 2, 2)
	q.verb("nack", r).ok(1)
	q.none("1s")
	if v := q.view(); v.Totals != (totals{Lag: 1, Deferred: 1}) {
		t.Errorf("totals %+v, want 1 deferred", v.Totals)
	}
}

// metric sums the samples of a metric that carry the label value.
func (c client) metric(name, label string) (sum float64, found bool) {
	c.t.Helper()
	for line := range strings.Lines(string(c.get("/metrics").is(200).body)) {
		rest, ok := strings.CutPrefix(line, name+"{")
		if !ok || !strings.Contains(rest, `"`+label+`"`) {
			continue
		}
		fields := strings.Fields(rest[strings.LastIndex(rest, "}")+1:])
		if len(fields) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			c.t.Fatalf("metric line %q: %v", line, err)
		}
		sum, found = sum+v, true
	}
	return sum, found
}

func TestScenario41_CountersCountOnce(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_attempts": 2, "backoff": obj{"initial": "100ms", "jitter": 0}})
	q.fill(0, 0, 6)
	got := q.take(6)
	q.ack(got[0])
	q.ack(got[0])
	q.nack(got[1], "0s")
	q.verb("release", got[2]).ok(1)
	q.verb("release", got[2]).ok(1)
	q.verb("reject", got[3]).ok(1)
	q.ack(got[4])
	q.verb("extend", got[5], obj{"for": "1s"}).ok(1)
	again := map[int64]wireRecord{}
	for _, r := range q.take(3, obj{"lease": "60s"}) {
		again[r.Offset] = r
	}
	q.nack(again[1], "0s")
	q.ack(again[2], again[5])
	q.awaitLetters(2)
	for name, want := range map[string]float64{
		"holt_group_leased_total":        9,
		"holt_group_acked_total":         4,
		"holt_group_nacked_total":        2,
		"holt_group_released_total":      1,
		"holt_group_rejected_total":      1,
		"holt_group_expired_total":       1,
		"holt_group_dead_lettered_total": 2,
	} {
		if v, found := q.metric(name, q.gname); !found || v != want {
			t.Errorf("%s is %v (found %v), want %v", name, v, found, want)
		}
	}
}
