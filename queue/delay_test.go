package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
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
