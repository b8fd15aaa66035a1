package blackbox_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// soon is how long a test waits for what should come at once; the machine may
// be slow, so reaching it is a failure and nothing else is measured.
const soon = 30 * time.Second

// queue is a topic and a share group that reads it, both of one test.
type queue struct {
	client
	name  string
	gname string
}

// newQueue makes a topic of some partitions and a group on the shared server.
// Backoff has no jitter and leases outlast the test unless the configuration
// says otherwise.
func newQueue(t testing.TB, partitions int, config obj) queue {
	t.Helper()
	return queueOn(shared(t), partitions, config)
}

func queueOn(c client, partitions int, config obj) queue {
	c.t.Helper()
	q := queue{c, unique("topic"), unique("group")}
	c.makeTopic(q.name, obj{"partitions": partitions})
	full := obj{"topics": list{q.name}, "lease": "10m", "backoff": obj{"jitter": 0}}
	for k, v := range config {
		full[k] = v
	}
	c.makeGroup(q.gname, full)
	return q
}

func (q queue) groupPath() string { return "/v1/groups/" + q.gname }
func (q queue) topicPath() string { return "/v1/topics/" + q.name }

// fill publishes n records {"n":i} to partition p, from i = first.
func (q queue) fill(p, first, n int) {
	q.t.Helper()
	const batch = 5000
	for at := first; at < first+n; at += batch {
		var records []obj
		for i := at; i < min(at+batch, first+n); i++ {
			records = append(records, obj{"value": obj{"n": i}, "partition": p})
		}
		q.publish(q.name, records...)
	}
}

// lease makes one lease call; extra fields of the body follow.
func (q queue) lease(max int, wait string, extra ...obj) []wireRecord {
	q.t.Helper()
	body := obj{"max": max, "wait": wait}
	for _, e := range extra {
		for k, v := range e {
			body[k] = v
		}
	}
	var l leased
	q.post(q.groupPath()+"/lease", body).is(200).into(&l)
	if len(l.Records) > max {
		q.t.Fatalf("lease of at most %d gave %d records", max, len(l.Records))
	}
	return l.Records
}

// take leases exactly n records, in as many calls as it needs.
func (q queue) take(n int, extra ...obj) []wireRecord {
	q.t.Helper()
	var got []wireRecord
	deadline := time.Now().Add(soon)
	for len(got) < n {
		got = append(got, q.lease(n-len(got), "5s", extra...)...)
		if len(got) < n && time.Now().After(deadline) {
			q.t.Fatalf("leased %d records within %v, want %d; group %+v", len(got), soon, n, q.view().Totals)
		}
	}
	return got
}

// one leases exactly one record.
func (q queue) one(extra ...obj) wireRecord {
	q.t.Helper()
	return q.take(1, extra...)[0]
}

// none requires that nothing can be leased for a while.
func (q queue) none(wait string) {
	q.t.Helper()
	if got := q.lease(100, wait); len(got) > 0 {
		q.t.Fatalf("leased %v of %s, want nothing", offsets(got), q.gname)
	}
}

// parked is a lease call that another goroutine waits for.
type parked struct {
	q    queue
	done chan []wireRecord
	err  chan error
}

// park starts a lease that waits, and returns when it does; cancel it with the context.
func (q queue) park(ctx context.Context, max int, wait string, extra ...obj) parked {
	q.t.Helper()
	before := q.waiters()
	body := obj{"max": max, "wait": wait}
	for _, e := range extra {
		for k, v := range e {
			body[k] = v
		}
	}
	p := parked{q, make(chan []wireRecord, 1), make(chan error, 1)}
	go func() {
		a, err := q.send(ctx, "POST", q.groupPath()+"/lease", body)
		if err == nil && a.status != 200 {
			err = fmt.Errorf("%s: %d %s", a.what, a.status, clip(a.body))
		}
		if err != nil {
			p.err <- err
			return
		}
		var l leased
		a.into(&l)
		p.done <- l.Records
	}()
	eventually(q.t, soon, "the lease is parked, or over", func() bool { return len(p.done)+len(p.err) > 0 || q.waiters() > before })
	return p
}

// waiters is how many leases of the group are parked.
func (q queue) waiters() (n int) {
	q.t.Helper()
	eventually(q.t, soon, "the metrics have the group", func() bool {
		v, found := q.metric("holt_group_waiters", q.gname)
		n = int(v)
		return found
	})
	return n
}

// awaitWaiters waits until so many leases of the group are parked.
func (q queue) awaitWaiters(n int) {
	q.t.Helper()
	eventually(q.t, soon, fmt.Sprintf("%d leases are parked", n), func() bool { return q.waiters() == n })
}

// woken requires that the parked lease has come back with records.
func (p parked) woken() []wireRecord {
	p.q.t.Helper()
	select {
	case got := <-p.done:
		if len(got) == 0 {
			p.q.t.Fatalf("parked lease of %s came back empty", p.q.gname)
		}
		return got
	case err := <-p.err:
		p.q.t.Fatal(err)
	case <-time.After(soon):
		p.q.t.Fatalf("parked lease of %s was not woken within %v", p.q.gname, soon)
	}
	return nil
}

// asleep requires that the parked lease has not come back yet.
func (p parked) asleep() {
	p.q.t.Helper()
	select {
	case got := <-p.done:
		p.q.t.Fatalf("parked lease of %s came back early with %v", p.q.gname, offsets(got))
	case err := <-p.err:
		p.q.t.Fatal(err)
	default:
	}
}

// settle makes one settle call of whatever outcome.
func (q queue) settle(body obj) answer {
	q.t.Helper()
	return q.post(q.groupPath()+"/settle", body)
}

// verb makes a one-verb call for one receipt.
func (q queue) verb(verb string, r wireRecord, extra ...obj) answer {
	q.t.Helper()
	body := obj{"receipt": r.Receipt}
	for _, e := range extra {
		for k, v := range e {
			body[k] = v
		}
	}
	return q.post(q.groupPath()+"/"+verb, body)
}

// ok requires that all of n were settled and none failed.
func (a answer) ok(n int) {
	a.t.Helper()
	var s settled
	a.is(200).into(&s)
	if s.Settled != n || len(s.Failed) != 0 {
		a.t.Fatalf("%s: settled %d, failed %v, want %d and none", a.what, s.Settled, s.Failed, n)
	}
}

// refused requires 409 with the code, for one receipt.
func (a answer) refused(code string) {
	a.t.Helper()
	p := a.problem(409, code)
	if len(p.Failed) != 1 || p.Failed[0].Code != code || p.Failed[0].Receipt == "" {
		a.t.Errorf("%s: failed = %v, want the one receipt with %s", a.what, p.Failed, code)
	}
}

// ack settles the records as done.
func (q queue) ack(records ...wireRecord) {
	q.t.Helper()
	q.settle(obj{"ack": receipts(records)}).ok(len(records))
}

// nack settles one record as failed, to come again after the delay.
func (q queue) nack(r wireRecord, delay string) {
	q.t.Helper()
	q.verb("nack", r, obj{"delay": delay}).ok(1)
}

func (q queue) view() groupView {
	q.t.Helper()
	return q.group(q.gname)
}

// only returns the group's view of its only partition.
func (q queue) only() sharePartition {
	q.t.Helper()
	v := q.view()
	if len(v.Partitions) != 1 {
		q.t.Fatalf("group %s has %d partitions, want 1", q.gname, len(v.Partitions))
	}
	return v.Partitions[0]
}

// drain leases and acks until nothing is left, and returns what came.
func (q queue) drain() []wireRecord {
	q.t.Helper()
	var all []wireRecord
	deadline := time.Now().Add(2 * soon)
	for q.view().Totals.Lag > 0 {
		got := q.lease(1000, "1s")
		if len(got) > 0 {
			q.ack(got...)
		}
		all = append(all, got...)
		if time.Now().After(deadline) {
			q.t.Fatalf("group %s does not drain: %+v", q.gname, q.view().Totals)
		}
	}
	return all
}

// letters reads the group's dead-letter topic; none when it is not there.
func (q queue) letters() []wireRecord {
	q.t.Helper()
	a := q.get("/v1/topics/" + q.gname + ".dlq")
	if a.status == 404 {
		return nil
	}
	var all []wireRecord
	for p := range q.topic(q.gname + ".dlq").Partitions {
		all = append(all, q.readAll(q.gname+".dlq", p)...)
	}
	return all
}

// awaitLetters waits until exactly n records are dead, in the group's count and
// in the topic.
func (q queue) awaitLetters(n int) []wireRecord {
	q.t.Helper()
	var got []wireRecord
	eventually(q.t, soon, fmt.Sprintf("%d dead letters", n), func() bool {
		if q.view().Totals.DeadLetters < int64(n) {
			return false
		}
		got = q.letters()
		return len(got) >= n
	})
	if v := q.view(); len(got) != n || v.Totals.DeadLetters != int64(n) {
		q.t.Fatalf("group %s has %d dead letters and counts %d, want %d", q.gname, len(got), v.Totals.DeadLetters, n)
	}
	return got
}

func receipts(records []wireRecord) []string {
	all := []string{}
	for _, r := range records {
		all = append(all, r.Receipt)
	}
	return all
}

// offsets lists the offsets in order.
func offsets(records []wireRecord) []int64 {
	all := []int64{}
	for _, r := range records {
		all = append(all, r.Offset)
	}
	slices.Sort(all)
	return all
}

// between lists first … end-1.
func between(first, end int64) []int64 {
	all := []int64{}
	for o := first; o < end; o++ {
		all = append(all, o)
	}
	return all
}

func wantOffsets(t testing.TB, what string, got []wireRecord, want []int64) {
	t.Helper()
	if !slices.Equal(offsets(got), want) {
		t.Fatalf("%s: offsets %v, want %v", what, offsets(got), want)
	}
}

func wantAttempt(t testing.TB, r wireRecord, attempt, deliveries int) {
	t.Helper()
	if r.Attempt != attempt || r.Deliveries != deliveries {
		t.Errorf("record %d: attempt %d, deliveries %d, want %d and %d", r.Offset, r.Attempt, r.Deliveries, attempt, deliveries)
	}
}
