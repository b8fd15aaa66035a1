package demo

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = int64(time.Millisecond)

// goodRun is a history in which everything is as promised: "a" is done at once, "b" at its second delivery, after the
// server was killed, and "bad" is dead.
func goodRun() *evidence {
	return &evidence{
		jobs:    []job{{Path: "a"}, {Path: "b"}, {Path: "bad", planted: true}},
		restart: span{100 * ms, 200 * ms},
		leases: []leaseSeen{
			{handOut{"a1", "a", 1, 1}, span{10 * ms, 11 * ms}},
			{handOut{"b1", "b", 1, 1}, span{10 * ms, 11 * ms}},
			{handOut{"bad1", "bad", 1, 1}, span{12 * ms, 13 * ms}},
			{handOut{"bad2", "bad", 2, 2}, span{22 * ms, 23 * ms}},
			{handOut{"bad3", "bad", 3, 3}, span{32 * ms, 33 * ms}},
			{handOut{"b2", "b", 2, 2}, span{210 * ms, 220 * ms}},
		},
		paths: map[string]string{"a1": "a", "b1": "b", "b2": "b", "bad1": "bad", "bad2": "bad", "bad3": "bad"},
		asked: map[string]bool{"a1": true, "b2": true},
		acks:  map[string]span{"a1": {20 * ms, 25 * ms}, "b2": {230 * ms, 240 * ms}},
		digests: []digestSeen{
			{"a", "a1", "1", "aa"}, {"b", "b1", "1", "bb"}, {"b", "b1", "2", "bb"}, {"b", "b2", "1", "bb"},
		},
		letters: []Letter{{"bad", MaxAttempts, "max_attempts", "no such file"}},
		direct:  map[string]string{"a": "aa", "b": "bb"},
	}
}

// give adds a hand-out to a history.
func (e *evidence) give(path, receipt string, attempt, delivery int, sent, at int64) {
	e.leases = append(e.leases, leaseSeen{handOut{receipt, path, attempt, delivery}, span{sent, at}})
	e.paths[receipt] = path
}

func TestJudgeDemo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*evidence)
		want   map[string]int // violations by kind and path
	}{
		"as promised": {func(*evidence) {}, nil},
		"a job vanished": {func(e *evidence) {
			e.jobs = append(e.jobs, job{Path: "c"})
			e.direct["c"] = "cc"
		}, map[string]int{"lost c": 1}},
		"a job vanished in a stall": {func(e *evidence) {
			e.jobs = append(e.jobs, job{Path: "c"})
			e.stalled = true
		}, map[string]int{"lost c": 1}},
		"a dead letter vanished":  {func(e *evidence) { e.letters = nil }, map[string]int{"lost bad": 1}},
		"the only digest is gone": {func(e *evidence) { e.digests = e.digests[1:] }, map[string]int{"lost a": 2}},
		"a digest is gone that was published before an ack": {
			func(e *evidence) { e.digests = e.digests[:3] }, map[string]int{"lost b": 1},
		},
		"wrong digest":                  {func(e *evidence) { e.digests[0].sha256 = "ab" }, map[string]int{"wrong a": 1}},
		"digest of what cannot be read": {func(e *evidence) { delete(e.direct, "a") }, map[string]int{"wrong a": 1}},
		"digest of no job": {func(e *evidence) {
			e.digests = append(e.digests, digestSeen{"x", "a1", "1", "xx"})
		}, map[string]int{"wrong x": 1}},
		"digest under another's lease": {func(e *evidence) {
			e.digests = append(e.digests, digestSeen{"a", "b1", "3", "aa"})
		}, map[string]int{"wrong a": 1}},
		"digest stored twice": {func(e *evidence) { e.digests = append(e.digests, e.digests[0]) }, map[string]int{"wrong a": 1}},
		"two letters":         {func(e *evidence) { e.letters = append(e.letters, e.letters[0]) }, map[string]int{"wrong bad": 1}},
		"dead too early":      {func(e *evidence) { e.letters[0].Attempts = 2 }, map[string]int{"wrong bad": 1}},
		"dead for no reason":  {func(e *evidence) { e.letters[0].Reason = "ttl" }, map[string]int{"wrong bad": 1}},
		"acked and dead": {func(e *evidence) {
			e.letters = append(e.letters, Letter{"a", MaxAttempts, "max_attempts", ""})
		}, map[string]int{"wrong a": 1}},
		"letter of no job": {func(e *evidence) {
			e.letters = append(e.letters, Letter{"x", MaxAttempts, "max_attempts", ""})
		}, map[string]int{"wrong x": 1}},
		"one attempt too many": {func(e *evidence) {
			e.give("bad", "bad4", MaxAttempts+1, 4, 40*ms, 41*ms)
		}, map[string]int{"wrong bad": 1}},

		"handed out after the ack":         {func(e *evidence) { e.give("a", "a2", 1, 2, 26*ms, 27*ms) }, map[string]int{"doubled a": 1}},
		"handed out in the next life":      {func(e *evidence) { e.give("a", "a2", 2, 2, 205*ms, 206*ms) }, map[string]int{"doubled a": 1}},
		"the same receipt, after the ack":  {func(e *evidence) { e.give("a", "a1", 1, 1, 26*ms, 27*ms) }, map[string]int{"doubled a": 1}},
		"parked when the ack came":         {func(e *evidence) { e.give("a", "a2", 2, 2, 19*ms, 27*ms) }, map[string]int{"doubled a": 1}},
		"left when everything was settled": {func(e *evidence) { e.leftover = []string{"b"} }, map[string]int{"doubled b": 1}},

		"uncertain: parked, and another ack may have settled it": {func(e *evidence) {
			e.give("a", "a2", 2, 2, 19*ms, 27*ms)
			e.asked["a2"] = true
			e.digests = append(e.digests, digestSeen{"a", "a2", "1", "aa"})
		}, nil},
		"uncertain: parked across the kill": {func(e *evidence) { e.give("a", "a2", 2, 2, 19*ms, 150*ms) }, nil},
		"uncertain: no higher number":       {func(e *evidence) { e.give("a", "a2", 1, 1, 19*ms, 27*ms) }, nil},
		"an ack without an answer":          {func(e *evidence) { e.asked["b1"] = true }, nil},
		"delivered again before the ack":    {func(e *evidence) { e.give("b", "b3", 2, 2, 202*ms, 203*ms) }, nil},
		"nobody was killed":                 {func(e *evidence) { e.restart = span{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := goodRun()
			c.change(e)
			found := verdict(e)
			got := map[string]int{}
			for _, v := range found {
				got[v.Kind+" "+v.Path]++
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v: %+v", got, c.want, found)
			}
			report := newReport(Config{}, "/tree", &facts{begin: time.Now()}, e, found)
			if failed := report.Err() != nil; failed != (len(c.want) > 0) {
				t.Errorf("the report's error is %v", report.Err())
			}
			if report.Lost+report.Doubled+report.Wrong != len(found) {
				t.Errorf("%d violations, reported lost %d, doubled %d, wrong %d", len(found), report.Lost, report.Doubled, report.Wrong)
			}
		})
	}
}

func TestReportCounts(t *testing.T) {
	e := goodRun()
	e.published = map[string]int64{"a": 5 * ms, "b": 5 * ms, "bad": 5 * ms}
	r := newReport(Config{Workers: 2}, "/tree", &facts{begin: time.Now(), publishTook: time.Second}, e, nil)
	if r.Jobs != 3 || r.Done != 2 || r.Deliveries != 6 || r.Redelivered != 3 || r.Unplanned != 0 {
		t.Errorf("counts: %+v", r)
	}
	if diff := cmp.Diff(map[string]int{"1": 1, "2": 1, "3": 1}, r.Attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if got := time.Duration(r.PublishAck.P50); got != 20*time.Millisecond {
		t.Errorf("publish to ack, p50: %v", got)
	}
	if got := time.Duration(r.AckCall.P99); got != 10*time.Millisecond {
		t.Errorf("ack call, p99: %v", got)
	}
	if want := 9.0; r.DoneRate != want || r.PublishRate != 3 { // 2 in 229 ms, 3 in a second
		t.Errorf("rates: acked %v, published %v", r.DoneRate, r.PublishRate)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i+1) * ms
	}
	for _, c := range []struct {
		values   []int64
		p50, p99 int64
	}{
		{nil, 0, 0}, {[]int64{7 * ms}, 7, 7}, {[]int64{1 * ms, 2 * ms}, 1, 2}, {hundred, 50, 99},
	} {
		got := latencyOf(c.values)
		if int64(got.P50) != c.p50*ms || int64(got.P99) != c.p99*ms {
			t.Errorf("%d values: %v, want p50 %d ms, p99 %d ms", len(c.values), got, c.p50, c.p99)
		}
	}
}
