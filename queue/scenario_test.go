package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

func verb(v queue.Verb) func(queue.Delivery) queue.Action {
	return func(d queue.Delivery) queue.Action { return queue.Action{Receipt: d.Receipt, Verb: v} }
}

// nackNow fails a record without a delay.
func nackNow(d queue.Delivery) queue.Action {
	now := time.Duration(0)
	return queue.Action{Receipt: d.Receipt, Verb: queue.Nack, Delay: &now, Error: &queue.WorkerError{Message: "no"}}
}

// must settles and wants each one taken.
func (h *house) must(group string, verb func(queue.Delivery) queue.Action, ds ...queue.Delivery) {
	h.t.Helper()
	if res, err := h.settle(group, verb, ds...); err != nil || res.Settled != len(ds) || len(res.Failed) != 0 {
		h.t.Fatalf("settle %v: %+v, %v", values(ds), res, err)
	}
}

func (h *house) refused(want error, group string, verb func(queue.Delivery) queue.Action, ds ...queue.Delivery) {
	h.t.Helper()
	if _, err := h.settle(group, verb, ds...); !errors.Is(err, want) {
		h.t.Fatalf("settle %v: %v, want %v", values(ds), err, want)
	}
}

func (h *house) progress(group string, want queue.GroupPartition) {
	h.t.Helper()
	info, err := h.Group(h.t.Context(), group)
	if err != nil {
		h.t.Fatal(err)
	}
	got := info.Partitions[0]
	got.OldestUnsettled, want.Topic = time.Time{}, got.Topic
	if got != want {
		h.t.Fatalf("partition %+v, want %+v", got, want)
	}
}

// numbers publishes 0 to n-1 to a topic of one partition that group "g" reads.
func (h *house) numbers(n int, set func(*queue.GroupConfig)) {
	h.t.Helper()
	h.topic("t", 1)
	h.group("g", []string{"t"}, set)
	for i := range n {
		h.publish("t", strconv.Itoa(i))
	}
}

func (h *house) leased(group string, n int, want ...string) []queue.Delivery {
	h.t.Helper()
	ds := h.lease(group, n, 0)
	if got := values(ds); !slices.Equal(got, want) {
		h.t.Fatalf("leased %v, want %v", got, want)
	}
	return ds
}

func TestScenario1FirstLease(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(10, nil)
		for i, d := range h.lease("g", 10, 0) {
			if d.Attempt != 1 || d.Deliveries != 1 || d.Record.Offset != queue.Offset(i) {
				h.t.Errorf("%d: %+v", i, d)
			}
		}
		h.progress("g", queue.GroupPartition{Start: 0, End: 10, LogEnd: 10, Lag: 10, Leased: 10})
	})
}

func TestScenario2And3ManyWorkersShareOnePartition(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(640, nil)
		var mu sync.Mutex
		var work sync.WaitGroup
		seen, busy := map[string]int{}, 0
		for range 64 {
			work.Go(func() {
				ds := h.lease("g", 10, time.Second)
				mu.Lock()
				defer mu.Unlock()
				if len(ds) > 0 {
					busy++
				}
				for _, v := range values(ds) {
					seen[v]++
				}
			})
		}
		work.Wait()
		if busy != 64 || len(seen) != 640 {
			h.t.Errorf("%d of 64 workers got %d of 640 records", busy, len(seen))
		}
	})
}

func TestScenario4GroupsDoNotCross(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(3, nil)
		h.group("other", []string{"t"}, nil)
		mine := h.lease("g", 3, 0)
		h.must("g", ack, mine...)
		theirs := h.leased("other", 3, "0", "1", "2")
		h.refused(queue.ErrInvalidReceipt, "g", ack, theirs...)
		h.must("other", ack, theirs...)
	})
}

func TestScenario6And9FreedRecordsComeBeforeNewOnes(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(6, nil)
		ds := h.leased("g", 4, "0", "1", "2", "3")
		h.must("g", verb(queue.Release), ds[1], ds[3])
		h.leased("g", 3, "1", "3", "4")
		h.leased("g", 9, "5")
	})
}

func TestScenario8TheLimitCountsLeasesNotSpan(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxInflight, c.Lease = 101, 12*time.Hour })
		h.publish("t", make([]string, 10_000)...)
		h.lease("g", 1, 0)
		for range 9999 / 99 {
			ds := h.lease("g", 99, 0)
			if len(ds) != 99 {
				h.t.Fatalf("leased %d", len(ds))
			}
			h.must("g", ack, ds...)
		}
		h.progress("g", queue.GroupPartition{Start: 0, End: 10_000, LogEnd: 10_000, Lag: 1, Leased: 1})
	})
}

func TestScenario10LoweredAndRaisedLimit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(10, nil)
		ds := h.lease("g", 5, 0)
		limit := func(n int) { h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxInflight = n }) }
		limit(3)
		h.must("g", ack, ds[:2]...)
		h.leased("g", 5)
		h.must("g", ack, ds[2])
		h.leased("g", 5, "5")
		parked := make(chan []queue.Delivery)
		go func() { parked <- h.lease("g", 5, time.Minute) }()
		synctest.Wait()
		limit(6)
		if got := len(<-parked); got != 3 {
			h.t.Errorf("raised by 3: %d records at once", got)
		}
		h.must("g", ack, ds[3:]...)
	})
}

func TestScenario11WhatEndsAParkedLease(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration
		event func(h *house, held queue.Delivery)
	}{
		{"a publish", 0, func(h *house, _ queue.Delivery) { h.publish("t", "new") }},
		{"a due nack", time.Second, func(h *house, d queue.Delivery) {
			second := time.Second
			_, _ = h.Settle(h.t.Context(), "g", []queue.Action{{Receipt: d.Receipt, Verb: queue.Nack, Delay: &second}})
		}},
		{"an expiry", 30 * time.Second, func(*house, queue.Delivery) {}},
		{"a release", 0, func(h *house, d queue.Delivery) { h.must("g", verb(queue.Release), d) }},
		{"a reset", 0, func(h *house, _ queue.Delivery) {
			if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}}); err != nil {
				h.t.Error(err)
			}
		}},
		{"a resume", 0, func(h *house, _ queue.Delivery) {
			h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Paused = true })
			h.publish("t", "new")
			synctest.Wait()
			if n := h.totals("g").Leased; n != 1 {
				h.t.Errorf("%d leases run while the group is paused", n)
			}
			h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Paused = false })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.numbers(1, nil)
				held := h.leased("g", 1, "0")[0]
				parked := make(chan []queue.Delivery)
				go func() { parked <- h.lease("g", 1, time.Minute) }()
				synctest.Wait()
				began := time.Now()
				tt.event(h, held)
				if ds := <-parked; len(ds) != 1 || time.Since(began) != tt.after {
					t.Errorf("%d records after %v, want one after %v", len(ds), time.Since(began), tt.after)
				}
			})
		})
	}
}

func TestScenario13NoPartitionStarves(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 50)
		h.group("g", []string{"t"}, nil)
		for p := range 50 {
			for range 3 {
				h.publishMsgs("t", queue.Message{Partition: &p})
			}
		}
		seen := map[int]int{}
		for range 50 {
			for _, d := range h.lease("g", 1, 0) {
				seen[d.Partition]++
			}
		}
		if len(seen) != 50 {
			h.t.Errorf("50 leases touched %d of 50 partitions", len(seen))
		}
	})
}

func TestScenario14FirstComeFirstServed(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(0, nil)
		const n = 20
		served := make(chan int, n)
		for i := range n {
			go func() {
				wait := time.Minute
				if i%3 == 1 { // has gone before there is anything
					wait = time.Second
				}
				if len(h.lease("g", 1, wait)) == 1 {
					served <- i
				}
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		for i := range n {
			if i%3 == 1 {
				continue
			}
			h.publish("t", "x")
			if got := <-served; got != i {
				h.t.Fatalf("%d was served, want %d", got, i)
			}
		}
	})
}

func TestScenario17And18StartAndLag(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(6, nil)
		ds := h.lease("g", 6, 0)
		h.must("g", ack, ds[0], ds[1])
		h.progress("g", queue.GroupPartition{Start: 2, End: 6, LogEnd: 6, Lag: 4, Leased: 4})
		h.must("g", ack, ds[4])
		h.progress("g", queue.GroupPartition{Start: 2, End: 6, LogEnd: 6, Lag: 3, Leased: 3})
		h.must("g", ack, ds[2], ds[3])
		h.progress("g", queue.GroupPartition{Start: 5, End: 6, LogEnd: 6, Lag: 1, Leased: 1})
	})
}

func TestScenario19And40Backoff(t *testing.T) {
	exact := func(c *queue.GroupConfig) { c.MaxAttempts, c.Backoff.Jitter = 0, 0 }
	tests := []struct {
		name string
		set  func(*queue.GroupConfig)
		want []time.Duration
	}{
		{"exponential, capped", func(c *queue.GroupConfig) { exact(c); c.Backoff.Max = 5 * time.Second }, []time.Duration{1e9, 2e9, 4e9, 5e9, 5e9}},
		{"steps, the last repeats", func(c *queue.GroupConfig) { exact(c); c.Backoff.Steps = []time.Duration{3e9, 7e9} }, []time.Duration{3e9, 7e9, 7e9}},
		{"none", func(c *queue.GroupConfig) { exact(c); c.Backoff.Initial = 0 }, []time.Duration{0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.numbers(1, tt.set)
				ds := h.lease("g", 1, 0)
				for i, want := range tt.want {
					began := time.Now()
					h.must("g", nack, ds...)
					ds = h.lease("g", 1, time.Minute)
					if len(ds) != 1 || ds[0].Attempt != i+2 || time.Since(began) != want {
						h.t.Fatalf("attempt %d: %d records after %v, want %v", i+2, len(ds), time.Since(began), want)
					}
				}
			})
		})
	}
	t.Run("jitter keeps its bounds, a delay of the nack's own stands", func(t *testing.T) {
		inBubble(t, func(h *house) {
			h.numbers(50, nil)
			began, year := time.Now(), 365*24*time.Hour
			ds := h.lease("g", 50, 0)
			h.must("g", nack, ds[1:]...)
			h.must("g", func(d queue.Delivery) queue.Action {
				return queue.Action{Receipt: d.Receipt, Verb: queue.Nack, Delay: &year}
			}, ds[0])
			entries, _, err := h.GroupRecords(h.t.Context(), "g", queue.Deferred, queue.GroupPlace{}, 100)
			if err != nil || len(entries) != 50 || entries[0].DueAt.Sub(began) != year {
				h.t.Fatalf("%d deferred, the first until %v, %v", len(entries), entries[0].DueAt, err)
			}
			dues := map[time.Duration]bool{}
			for _, e := range entries[1:] {
				due := e.DueAt.Sub(began)
				if dues[due] = true; due < 800*time.Millisecond || due > 1200*time.Millisecond {
					h.t.Errorf("due after %v", due)
				}
			}
			if len(dues) < 10 {
				h.t.Errorf("only %d different times", len(dues))
			}
		})
	})
}

func TestScenario21And31MixedOutcomesInOneCall(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(5, nil)
		ds := h.lease("g", 5, 0)
		minute := time.Minute
		res, err := h.Settle(h.t.Context(), "g", []queue.Action{
			ack(ds[0]), {Receipt: ds[1].Receipt, Verb: queue.Nack, Delay: &minute}, {Receipt: ds[2].Receipt, Verb: queue.Release}, reject(ds[3]),
			{Receipt: ds[4].Receipt, Verb: queue.Extend, For: 2 * time.Minute},
		})
		if err != nil || res.Settled != 5 {
			h.t.Fatalf("%+v, %v", res, err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Available: 1, Leased: 1, Deferred: 1, DeadLetters: 1}) {
			h.t.Fatalf("totals %+v", got)
		}
		again := h.leased("g", 5, "2")
		if again[0].Attempt != 1 || again[0].Deliveries != 2 {
			h.t.Errorf("released: %+v", again[0])
		}
		if d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 4}); err != nil || time.Until(d.ExpiresAt) != 2*time.Minute || d.Why.Code != "lease" {
			h.t.Errorf("extended: %+v, %v", d, err)
		}
	})
}

func TestScenario22LostAmongGood(t *testing.T) {
	inBubble(t, func(h *house) {
		h.numbers(2, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		lost := h.leased("g", 1, "0")
		time.Sleep(6 * time.Second)
		good := h.leased("g", 2, "0", "1")
		res, err := h.settle("g", ack, lost[0], good[1])
		if err != nil || res.Settled != 1 || len(res.Failed) != 1 || res.Failed[0].Receipt != lost[0].Receipt || !errors.Is(res.Failed[0].Err, queue.ErrLeaseLost) {
			h.t.Fatalf("%+v, %v", res, err)
		}
		h.refused(queue.ErrLeaseLost, "g", ack, lost...)
		h.must("g", ack, good[0])
	})
}

func TestScenario24SettledTwice(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first       func(queue.Delivery) queue.Action
		same, other []queue.Verb
	}{
		{"ack", ack, []queue.Verb{queue.Ack}, []queue.Verb{queue.Nack, queue.Release, queue.Reject, queue.Extend}},
		{"nack", nack, []queue.Verb{queue.Nack}, []queue.Verb{queue.Ack, queue.Release, queue.Reject, queue.Extend}},
		{"release", verb(queue.Release), []queue.Verb{queue.Release}, []queue.Verb{queue.Ack, queue.Nack, queue.Reject, queue.Extend}},
		{"reject", reject, []queue.Verb{queue.Reject, queue.Nack}, []queue.Verb{queue.Ack, queue.Release, queue.Extend}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.numbers(1, nil)
				ds := h.lease("g", 1, 0)
				h.must("g", tt.first, ds...)
				for range 2 {
					want := h.totals("g")
					for _, v := range tt.same {
						h.must("g", verb(v), ds...)
					}
					for _, v := range tt.other {
						h.refused(queue.ErrAlreadySettled, "g", verb(v), ds...)
					}
					if got := h.totals("g"); got != want {
						h.t.Errorf("totals %+v, before the repeats %+v", got, want)
					}
					h.restart()
				}
			})
		})
	}
}

func TestScenario25LateSettles(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verb    func(queue.Delivery) queue.Action
		attempt int // of the next hand-out; 0 = none comes
	}{
		{"ack", ack, 0}, {"nack", nackNow, 2}, {"release", verb(queue.Release), 1}, {"extend", verb(queue.Extend), 0}, {"nothing", nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.numbers(1, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
				ds := h.lease("g", 1, 0)
				time.Sleep(6 * time.Second)
				if tt.verb != nil {
					h.must("g", tt.verb, ds...)
				}
				next := h.lease("g", 1, 0)
				if tt.attempt == 0 && len(next) != 0 || tt.attempt != 0 && (len(next) != 1 || next[0].Attempt != tt.attempt) {
					h.t.Fatalf("next %+v, want attempt %d", next, tt.attempt)
				}
				if len(next) == 1 {
					h.refused(queue.ErrLeaseLost, "g", ack, ds...)
					h.must("g", ack, next...)
				}
			})
		})
	}
	t.Run("strict", func(t *testing.T) {
		inBubble(t, func(h *house) {
			h.numbers(1, func(c *queue.GroupConfig) { c.Lease, c.StrictLeases = 5*time.Second, true })
			ds := h.lease("g", 1, 0)
			time.Sleep(6 * time.Second)
			h.refused(queue.ErrLeaseLost, "g", ack, ds...)
		})
	})
}

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
