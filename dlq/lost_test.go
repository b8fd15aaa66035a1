package dlq_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// damage makes the records of a topic's partition at some offset unreadable, in a broker without a cache; no letter lies there.
func (h *house) damage(op string, damaged store.Offset) {
	h.st.SetFaults(memory.Faults{Read: func(o string, _ store.LogID, at store.Offset) error {
		if o == op && at == damaged {
			return store.ErrCorrupt
		}
		return nil
	}})
}

// dieDamaged rejects the record at offset 3, whose key is k, while something of it is damaged, and returns its letter's id, which comes after a minute.
func (h *house) dieDamaged(op string) string {
	h.t.Helper()
	h.topic("t", 1)
	h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering, c.OnDead = catalog.OrderingKey, catalog.OnDeadHold })
	for _, v := range []string{"a:0", "b:1", "c:2", "k:3", "k:4"} {
		h.publish("t", v)
	}
	h.uncached()
	ds := h.lease("g", 5, 0)
	h.settle("g", ack, ds[:3]...)
	h.damage(op, 3)
	h.settle("g", reject("bad"), ds[3])
	time.Sleep(30 * time.Second)
	if got := h.totals("g"); got.DeadLetters != 0 {
		h.t.Fatalf("given up at once: %+v", got)
	}
	time.Sleep(32 * time.Second)
	page := h.list("g", letter.Filter{State: letter.Open})
	if len(page.Items) != 1 {
		h.t.Fatalf("%d letters", len(page.Items))
	}
	return page.Items[0].ID
}

func (h *house) uncached() {
	h.t.Helper()
	h.dlq.Close()
	h.ok(h.Close())
	h.st = h.st.Crash()
	b, err := queue.Open(h.ctx(), h.st, queue.Config{CacheBytes: 1})
	h.ok(err)
	h.Broker, h.dlq = b, dlq.New(b, nil)
}

func TestDamagedRecordIsBuriedWithoutIt(t *testing.T) {
	inBubble(t, func(h *house) {
		id := h.dieDamaged("read")
		d, err := h.dlq.Get(h.ctx(), "g", id)
		h.ok(err)
		if d.Error != letter.Damaged || d.Fingerprint != letter.Fingerprint("", "", letter.Damaged) || d.Reason != letter.Rejected || d.Offset != 3 || d.Key != nil || d.Value != nil {
			t.Errorf("the letter %+v", d.Letter)
		}
		if len(d.History) != 1 || d.History[0].Error.Message != "bad" {
			t.Errorf("its history %+v", d.History)
		}
		_, err = h.Reset(h.ctx(), "g", queue.ResetRequest{To: queue.Position{Latest: true}})
		h.ok(err)
		h.publish("t", "k:5")
		if ds := h.lease("g", 1, 0); len(ds) != 0 {
			t.Errorf("the letter does not hold its key: %q", ds[0].Record.Value)
		}
		n, err := h.dlq.Purge(h.ctx(), "g", dlq.Choice{IDs: []string{id}})
		h.ok(err)
		if ds := h.lease("g", 1, 0); n != 1 || len(ds) != 1 {
			t.Errorf("%d purged, then %d records of the key", n, len(ds))
		}
	})
}

func TestLetterWithoutItsRecordIsDeliveredFromItsPlaceOrEdited(t *testing.T) {
	inBubble(t, func(h *house) {
		id := h.dieDamaged("read")
		headers := []record.Header{{Name: "x", Value: []byte("1")}}
		for _, e := range []dlq.Edit{{ToTopic: true}, {SetHeaders: true, Headers: headers}} {
			if _, err := h.dlq.Redrive(h.ctx(), "g", id, e); !errors.Is(err, queue.ErrInvalidRequest) {
				t.Errorf("redrive %+v: %v", e, err)
			}
		}
		j, err := h.dlq.Start(h.ctx(), "g", dlq.Choice{IDs: []string{id}}, dlq.Plan{ToTopic: true})
		h.ok(err)
		time.Sleep(time.Second)
		if j, err = h.dlq.Job(h.ctx(), j.ID, 0); err != nil || j.Skipped != 1 || j.Redriven != 0 {
			t.Errorf("a job to the topic: %+v, %v", j, err)
		}

		_, err = h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{})
		h.ok(err)
		for range 5 { // still damaged: it runs out each time, and dies again
			if ds := h.lease("g", 1, 0); len(ds) != 0 {
				t.Fatalf("got %+v", ds[0].Record)
			}
			time.Sleep(31 * time.Second)
		}
		time.Sleep(62 * time.Second)
		if d, err := h.dlq.Get(h.ctx(), "g", id); err != nil || d.State != letter.Open || d.Redrives != 1 || d.Error != letter.Damaged {
			t.Fatalf("redriven while it is damaged: %+v, %v", d.Letter, err)
		}

		h.st.SetFaults(memory.Faults{})
		_, err = h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{})
		h.ok(err)
		ds := h.lease("g", 1, 0)
		if len(ds) != 1 || string(ds[0].Record.Key) != "k" || string(ds[0].Record.Value) != "k:3" || ds[0].Record.Offset != 3 {
			t.Fatalf("once it can be read again: %+v", ds)
		}
		h.settle("g", reject("again"), ds...)
		if d, err := h.dlq.Get(h.ctx(), "g", id); err != nil || string(d.Value) != "k:3" || d.Error != "again" {
			t.Errorf("its letter then %+v, %v", d.Letter, err)
		}
	})
	inBubble(t, func(h *house) {
		id := h.dieDamaged("read")
		_, err := h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{SetValue: true, Value: []byte("made anew")})
		h.ok(err)
		if ds := h.lease("g", 1, 0); len(ds) != 1 || string(ds[0].Record.Value) != "made anew" {
			t.Errorf("edited: %+v", ds)
		}
	})
}

func TestDamagedHistoryIsLeftOutOfTheLetter(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxAttempts = 2 })
		h.publish("t", "k:0")
		h.settle("g", reject("x"), h.lease("g", 1, 0)...)
		h.publish("t", "k:1")
		h.settle("g", queue.Action{Verb: queue.Nack, Error: &queue.WorkerError{Message: "no"}}, h.lease("g", 1, 0)...)
		time.Sleep(2 * time.Second)
		h.lease("g", 1, 0)
		h.uncached()
		h.damage("note", 1)
		time.Sleep(2 * time.Minute)
		page := h.list("g", letter.Filter{State: letter.Open})
		if len(page.Items) != 2 || string(page.Items[1].Value) != "k:1" || page.Items[1].Error != "the record's history is damaged: what its workers said could not be read" {
			t.Fatalf("letters %+v", page.Items)
		}
	})
}

// A letter that is damaged itself is listed as such, among the others, which are as ever.
func TestDamagedLetterTakesNoOtherAlong(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		for _, v := range []string{"a:0", "b:1", "c:2", "k:3", "l:4", "m:5"} {
			h.publish("t", v)
		}
		ds := h.lease("g", 6, 0)
		h.settle("g", ack, ds[:3]...)
		for _, d := range ds[3:] {
			h.settle("g", reject("bad"), d)
		}
		h.uncached()
		h.st.SetFaults(memory.Faults{Damaged: func(_ store.LogID, base store.Offset) bool { return base == 1 }}) // of the topic that is acked

		for _, f := range []letter.Filter{{State: letter.Open}, {State: letter.Open, Topic: "t"}} {
			page := h.list("g", f)
			if len(page.Items) != 3 || page.Total != 3 {
				t.Fatalf("%d of %d letters", len(page.Items), page.Total)
			}
			for i, want := range []string{"k:3", "", "m:5"} {
				l := page.Items[i]
				if string(l.Value) != want || l.Offset != store.Offset(i+3) || l.Topic != "t" || l.Damaged != (want == "") {
					t.Errorf("letter %d: %+v", i, l)
				}
			}
			if l := page.Items[1]; l.Error != letter.Unreadable || l.Key != nil {
				t.Errorf("the damaged one: %+v", l)
			}
		}
		id := h.list("g", letter.Filter{State: letter.Open, Error: "letter is damaged"}).Items[0].ID
		if buckets, total, err := h.dlq.Summary(h.ctx(), "g", letter.Filter{State: letter.Open}, letter.ByError, 0); err != nil || total != 2 || len(buckets) != 2 {
			t.Errorf("summary of %d: %+v, %v", total, buckets, err)
		}
		var exported []string
		h.ok(h.dlq.Export(h.ctx(), "g", letter.Filter{State: letter.Open}, func(d *dlq.Detail) error {
			exported = append(exported, string(d.Value))
			return nil
		}))
		if len(exported) != 3 || exported[1] != "" || exported[2] != "m:5" {
			t.Errorf("exported %q", exported)
		}
		if d, err := h.dlq.Get(h.ctx(), "g", id); err != nil || !d.Damaged {
			t.Errorf("got %+v, %v", d, err)
		}

		if _, err := h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{ToTopic: true}); !errors.Is(err, queue.ErrInvalidRequest) {
			t.Errorf("redriven to the topic: %v", err)
		}
		_, err := h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{})
		h.ok(err)
		ds = h.lease("g", 1, 0)
		if len(ds) != 1 || string(ds[0].Record.Value) != "l:4" {
			t.Fatalf("redriven to the group it is read at its own place: %+v", ds)
		}
		h.settle("g", reject("again"), ds...)
		if d, err := h.dlq.Get(h.ctx(), "g", id); err != nil || string(d.Value) != "l:4" || d.Damaged || d.Redrives != 1 {
			t.Errorf("died again: %+v, %v", d, err)
		}
	})
}

// Jobs and purges go past a letter that is damaged itself.
func TestDamagedLetterStopsNoJob(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		for _, v := range []string{"a:0", "b:1", "c:2"} {
			h.publish("t", v)
		}
		for _, d := range h.lease("g", 3, 0) {
			h.settle("g", reject("bad"), d)
		}
		h.uncached()
		h.st.SetFaults(memory.Faults{Damaged: func(_ store.LogID, base store.Offset) bool { return base == 1 }})
		j, err := h.dlq.Start(h.ctx(), "g", dlq.Choice{All: true}, dlq.Plan{ToTopic: true})
		h.ok(err)
		time.Sleep(time.Second)
		if j, err = h.dlq.Job(h.ctx(), j.ID, 0); err != nil || j.State != redrive.Done || j.Skipped != 1 || j.Redriven != 2 {
			t.Errorf("a job to the topic: %+v, %v", j, err)
		}
		if n, err := h.dlq.Purge(h.ctx(), "g", dlq.Choice{Filter: letter.Filter{State: letter.Open, Error: "damaged"}}); err != nil || n != 1 {
			t.Errorf("%d purged, %v", n, err)
		}
	})
}
