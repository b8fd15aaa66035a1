package queue_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

func (h *house) publishMsgs(topic string, msgs ...queue.Message) []queue.Place {
	h.t.Helper()
	places, _, err := h.Publish(h.t.Context(), topic, msgs, 0)
	if err != nil {
		h.t.Fatalf("publish to %s: %v", topic, err)
	}
	return places
}

func TestScenario47DelayNeverEarlyListCancelRestart(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		began := time.Now()
		places := h.publishMsgs("t",
			queue.Message{Value: []byte("soon"), Delay: 1500 * time.Millisecond},
			queue.Message{Value: []byte("now")},
			queue.Message{Value: []byte("later"), Delay: time.Hour, ID: "late", Key: []byte("k")},
			queue.Message{Value: []byte("never"), DeliverAt: began.Add(2 * time.Hour)},
			queue.Message{Value: []byte("past"), DeliverAt: began.Add(-time.Hour)},
		)
		for i, scheduled := range []bool{true, false, true, true, false} {
			if (places[i].Scheduled != "") != scheduled {
				h.t.Fatalf("place %d: %+v", i, places[i])
			}
		}
		if got := h.totals("g"); got.Lag != 2 {
			h.t.Fatalf("totals %+v", got)
		}
		list, next, err := h.Scheduled(h.t.Context(), "t", "", 2)
		if err != nil || len(list) != 2 || next == "" || string(list[0].Record.Value) != "soon" {
			h.t.Fatalf("list %+v, %q, %v", list, next, err)
		}
		h.lease("g", 2, 0)
		ds := h.lease("g", 1, time.Minute)
		if len(ds) != 1 || string(ds[0].Record.Value) != "soon" || time.Since(began) != 1500*time.Millisecond {
			h.t.Fatalf("%v after %v", values(ds), time.Since(began))
		}
		if again := h.publishMsgs("t", queue.Message{ID: "late"})[0]; !again.Duplicate || again.Scheduled != places[2].Scheduled {
			h.t.Fatalf("the id of a delayed record: %+v", again)
		}
		h.restart()
		if err := h.CancelScheduled(h.t.Context(), "t", places[3].Scheduled); err != nil {
			h.t.Fatal(err)
		}
		if err := h.CancelScheduled(h.t.Context(), "t", places[3].Scheduled); !errors.Is(err, queue.ErrRecordNotFound) {
			h.t.Fatalf("cancel twice: %v", err)
		}
		h.restart()
		time.Sleep(time.Hour - time.Since(began) - time.Millisecond)
		if list, _, _ := h.Scheduled(h.t.Context(), "t", "", 10); len(list) != 1 || string(list[0].Record.Key) != "k" {
			h.t.Fatalf("a millisecond before: %+v", list)
		}
		time.Sleep(time.Second)
		if list, _, _ := h.Scheduled(h.t.Context(), "t", "", 10); len(list) != 0 {
			h.t.Fatalf("after: %+v", list)
		}
		if again := h.publishMsgs("t", queue.Message{ID: "late"})[0]; !again.Duplicate || again.Scheduled != "" {
			h.t.Fatalf("the id after the append: %+v", again)
		}
		h.restart()
		if got := fmt.Sprint(len(h.all("t"))); got != "4" {
			h.t.Fatalf("%s records stored: %v", got, h.all("t"))
		}
	})
}

func TestManyDelayedRecordsFireOnceInOrderOfTime(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		const n = 3000
		for i := range n / 100 {
			msgs := make([]queue.Message, 100)
			for j := range msgs {
				msgs[j] = queue.Message{Value: fmt.Append(nil, n-(i*100+j)), Delay: time.Duration(n-(i*100+j)) * 10 * time.Millisecond}
			}
			h.publishMsgs("t", msgs...)
			if i == 20 {
				h.restart()
			}
		}
		time.Sleep(5 * time.Second)
		h.restart()
		time.Sleep(time.Minute)
		got := h.all("t")
		for len(got) < n {
			res, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "t", From: queue.Position{Offset: queue.Offset(len(got))}})
			if err != nil || len(res.Records) == 0 {
				h.t.Fatalf("%d of %d records: %v", len(got), n, err)
			}
			for _, r := range res.Records {
				got = append(got, string(r.Value))
			}
		}
		seen := map[string]bool{}
		for _, v := range got {
			if seen[v] {
				h.t.Fatalf("%s came twice", v)
			}
			seen[v] = true
		}
	})
}

func TestRunScheduledAppendsOnceWhateverComesBetween(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		began := time.Now()
		places := h.publishMsgs("t",
			queue.Message{Value: []byte("first"), Delay: time.Hour, ID: "own", Partition: new(1), TTL: time.Hour},
			queue.Message{Value: []byte("second"), Delay: time.Hour},
			queue.Message{Value: []byte("third"), Delay: time.Minute},
		)
		run := func(id string) (queue.Place, error) { return h.RunScheduled(h.t.Context(), "t", id) }
		at, err := run("own")
		if err != nil || at.Scheduled != "" || at.Partition != 1 || !at.Timestamp.Equal(began) {
			h.t.Fatalf("run by its own id: %+v, %v", at, err)
		}
		for _, id := range []string{"own", places[0].Scheduled, "s-99", ""} {
			if _, err := run(id); !errors.Is(err, queue.ErrRecordNotFound) {
				h.t.Fatalf("run %q again: %v", id, err)
			}
		}
		if err := h.CancelScheduled(h.t.Context(), "t", places[0].Scheduled); !errors.Is(err, queue.ErrRecordNotFound) {
			h.t.Fatalf("cancelled after it ran: %v", err)
		}
		if again := h.publishMsgs("t", queue.Message{ID: "own"})[0]; !again.Duplicate || again.Offset != at.Offset || again.Partition != 1 {
			h.t.Fatalf("its id after the append: %+v", again)
		}
		h.restart()
		if _, err := run(places[1].Scheduled); err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.RunScheduled(h.t.Context(), "none", "s-0"); !errors.Is(err, queue.ErrTopicNotFound) {
			h.t.Fatalf("of no topic: %v", err)
		}
		h.restart()
		time.Sleep(2 * time.Hour) // all of them would be due
		if list, _, _ := h.Scheduled(h.t.Context(), "t", "", 10); len(list) != 0 || len(h.all("t")) != 3 {
			h.t.Fatalf("%d scheduled, stored %v", len(list), h.all("t"))
		}
	})
}

// Runs, cancellations and the firing itself want the same records in the same moment: each is appended once or cancelled once.
func TestRunScheduledRacesWithCancelAndFiring(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		const n = 60
		msgs := make([]queue.Message, n)
		for i := range msgs {
			msgs[i] = queue.Message{Value: fmt.Append(nil, i), Delay: time.Second}
		}
		places := h.publishMsgs("t", msgs...)
		var ran, cancelled atomic.Int64
		var all sync.WaitGroup
		for i, p := range places {
			for kind := range 3 {
				all.Go(func() {
					time.Sleep(time.Second - time.Millisecond*time.Duration(i%2))
					err := error(nil)
					count := &ran
					if kind == 0 {
						count, err = &cancelled, h.CancelScheduled(h.t.Context(), "t", p.Scheduled)
					} else {
						_, err = h.RunScheduled(h.t.Context(), "t", p.Scheduled)
					}
					if err == nil {
						count.Add(1)
					} else if !errors.Is(err, queue.ErrRecordNotFound) {
						h.t.Errorf("%s: %v", p.Scheduled, err)
					}
				})
			}
		}
		all.Wait()
		time.Sleep(time.Minute)
		stored, seen := h.all("t"), map[string]bool{}
		for _, v := range stored {
			if seen[v] {
				h.t.Errorf("%s is stored twice", v)
			}
			seen[v] = true
		}
		if len(stored)+int(cancelled.Load()) != n || int(ran.Load()) > len(stored) {
			h.t.Errorf("%d stored, %d cancelled, %d ran of %d", len(stored), cancelled.Load(), ran.Load(), n)
		}
		before := len(stored)
		h.restart()
		if time.Sleep(time.Minute); len(h.all("t")) != before {
			h.t.Errorf("%d stored after a restart, %d before", len(h.all("t")), before)
		}
	})
}

// A record that is due much later holds the disk of none that came after it.
func TestFarDelayedRecordHoldsNoOthersDisk(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age, c.Retention.KeepUnsettled = time.Minute, false })
		h.publishMsgs("t", queue.Message{Value: []byte("renewal"), Delay: 60 * time.Hour})
		big := make([]byte, 256<<10)
		for range 40 {
			h.publishMsgs("t", queue.Message{Value: big, Delay: time.Second})
			time.Sleep(2 * time.Second)
		}
		h.publishMsgs("t", queue.Message{Value: []byte("cancelled"), ID: "c", Delay: 59 * time.Hour})
		h.publishMsgs("t", queue.Message{Value: []byte("audit"), Delay: 50 * time.Hour})
		if err := h.CancelScheduled(h.t.Context(), "t", "c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := h.st.Health().Used; got > int64(len(big)) {
			t.Errorf("the store uses %d bytes for two records that wait", got)
		}
		if got := h.bounds("t"); got != "40-40" {
			t.Errorf("the topic is %s", got)
		}
		h.restart()
		if got, _, err := h.Scheduled(h.t.Context(), "t", "", 10); err != nil || len(got) != 2 || string(got[0].Record.Value) != "renewal" || string(got[1].Record.Value) != "audit" {
			t.Fatalf("scheduled after a restart: %+v, %v", got, err)
		}
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age = 24 * time.Hour })
		h.group("g", []string{"t"}, nil)
		time.Sleep(61 * time.Hour)
		if got := values(h.lease("g", 10, 0)); len(got) != 2 || got[0] != "audit" || got[1] != "renewal" {
			t.Errorf("delivered %q", got)
		}
	})
}

// The store fails at each of its commits in turn while delayed records are appended, cancelled and taken out of their log: after the restart none is lost, and none comes twice.
func TestCrashWhileDelayedRecordsAreTakenOut(t *testing.T) {
	for call := uint64(1); ; call++ {
		reached := false
		inBubble(t, func(h *house) {
			h.topic("t", 1)
			first := uint64(0)
			h.st.SetFaults(memory.Faults{Commit: func(n uint64) memory.Fate {
				if first == 0 {
					first = n
				}
				if n != first+call {
					return memory.Fate{}
				}
				reached = true
				return memory.Fate{Outcome: memory.UnknownSome, Kill: true}
			}})
			publish := func(value string, delay time.Duration) bool {
				_, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{Value: []byte(value), ID: value, Delay: delay}}, 0)
				return err == nil
			}
			publish("before all", time.Second)
			want, maybe := map[string]bool{}, map[string]bool{}
			for i := range 12 {
				v, delay := fmt.Sprint(i), 5*time.Second
				if i%6 == 1 {
					delay = time.Hour
				}
				if publish(v, delay) {
					want[v] = true
				}
			}
			if err := h.CancelScheduled(h.t.Context(), "t", "7"); err == nil {
				delete(want, "7")
			} else {
				maybe["7"] = true
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			_ = h.Close() // it may have failed
			h.st = h.st.Crash()
			h.st.SetFaults(memory.Faults{})
			h.open()
			time.Sleep(2 * time.Hour)
			seen := map[string]int{}
			for _, v := range h.all("t") {
				seen[v]++
			}
			for v, n := range seen {
				if n > 1 {
					t.Errorf("commit %d: %s came %d times", call, v, n)
				}
			}
			for v := range want {
				if seen[v] != 1 && !maybe[v] {
					t.Errorf("commit %d: %s is lost: %v", call, v, seen)
				}
			}
			if !maybe["7"] && want["1"] && seen["7"] > 0 {
				t.Errorf("commit %d: the cancelled record came", call)
			}
		})
		if !reached {
			if call < 15 {
				t.Errorf("only %d commits", call)
			}
			return
		}
	}
}
