package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

var openOnly = letter.Filter{State: letter.Open}

// dead makes n letters in a group "g" of a topic "jobs".
func (h *house) dead(n int) {
	h.t.Helper()
	h.topic("jobs", 3)
	h.group("g", []string{"jobs"}, nil)
	h.die(0, n)
}

func (h *house) die(from, n int) {
	h.t.Helper()
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint(from + i)
	}
	h.publish("jobs", values...)
	for got := 0; got < n; {
		ds := h.lease("g", 1000, 0)
		h.settle("g", reject("no"), ds...)
		got += len(ds)
	}
}

func (h *house) start(c dlq.Choice, p dlq.Plan) dlq.Job {
	h.t.Helper()
	if c.Filter.State == 0 {
		c.Filter.State = letter.Open
	}
	j, err := h.dlq.Start(h.ctx(), "g", c, p)
	h.ok(err)
	return j
}

func (h *house) job(id string, wait time.Duration) dlq.Job {
	h.t.Helper()
	j, err := h.dlq.Job(h.ctx(), id, wait)
	h.ok(err)
	return j
}

// sums is what a job tells: state, matched, redriven, succeeded, died again, skipped.
func sums(j dlq.Job) string {
	return fmt.Sprint(j.State, " ", j.Matched, j.Redriven, j.Succeeded, j.DiedAgain, j.Skipped)
}

// drain leases all that is there and settles it, and returns the values in order of their numbers.
func (h *house) drain(verb queue.Action) (out []int) {
	h.t.Helper()
	for {
		ds := h.lease("g", 1000, 0)
		if len(ds) == 0 {
			slices.Sort(out)
			return out
		}
		h.settle("g", verb, ds...)
		for _, d := range ds {
			var n int
			fmt.Sscan(string(d.Record.Value), &n)
			out = append(out, n)
		}
	}
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestScenario69ABulkRedriveDeliversEachOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(1200)
		h.topic("late", 1)
		h.group("g", []string{"jobs", "late"}, nil)
		h.publish("late", "1200", "1201", "1202")
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Filter: "all"})
		h.same("as made", []any{j.State, j.Matched, j.Filter}, []any{redrive.Running, 1200, "all"})
		for at := range queue.Offset(3) { // later letters are not its
			h.ok(h.SettleAt(h.ctx(), "g", queue.GroupPlace{Topic: "late", Offset: at}, queue.Reject))
		}
		j = h.job(j.ID, time.Minute)
		h.same("done", sums(j), "done 1200 1200 0 0 0")
		h.same("each once", h.drain(ack), upTo(1200))
		h.same("succeeded", sums(h.job(j.ID, 0)), "done 1200 1200 1200 0 0")
		h.restart()
		h.same("after a restart", sums(h.job(j.ID, 0)), "done 1200 1200 1200 0 0")
		h.same("open", len(h.letters("g", letter.Open)), 3)
		jobs, err := h.dlq.Jobs(h.ctx(), "", 10)
		h.ok(err)
		h.same("jobs", len(jobs), 1)
	})
}

func TestScenario69RatesAreKept(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(100)
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Rate: 10})
		began := time.Now()
		for range 50 {
			time.Sleep(190 * time.Millisecond)
			at := time.Since(began).Seconds()
			if n := float64(h.job(j.ID, 0).Redriven); n > 10*at+1 || n < 10*at-2 {
				t.Fatalf("%v redriven after %v s", n, at)
			}
		}
		h.same("end", sums(h.job(j.ID, time.Minute)), "done 100 100 0 0 0")
		if took := time.Since(began); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("100 at 10 a second took %v", took)
		}
	})
}

func TestScenario69CancelAndRestartInTheMiddle(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(60)
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Rate: 10})
		time.Sleep(2050 * time.Millisecond)
		before := h.job(j.ID, 0).Redriven
		h.restart()
		if got := h.job(j.ID, 0); got.State != redrive.Running || got.Redriven != before {
			t.Fatalf("after the restart: %s", sums(got))
		}
		time.Sleep(2 * time.Second)
		h.ok(h.dlq.Cancel(h.ctx(), j.ID))
		synctest.Wait() // a step under way is finished
		cancelled := h.job(j.ID, time.Minute)
		if n := cancelled.Redriven; cancelled.State != redrive.Cancelled || n < 35 || n > 42 || cancelled.FinishedAt.IsZero() {
			t.Fatalf("cancelled: %s", sums(cancelled))
		}
		time.Sleep(time.Minute)
		h.restart()
		time.Sleep(time.Minute)
		h.same("nothing more", sums(h.job(j.ID, 0)), sums(cancelled))
		h.same("left", len(h.letters("g", letter.Open)), 60-cancelled.Redriven)
		h.same("come", len(h.drain(ack)), cancelled.Redriven)
		h.ok(h.dlq.Cancel(h.ctx(), j.ID))
		if err := h.dlq.Cancel(h.ctx(), "none"); !errors.Is(err, dlq.ErrRedriveNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestScenario69TwoAtOnce(t *testing.T) {
	for _, toTopic := range []bool{false, true} {
		inBubble(t, func(h *house) {
			h.dead(800)
			one := h.start(dlq.Choice{All: true}, dlq.Plan{ToTopic: toTopic})
			two := h.start(dlq.Choice{All: true, Filter: openOnly}, dlq.Plan{ToTopic: toTopic})
			a, b := h.job(one.ID, time.Minute), h.job(two.ID, time.Minute)
			h.same("together", a.Redriven+b.Redriven, 800)
			h.same("of each", []int{a.Redriven + a.Skipped, b.Redriven + b.Skipped}, []int{a.Matched, b.Matched})
			h.same("each once", h.drain(ack), upTo(800))
			a, b = h.job(one.ID, 0), h.job(two.ID, 0)
			h.same("succeeded", a.Succeeded+b.Succeeded, 800)
		})
	}
}

func TestChoicesOfAJob(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(10)
		items := h.list("g", openOnly).Items
		ids := []string{items[7].ID, items[3].ID, items[7].ID, "none", "1-99"}
		p, err := h.dlq.Preview(h.ctx(), "g", dlq.Choice{IDs: ids, Filter: openOnly})
		h.ok(err)
		h.same("preview", []any{p.Matched, len(p.Samples), p.Samples[0].ID}, []any{2, 2, items[7].ID})
		p, err = h.dlq.Preview(h.ctx(), "g", dlq.Choice{All: true, Filter: openOnly, Limit: 7})
		h.ok(err)
		h.same("preview", []any{p.Matched, len(p.Samples)}, []any{7, 5})
		h.same("nothing was done", h.totals("g").DeadLetters, 10)
		j := h.job(h.start(dlq.Choice{IDs: ids, Limit: 1}, dlq.Plan{}).ID, time.Minute)
		h.same("limit", sums(j), "done 1 1 0 0 0")
		h.same("the first named", h.letters("g", letter.Redriven), []string{string(items[7].Value)})
		j = h.job(h.start(dlq.Choice{Filter: letter.Filter{State: letter.Open, Key: []byte("none")}}, dlq.Plan{}).ID, time.Minute)
		h.same("none", sums(j), "done 0 0 0 0 0")
		for name, c := range map[string]dlq.Choice{"nothing": {Filter: openOnly}, "limit": {All: true, Limit: -1}} {
			if _, err := h.dlq.Start(h.ctx(), "g", c, dlq.Plan{}); !errors.Is(err, queue.ErrInvalidRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, p := range map[string]dlq.Plan{"rate": {Rate: -1}, "share": {StopOnRedeath: 1.1}} {
			if _, err := h.dlq.Start(h.ctx(), "g", dlq.Choice{All: true}, p); !errors.Is(err, queue.ErrInvalidRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestRampGoesOnWhileWhatCameBackSucceeds settles stage by stage.
func TestRampGoesOnWhileWhatCameBackSucceeds(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(30)
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Ramp: true})
		for _, want := range []int{1, 2, 5, 10, 12} {
			time.Sleep(time.Second)
			ds := h.lease("g", 100, 0)
			h.same("stage", len(ds), want)
			h.restart() // in the middle of a stage
			time.Sleep(10 * time.Second)
			h.settle("g", ack, ds[1:]...)
			time.Sleep(time.Second)
			h.same("not before the last is settled", len(h.lease("g", 100, 0)), 0)
			h.settle("g", ack, ds[0])
		}
		h.same("done", sums(h.job(j.ID, time.Minute)), "done 30 30 30 0 0")

		h.die(100, 20)
		j = h.start(dlq.Choice{All: true}, dlq.Plan{Ramp: true})
		time.Sleep(time.Second)
		h.settle("g", ack, h.lease("g", 100, 0)...)
		time.Sleep(time.Second)
		h.settle("g", reject("again"), h.lease("g", 1, 0)...)
		j = h.job(j.ID, time.Minute)
		h.same("failed", sums(j), "failed 20 3 1 1 0")
		h.same("why", j.Detail, "1 of 2 that came back died again")
	})
}

func TestJobsStopWhenTooMuchDiesAgain(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(100)
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Rate: 10, StopOnRedeath: 0.5})
		time.Sleep(time.Second)
		ds := h.lease("g", 100, 0)
		h.settle("g", ack, ds[:4]...)
		h.settle("g", reject("again"), ds[4:8]...)
		time.Sleep(time.Second)
		h.same("half is right", h.job(j.ID, 0).State, redrive.Running)
		h.settle("g", reject("again"), ds[8])
		j = h.job(j.ID, time.Minute)
		h.same("failed", []any{j.State, j.Succeeded, j.DiedAgain}, []any{redrive.Failed, 4, 5})
		h.restart()
		h.same("reopened", h.totals("g").DeadLetters, 100-j.Redriven+5)
	})
}

// TestJobsWaitForBurials redrives a letter whose record is dying again, since its topic was attached anew, and one more.
func TestJobsWaitForBurials(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(2)
		h.group("g", nil, nil)
		h.group("g", []string{"jobs"}, nil) // from the beginning
		dying := func() {
			h.st.SetSpent(true)
			h.settle("g", reject("no"), h.lease("g", 1, 0)...)
		}
		dying()
		j := h.start(dlq.Choice{All: true}, dlq.Plan{})
		time.Sleep(3 * time.Second)
		h.same("it waits", sums(h.job(j.ID, 0)), "running 2 0 0 0 0")
		h.st.SetSpent(false)
		h.same("done", sums(h.job(j.ID, time.Minute)), "done 2 2 0 0 0")
		h.same("each once", h.drain(reject("no")), upTo(2))

		h.group("g", nil, nil)
		h.group("g", []string{"jobs"}, nil)
		dying()
		from := time.Now()
		j = h.start(dlq.Choice{All: true}, dlq.Plan{})
		h.same("not for ever", sums(h.job(j.ID, time.Minute)), "done 2 1 0 0 1")
		h.same("it waited", time.Since(from), 10*time.Second)
	})
}

func TestJobsEndWithTheirGroup(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(50)
		j := h.start(dlq.Choice{All: true}, dlq.Plan{Rate: 5})
		time.Sleep(2 * time.Second)
		h.ok(h.DeleteGroup(h.ctx(), "g", true, queue.Condition{}))
		h.group("g", []string{"jobs"}, nil) // another one
		j = h.job(j.ID, time.Minute)
		h.same("failed", []any{j.State, j.Detail}, []any{redrive.Failed, "the group is deleted"})
		h.restart()
		h.same("still", h.job(j.ID, 0).State, redrive.Failed)
	})
}

// TestScenario67CrashesBetweenTheSteps crashes after each commit of a death, a redrive and a job, and each letter comes once.
func TestScenario67CrashesBetweenTheSteps(t *testing.T) {
	for crash := 0; crash < 60; crash++ {
		inBubble(t, func(h *house) {
			h.topic("jobs", 2)
			h.group("g", []string{"jobs"}, nil)
			h.publish("jobs", "0", "1", "2", "3", "4", "5")
			h.crashAt(crash, func() {
				ds, _, _ := h.Lease(h.ctx(), "g", queue.LeaseRequest{Max: 9})
				_ = h.trySettle("g", reject("no"), ds...)
				_, _ = h.dlq.Start(h.ctx(), "g", dlq.Choice{All: true, Filter: openOnly}, dlq.Plan{Rate: 20})
				time.Sleep(100 * time.Millisecond)
				_, _ = h.dlq.Purge(h.ctx(), "g", dlq.Choice{All: true, Filter: openOnly, Limit: 1})
				time.Sleep(2 * time.Second)
			})
			time.Sleep(time.Minute) // leases and jobs
			h.conserved(6)
		})
	}
}

// crashAt runs fn on a store that ends after n commits, and opens what is durable.
func (h *house) crashAt(n int, fn func()) {
	h.t.Helper()
	left := n
	h.st.SetFaults(memory.Faults{Commit: func(uint64) memory.Fate {
		if left--; left >= 0 {
			return memory.Fate{}
		}
		return memory.Fate{Outcome: memory.UnknownSome, Kill: true}
	}})
	fn()
	synctest.Wait()
	h.dlq.Close()
	_ = h.Close()
	h.st = h.st.Crash()
	h.st.SetFaults(memory.Faults{})
	h.open()
}

// conserved says that of n records each is live, an open letter, or purged, once.
func (h *house) conserved(n int) {
	h.t.Helper()
	seen := map[string]int{}
	for _, v := range h.letters("g", letter.Open) {
		seen[v]++
	}
	for _, v := range h.letters("g", letter.Purged) {
		seen[v]++
	}
	for _, v := range h.drain(ack) {
		seen[fmt.Sprint(v)]++
	}
	for i := range n {
		if seen[fmt.Sprint(i)] != 1 {
			h.t.Fatalf("record %d is there %d times: %v", i, seen[fmt.Sprint(i)], seen)
		}
	}
}

// TestLettersOnMorePartitionsThanOneUnitTakes has a letter on each of 300 partitions: what is done to all of them takes several units.
func TestLettersOnMorePartitionsThanOneUnitTakes(t *testing.T) {
	const n = store.MaxUnitEdits + 44
	inBubble(t, func(h *house) {
		h.topic("jobs", n)
		h.group("g", []string{"jobs"}, nil)
		messages := make([]queue.Message, n)
		for i := range messages {
			messages[i] = queue.Message{Value: []byte(fmt.Sprint(i)), Partition: &i}
		}
		for some := range slices.Chunk(messages, 100) {
			_, _, err := h.Publish(h.ctx(), "jobs", some, 0)
			h.ok(err)
		}
		h.drain(reject("no"))
		j := h.start(dlq.Choice{All: true}, dlq.Plan{})
		h.same("redriven", sums(h.job(j.ID, time.Minute)), fmt.Sprint("done ", n, n, 0, 0, 0))
		h.same("each once", h.drain(reject("again")), upTo(n))
		j = h.start(dlq.Choice{All: true}, dlq.Plan{ToTopic: true})
		h.same("published", sums(h.job(j.ID, time.Minute)), fmt.Sprint("done ", n, n, n, 0, 0))
		h.same("each once", h.drain(reject("again")), upTo(n))
		purged, err := h.dlq.Purge(h.ctx(), "g", dlq.Choice{All: true, Filter: openOnly})
		h.ok(err)
		h.same("purged", purged, n)
	})
}

// TestAJobRunsWhoseMakerHasGone starts one for a client that does not wait for the answer.
func TestAJobRunsWhoseMakerHasGone(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(5)
		var ids []string
		for _, l := range h.list("g", openOnly).Items {
			ids = append(ids, l.ID)
		}
		held := make(chan struct{})
		durable := sync.OnceFunc(func() { close(held) })
		defer durable()
		h.st.SetFaults(memory.Faults{BeforeDurable: func(uint64) { <-held }})
		ctx, gone := context.WithCancel(h.ctx())
		gone()
		if _, err := h.dlq.Start(ctx, "g", dlq.Choice{IDs: ids, Filter: openOnly}, dlq.Plan{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		h.st.SetFaults(memory.Faults{})
		durable()
		jobs, err := h.dlq.Jobs(h.ctx(), "", 10)
		h.ok(err)
		h.same("jobs", len(jobs), 1)
		h.same("done", sums(h.job(jobs[0].ID, time.Minute)), "done 5 5 0 0 0")
	})
}
