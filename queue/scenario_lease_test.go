package queue_test

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
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
	got.OldestUnsettled, got.OldestAvailable, want.Topic = time.Time{}, time.Time{}, got.Topic
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
