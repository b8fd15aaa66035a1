package queue_test

import (
	"testing"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

func TestDamagedRecordIsListedWithItsNeighbours(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		for _, v := range []string{"failed", "damaged", "whole"} {
			h.publishMsgs("t", queue.Message{Key: []byte(v), Value: []byte(v)})
		}
		h.must("g", nack, h.lease("g", 1, 0)...)
		time.Sleep(2 * time.Second)
		h.lease("g", 3, 0)
		h.uncached()
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "read" && at < 2 {
				return store.ErrCorrupt
			}
			return nil
		}})
		got, _, err := h.GroupRecords(h.t.Context(), "g", queue.Leased, queue.GroupPlace{}, 10)
		if err != nil || len(got) != 3 {
			t.Fatalf("%d records, %v", len(got), err)
		}
		for i, want := range []struct{ key, error string }{{"", "no"}, {"", letter.Damaged}, {"whole", ""}} {
			if string(got[i].Key) != want.key || got[i].Error != want.error || got[i].Member != "w" {
				t.Errorf("record %d is %+v, want %+v", i, got[i], want)
			}
		}
		one, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 1})
		if err != nil || one.Why.Code != "lease" || one.Error != letter.Damaged {
			t.Errorf("the damaged one: %+v, %v", one, err)
		}
		h.st.SetFaults(memory.Faults{Read: func(op string, _ store.LogID, at store.Offset) error {
			if op == "note" {
				return store.ErrCorrupt
			}
			return nil
		}})
		if got, _, err := h.GroupRecords(h.t.Context(), "g", queue.Leased, queue.GroupPlace{}, 10); err != nil || len(got) != 3 || string(got[0].Key) != "failed" || got[0].Error != "" {
			t.Errorf("with a damaged history: %+v, %v", got, err)
		}
	})
}

func TestWhyNamesTheLetterThatHoldsTheKey(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering, c.OnDead = catalog.OrderingKey, catalog.OnDeadHold })
		for range 2 {
			h.publishMsgs("t", queue.Message{Key: []byte("k"), Value: []byte("v")})
		}
		ds := h.lease("g", 2, 0)
		why := func() share.Why {
			t.Helper()
			d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 1})
			if err != nil {
				t.Fatal(err)
			}
			return d.Why
		}
		if got := why(); got.Code != "key" || got.Behind != 0 || got.Detail != "the record at offset 0 of the same key is not finished" {
			t.Errorf("behind a lease: %+v", got)
		}
		h.must("g", reject, ds...)
		g, err := h.ShareGroup("g")
		if err != nil {
			t.Fatal(err)
		}
		ids, err := g.LetterIDs(h.t.Context(), letter.Filter{State: letter.Open}, 0)
		if err != nil || len(ids) != 1 {
			t.Fatal(ids, err)
		}
		if got := why(); got.Code != "key" || got.Behind != 0 || got.Detail != "the record at offset 0 of the same key is dead letter "+ids[0].String()+" and holds the key: redrive or purge it" {
			t.Errorf("behind a dead letter: %+v", got)
		}
	})
}

// The record in flight is not among those of its key that are looked at.
func TestWhyDoesNotNameARecordThatIsNotFound(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.KeyConcurrency = 2 })
		msgs := make([]queue.Message, 1200)
		for i := range msgs {
			msgs[i] = queue.Message{Key: []byte("k"), Value: []byte("v")}
		}
		h.publishMsgs("t", msgs...)
		hour := time.Hour
		for range 1100 {
			h.must("g", func(d queue.Delivery) queue.Action { a := nack(d); a.Delay = &hour; return a }, h.lease("g", 1, time.Second)...)
		}
		ds := h.lease("g", 2, 0)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.KeyConcurrency = 1 })
		h.must("g", ack, ds[1])
		d, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 1150})
		if err != nil || d.Why.Code != "key" || d.Why.Behind != -1 || d.Why.Detail != "another record of the same key is in flight" {
			t.Errorf("%+v, %v", d.Why, err)
		}
	})
}
