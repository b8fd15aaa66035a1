package blackbox_test

import (
	"os"
	"strconv"
	"testing"
)

// redriveLetters is how many letters TestRedriveSurvivesKills redrives; HOLT_TEST_LETTERS asks for others, as 100000.
const redriveLetters = 2000

type job struct {
	ID                                    string
	State                                 string
	Matched, Redriven, Succeeded, Skipped int
	DiedAgain                             int `json:"died_again"`
}

// TestRedriveSurvivesKills kills the server in the middle of a job, twice: each letter is delivered once, and another group of the topic sees nothing of it.
func TestRedriveSurvivesKills(t *testing.T) {
	t.Parallel()
	n := redriveLetters
	if text := os.Getenv("HOLT_TEST_LETTERS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t)
	c := newClient(t, s)
	q := queueOn(c, 4, obj{})
	for p := range 4 {
		q.fill(p, 0, n/4)
	}
	other := queue{c, q.name, c.makeGroup(unique("other"), obj{"topics": list{q.name}, "lease": "10m"})}
	if got := len(other.drain()); got != n {
		t.Fatalf("the other group got %d records", got)
	}
	for dead := 0; dead < n; {
		got := q.lease(1000, "5s")
		q.post(q.groupPath()+"/reject", obj{"receipts": receipts(got), "error": "no"}).is(200)
		dead += len(got)
	}
	if v := q.view(); v.Totals != (totals{DeadLetters: int64(n)}) {
		t.Fatalf("totals %+v", v.Totals)
	}
	var j job
	q.post(q.groupPath()+"/dead-letters/redrive", obj{"all": true, "rate": n / 3}).is(202).into(&j)
	look := func() job {
		var now job
		q.get("/v1/redrives/" + j.ID).is(200).into(&now)
		return now
	}
	for _, part := range []int{n / 4, n / 2} {
		eventually(t, 2*soon, "the job goes on", func() bool { return look().Redriven >= part })
		s.crash(t)
	}
	eventually(t, 4*soon, "the job ends", func() bool { return look().State != "running" })
	if now := look(); now.State != "done" || now.Matched != n || now.Redriven != n || now.Skipped != 0 {
		t.Fatalf("the job %+v", now)
	}
	seen := map[string]int{}
	for _, r := range q.drain() {
		seen[strconv.Itoa(r.Partition)+"/"+strconv.FormatInt(r.Offset, 10)]++
		if r.Attempt != 1 || r.Deliveries != 2 {
			t.Fatalf("redelivered as attempt %d, delivery %d", r.Attempt, r.Deliveries)
		}
	}
	for at, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", at, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d came", len(seen), n)
	}
	if now := look(); now.Succeeded != n || now.DiedAgain != 0 {
		t.Errorf("the job %+v", now)
	}
	if got := other.lease(10, "0s"); len(got) != 0 || other.view().Totals.Lag != 0 {
		t.Errorf("the other group got %d records", len(got))
	}
}
