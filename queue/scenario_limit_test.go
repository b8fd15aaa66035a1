package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

func TestScenario32And38OnlyWhatIsNotAckedExpires(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(100, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		for rounds := 0; h.totals("g").Lag > 0; rounds++ {
			if rounds > 200 {
				h.t.Fatalf("no end: %+v", h.totals("g"))
			}
			for _, d := range h.lease("g", 100, 10*time.Second) {
				if string(d.Record.Value) == "50" { // kills its worker: nothing after it is acked
					break
				}
				h.must("g", ack, d)
			}
		}
		if got := h.all("g.dlq"); !slices.Equal(got, []string{"50"}) {
			h.t.Errorf("dead letters %v", got)
		}
	})
}

func TestScenario35And36AttemptsUpToTheLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 5} {
		for _, byExpiry := range []bool{false, true} {
			t.Run(fmt.Sprint(limit, byExpiry), func(t *testing.T) {
				inBubble(t, func(h *house) {
					h.numbers(1, func(c *queue.GroupConfig) { c.MaxAttempts, c.Lease = limit, time.Second })
					for i := range limit {
						ds := h.lease("g", 1, 0)
						if len(ds) != 1 || ds[0].Attempt != i+1 {
							h.t.Fatalf("attempt %d: %+v", i+1, ds)
						}
						if byExpiry {
							time.Sleep(time.Second + time.Millisecond)
						} else {
							h.must("g", nackNow, ds...)
						}
					}
					synctest.Wait()
					if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 1}) {
						h.t.Errorf("totals %+v", got)
					}
					h.progress("g", queue.GroupPartition{Start: 1, End: 1, LogEnd: 1})
				})
			})
		}
	}
}

func TestScenario37LimitChangedLive(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(2, nil)
		for range 3 {
			h.must("g", nackNow, h.lease("g", 2, 0)...)
		}
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts = 2 })
		ds := h.lease("g", 2, 0)
		if len(ds) != 2 || ds[0].Attempt != 4 {
			h.t.Fatalf("lowered: %+v", ds)
		}
		h.must("g", nackNow, ds[0])
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts = 9 })
		h.must("g", nackNow, ds[1])
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1, DeadLetters: 1}) {
			h.t.Errorf("totals %+v", got)
		}
	})
}

func TestScenario41EachThingIsCountedOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(5, func(c *queue.GroupConfig) { c.Lease = time.Second })
		ds := h.lease("g", 5, 0)
		for i, v := range []func(queue.Delivery) queue.Action{ack, nack, verb(queue.Release), reject} {
			h.must("g", v, ds[i])
			h.must("g", v, ds[i])
		}
		time.Sleep(1100 * time.Millisecond)
		info, err := h.Group(h.t.Context(), "g")
		if err != nil {
			h.t.Fatal(err)
		}
		want := queue.GroupCounters{Leased: 5, Acked: 1, Nacked: 1, Released: 1, Rejected: 1, Expired: 1, DeadLettered: 1}
		if info.Counters != want {
			h.t.Errorf("counters %+v, want %+v", info.Counters, want)
		}
	})
}

func TestScenario44And45KeysAndTheirConcurrency(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering = "key" })
		h.group("two", []string{"t"}, func(c *queue.GroupConfig) { c.KeyConcurrency = 2 })
		for _, v := range []string{"-1", "-2", "a1", "a2", "a3", "1", "2"} {
			m := queue.Message{Value: []byte(v)}
			switch v[0] {
			case 'a':
				m.Key = []byte("a")
			case '-':
				m.Key = []byte{} // an empty key is a key
			}
			h.publishMsgs("t", m)
		}
		h.leased("g", 9, "-1", "a1", "1", "2")
		h.leased("two", 9, "-1", "-2", "a1", "a2", "1", "2")
		h.group("two", []string{"t"}, func(c *queue.GroupConfig) { c.KeyConcurrency = 3 })
		h.leased("two", 9, "a3")
	})
}

// TestKeyOrderTurnedOnLater turns the order, or a limit per key, on when records were read ahead without it: it holds for what is not handed out yet, over a restart too.
func TestKeyOrderTurnedOnLater(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.topic("t", 1)
				h.group("g", []string{"t"}, nil)
				h.group("two", []string{"t"}, nil)
				for _, v := range []string{"a1", "a2", "a3", "a4", "b1", "b2"} {
					h.publishMsgs("t", queue.Message{Key: []byte(v[:1]), Value: []byte(v)})
				}
				held := h.leased("g", 2, "a1", "a2")
				dead := h.leased("two", 1, "a1")
				h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering = "key" })
				h.group("two", []string{"t"}, func(c *queue.GroupConfig) { c.KeyConcurrency = 2 })
				if restart {
					h.restart()
				}
				h.leased("g", 9, "b1")
				h.leased("two", 9, "a2", "b1", "b2")
				h.must("g", ack, held[1])
				h.leased("g", 9)
				h.must("g", nackNow, held[0])
				again := h.leased("g", 9, "a1")
				h.must("g", ack, again...)
				h.leased("g", 9, "a3")
				h.must("two", ack, dead...)
				h.leased("two", 9, "a3")
			})
		})
	}
}

func TestScenario48TimeToLive(t *testing.T) {
	for _, letters := range []bool{false, true} {
		t.Run(fmt.Sprint(letters), func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.topic("t", 1)
				h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.DeadLetterOnTTL = letters })
				for _, v := range []string{"leased", "waits"} {
					h.publishMsgs("t", queue.Message{Value: []byte(v), TTL: 5 * time.Second})
				}
				ds := h.leased("g", 1, "leased")
				time.Sleep(6 * time.Second)
				h.must("g", ack, ds...)
				h.leased("g", 9)
				synctest.Wait()
				want := queue.GroupTotals{}
				if letters {
					want.DeadLetters = 1
				}
				if got := h.totals("g"); got != want {
					h.t.Errorf("totals %+v, want %+v", got, want)
				}
				if got := h.all("t"); len(got) != 2 {
					h.t.Errorf("other readers see %v", got)
				}
			})
		})
	}
}

func TestScenario51RestartWithHoles(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(30, nil)
		ds := h.lease("g", 30, 0)
		h.must("g", ack, ds[:10]...)
		h.must("g", ack, ds[20:]...)
		h.must("g", verb(queue.Release), ds[10:20]...)
		h.restart()
		h.progress("g", queue.GroupPartition{Start: 10, End: 30, LogEnd: 30, Lag: 10, Available: 10})
		again := h.lease("g", 30, 0)
		if len(again) != 10 || again[0].Record.Offset != 10 || again[9].Record.Offset != 19 {
			h.t.Errorf("leased %v", values(again))
		}
	})
}

func TestScenario50And52And53RestartForgetsNothing(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(4, func(c *queue.GroupConfig) { c.Backoff.Jitter = 0 })
		ds := h.lease("g", 4, 0)
		h.must("g", ack, ds[0])
		h.must("g", nackNow, ds[1])
		time.Sleep(25 * time.Second)
		h.must("g", nack, ds[2])
		if err := h.Close(); err != nil {
			h.t.Fatal(err)
		}
		time.Sleep(time.Hour) // down time does not run against leases
		h.st = h.st.Crash()
		h.open()
		synctest.Wait()                     // what came due is turned over
		again := h.leased("g", 9, "1", "2") // the backoff of 2 is over, the lease of 3 is not
		if again[0].Attempt != 2 || again[1].Attempt != 2 || again[0].Deliveries != 2 {
			h.t.Errorf("after the restart %+v", again)
		}
		d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 1})
		if err != nil || d.Error != "no" || len(d.History) != 1 || d.History[0].Member != "w" {
			h.t.Errorf("its history %+v, %v", d, err)
		}
		time.Sleep(9 * time.Second)
		h.leased("g", 9)
		h.must("g", ack, ds[3])
		h.must("g", ack, again...)
		h.restart()
		h.leased("g", 9)
	})
}

func TestScenario57Starts(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.publish("t", "a")
		time.Sleep(time.Minute)
		at := time.Now().UTC()
		h.publish("t", "b")
		for name, start := range map[string]string{"early": "earliest", "late": "latest", "timed": at.Format(time.RFC3339Nano)} {
			h.group(name, []string{"t"}, func(c *queue.GroupConfig) { c.Start = start })
		}
		h.topic("t", 2)
		one := 1
		h.publishMsgs("t", queue.Message{Partition: &one, Value: []byte("grown")})
		h.restart()
		for name, want := range map[string][]string{"early": {"a", "b", "grown"}, "late": {"grown"}, "timed": {"b", "grown"}} {
			got := values(h.lease(name, 9, 0))
			if slices.Sort(got); !slices.Equal(got, want) {
				h.t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	})
}

func TestScenario61GroupMadeAgainStartsAfresh(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(2, nil)
		ds := h.lease("g", 1, 0)
		h.must("g", reject, ds...)
		held := h.lease("g", 1, 0)
		if err := h.DeleteGroup(h.t.Context(), "g", false, queue.Condition{}); !errors.Is(err, queue.ErrGroupInUse) {
			h.t.Fatalf("delete: %v", err)
		}
		if err := h.DeleteGroup(h.t.Context(), "g", true, queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		if _, _, err := h.Lease(h.t.Context(), "g", queue.LeaseRequest{Max: 1}); !errors.Is(err, queue.ErrGroupNotFound) {
			h.t.Errorf("lease from a deleted group: %v", err)
		}
		h.group("g", []string{"t"}, nil)
		for range 2 {
			if got := h.totals("g"); got != (queue.GroupTotals{Lag: 2, Available: 2}) {
				h.t.Fatalf("totals %+v", got)
			}
			h.refused(queue.ErrInvalidReceipt, "g", ack, held...)
			h.restart()
		}
	})
}

func TestScenario64LettersSayWhereTheyComeFrom(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts, c.DeadLetterOnTTL, c.Lease = 2, true, 5*time.Second })
		began := time.Now().UTC()
		for _, m := range []queue.Message{{Value: []byte("rejected")}, {Value: []byte("nacked")}, {Value: []byte("expired")}, {Value: []byte("ttl"), TTL: time.Second}} {
			m.Key = []byte("k")
			h.publishMsgs("t", m)
		}
		ds := h.lease("g", 3, 0)
		h.must("g", reject, ds[0])
		h.must("g", nackNow, ds[1])
		h.must("g", nackNow, ds[2])
		time.Sleep(2 * time.Second)
		ds = h.lease("g", 9, 0)
		if len(ds) != 1 { // its last attempt comes alone only after expiries; the other one comes next
			ds = append(ds, h.lease("g", 9, 0)...)
		}
		for _, d := range ds {
			if string(d.Record.Value) == "nacked" {
				h.must("g", nackNow, d)
			}
		}
		h.lease("g", 1, 0)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		res, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "g.dlq", From: queue.Position{Earliest: true}})
		if err != nil || len(res.Records) != 4 {
			h.t.Fatalf("%d letters, %v", len(res.Records), err)
		}
		want := map[string]struct{ reason, errorText, attempts, offset string }{
			"rejected": {"rejected", "never", "1", "0"}, "nacked": {"max_attempts", "no", "2", "1"},
			"expired": {"max_attempts", "the lease expired", "2", "2"}, "ttl": {"ttl", "", "0", "3"},
		}
		for _, r := range res.Records {
			got := map[string]string{}
			for _, hd := range r.Headers {
				got[hd.Name] = string(hd.Value)
			}
			w := want[string(r.Value)]
			if string(r.Key) != "k" || got["holt-dl-reason"] != w.reason || got["holt-dl-error"] != w.errorText || got["holt-dl-attempts"] != w.attempts || got["holt-dl-offset"] != w.offset || got["holt-dl-group"] != "g" || got["holt-dl-topic"] != "t" || got["holt-dl-partition"] != "0" {
				h.t.Errorf("%s: %v", r.Value, got)
			}
			if first := began.Format("2006-01-02T15:04:05.000Z07:00"); string(r.Value) != "ttl" && (got["holt-dl-first-at"] != first || got["holt-dl-member"] != "w") {
				h.t.Errorf("%s: first at %q, want %q, member %q", r.Value, got["holt-dl-first-at"], first, got["holt-dl-member"])
			}
		}
	})
}

func TestScenario65DisabledLettersAreDropped(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(2, func(c *queue.GroupConfig) { c.DeadLetters, c.MaxAttempts = false, 1 })
		ds := h.lease("g", 2, 0)
		h.must("g", reject, ds[0])
		h.must("g", nack, ds[1])
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			h.t.Errorf("totals %+v", got)
		}
		if _, err := h.Topic(h.t.Context(), "g.dlq"); !errors.Is(err, queue.ErrTopicNotFound) {
			h.t.Errorf("the topic of letters: %v", err)
		}
		info, err := h.Group(h.t.Context(), "g")
		if err != nil || info.Counters.Dropped != 2 {
			h.t.Errorf("counters %+v, %v", info.Counters, err)
		}
	})
}

// The store fails at each of its commits in turn, while a record dies and another one moves on: after the restart each is in one place.
func TestScenario55And67CrashAtEachCommit(t *testing.T) {
	for call := uint64(1); call < 40; call++ {
		for _, outcome := range []memory.Outcome{memory.UnknownNone, memory.UnknownAll, memory.UnknownSome} {
			reached := false
			inBubble(t, func(h *house) {
				h.numbers(2, nil)
				first := h.commits() + call
				h.st.SetFaults(memory.Faults{Commit: func(n uint64) memory.Fate {
					if n != first {
						return memory.Fate{}
					}
					reached = true
					return memory.Fate{Outcome: outcome, Kill: true}
				}})
				answers := map[string]error{}
				ds, _, _ := h.Lease(h.t.Context(), "g", queue.LeaseRequest{Max: 2})
				for i, d := range ds {
					_, answers[string(d.Record.Value)] = h.settle("g", []func(queue.Delivery) queue.Action{reject, ack}[i], d)
				}
				_ = h.Close() // it may have failed
				h.st = h.st.Crash()
				h.st.SetFaults(memory.Faults{})
				h.open()
				synctest.Wait()
				left, buried := values(h.lease("g", 9, 0)), []string(nil)
				if h.totals("g").DeadLetters > 0 {
					buried = h.all("g.dlq")
				}
				held := h.totals("g").Leased - int64(len(left))
				for v, err := range answers {
					if err == nil && slices.Contains(left, v) {
						h.t.Errorf("commit %d, outcome %d: %s was settled and came again", call, outcome, v)
					}
					if count(left, v)+count(buried, v) > 1 {
						h.t.Errorf("commit %d, outcome %d: %s is in two places: %v, letters %v", call, outcome, v, left, buried)
					}
				}
				if err, asked := answers["0"]; asked && err == nil && count(buried, "0") != 1 {
					h.t.Errorf("commit %d, outcome %d: the letter of 0 is lost: left %v, letters %v, %d held", call, outcome, left, buried, held)
				}
				if n := int64(len(buried)); n != h.totals("g").DeadLetters {
					h.t.Errorf("commit %d, outcome %d: %d letters, counted as %d", call, outcome, n, h.totals("g").DeadLetters)
				}
			})
			if !reached {
				if call == 1 {
					t.Fatal("no commit failed")
				}
				return
			}
		}
	}
	t.Error("the program never ends")
}

// commits is how many commits the store has seen.
func (h *house) commits() (last uint64) {
	h.t.Helper()
	h.st.SetFaults(memory.Faults{Commit: func(n uint64) memory.Fate { last = n; return memory.Fate{} }})
	h.publish("t", "counted")
	ds := h.lease("g", 3, 0)
	h.must("g", ack, ds[2])
	h.must("g", verb(queue.Release), ds[:2]...)
	synctest.Wait()
	return last
}
