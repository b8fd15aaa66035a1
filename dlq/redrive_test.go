package dlq_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
)

// first returns the id of the group's nth open letter.
func (h *house) nth(group string, n int) string {
	h.t.Helper()
	return h.list(group, letter.Filter{State: letter.Open}).Items[n].ID
}

func (h *house) redrive(group, id string, e dlq.Edit) dlq.Redriven {
	h.t.Helper()
	r, err := h.dlq.Redrive(h.ctx(), group, id, e)
	h.ok(err)
	return r
}

// TestScenario68RedriveToTheGroupIsSeenByItAlone follows one letter through its lives.
func TestScenario68RedriveToTheGroupIsSeenByItAlone(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.MaxAttempts = 2 })
		h.group("other", []string{"jobs"}, nil)
		h.publish("jobs", "k:a", "b")
		ds := h.lease("g", 2, 0)
		h.settle("other", ack, h.lease("other", 2, 0)...)
		h.settle("g", reject("no"), ds[0])
		h.settle("g", ack, ds[1])
		id := h.nth("g", 0)

		r := h.redrive("g", id, dlq.Edit{})
		h.same("redriven", r, dlq.Redriven{ID: id, Redrives: 1, Topic: "jobs"})
		h.same("totals", h.totals("g"), queue.GroupTotals{Lag: 1, Available: 1})
		info, err := h.Group(h.ctx(), "g")
		h.ok(err)
		h.same("start offset", info.Partitions[0].Start, 2)
		h.same("open", h.letters("g", letter.Open), []string{})
		h.same("redriven", h.letters("g", letter.Redriven), []string{"k:a"})
		if _, err := h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{}); !errors.Is(err, dlq.ErrLetterNotFound) {
			t.Errorf("a second time: %v", err)
		}
		if err := h.trySettle("g", ack, ds[0]); !errors.Is(err, queue.ErrLeaseLost) {
			t.Errorf("the receipt of before: %v", err)
		}
		h.restart()
		h.publish("jobs", "c")
		again := h.lease("g", 2, 0)
		h.same("leased", values(again), []string{"k:a", "c"})
		d := again[0]
		h.same("delivery", []any{d.Topic, d.Partition, d.Record.Offset, d.Attempt, d.Deliveries, string(d.Record.Key)}, []any{"jobs", 0, 0, 1, 2, "k"})
		if !d.Record.Timestamp.Equal(ds[0].Record.Timestamp) || len(d.Record.Headers) != 0 {
			t.Errorf("redelivered as %+v, was %+v", d.Record, ds[0].Record)
		}
		h.same("others", len(h.lease("other", 9, 0)), 1)
		h.settle("g", reject("no again"), d)
		h.same("reopened", h.nth("g", 0), id)
		l := h.list("g", letter.Filter{State: letter.Open}).Items[0]
		h.same("redrives", []any{l.Redrives, l.Error}, []any{1, "no again"})
		diedAgain := func(f letter.Filter) int {
			sum, _, err := h.dlq.Summary(h.ctx(), "g", f, letter.ByError, 0)
			h.ok(err)
			return sum[0].Again
		}
		h.same("died again", diedAgain(letter.Filter{State: letter.Open}), 1)
		h.redrive("g", id, dlq.Edit{})
		h.settle("g", ack, h.lease("g", 1, 0)...)
		h.same("succeeded", diedAgain(letter.Filter{State: letter.Redriven}), 0)
		h.same("totals", h.totals("g"), queue.GroupTotals{Lag: 1, Leased: 1})
		h.restart()
		h.same("after all", h.letters("g", letter.Redriven), []string{"k:a"})
		h.same("left", len(h.lease("g", 9, 0)), 0)
	})
}

func TestScenario68RedriveToTheTopicIsSeenByAll(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.group("other", []string{"jobs"}, nil)
		h.publish("jobs", "a")
		h.settle("g", reject("no"), h.lease("g", 1, 0)...)
		h.settle("other", ack, h.lease("other", 1, 0)...)
		r := h.redrive("g", h.nth("g", 0), dlq.Edit{ToTopic: true})
		h.same("place", []any{r.Topic, r.Partition, r.Offset}, []any{"jobs", 0, 1})
		h.restart()
		h.same("letters", h.totals("g").DeadLetters, 0)
		for _, g := range []string{"g", "other"} {
			ds := h.lease(g, 9, 0)
			h.same(g, values(ds), []string{"a"})
			h.same("offset", ds[0].Record.Offset, 1)
		}
	})
}

// TestScenario70EditAndRedrive changes what is delivered, and it is that which dies again.
func TestScenario70EditAndRedrive(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		_, _, err := h.Publish(h.ctx(), "jobs", []queue.Message{{Key: []byte("k"), Value: []byte("bad"), Headers: []record.Header{{Name: "trace", Value: []byte("1")}}}}, 0)
		h.ok(err)
		h.settle("g", reject("no"), h.lease("g", 1, 0)...)
		id := h.nth("g", 0)
		if _, err := h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{SetValue: true, Value: make([]byte, 2<<20)}); !errors.Is(err, queue.ErrRecordTooLarge) {
			t.Errorf("too large: %v", err)
		}
		for i, value := range []string{"better", "best"} {
			h.redrive("g", id, dlq.Edit{SetValue: true, Value: []byte(value), Delay: 30 * time.Second})
			h.same("waits", h.totals("g"), queue.GroupTotals{Lag: 1, Deferred: 1})
			h.restart()
			began := time.Now()
			ds := h.lease("g", 1, time.Minute)
			h.same("value", values(ds), []string{value})
			h.same("key and headers", fmt.Sprintf("%s %s", ds[0].Record.Key, ds[0].Record.Headers), "k [{trace 1}]")
			if time.Since(began) < 29*time.Second {
				t.Errorf("it came after %v", time.Since(began))
			}
			h.settle("g", reject("no"), ds...)
			l := h.list("g", letter.Filter{State: letter.Open}).Items[0]
			h.same("letter", []any{l.ID, string(l.Value), l.Redrives}, []any{id, value, i + 1})
		}
		h.redrive("g", id, dlq.Edit{SetHeaders: true}) // as it died, without headers
		ds := h.lease("g", 1, 0)
		h.same("without headers", fmt.Sprintf("%s %s", ds[0].Record.Value, ds[0].Record.Headers), "best []")
		h.settle("g", reject("no"), ds...)
		h.redrive("g", id, dlq.Edit{SetValue: true}) // a tombstone
		if v := h.lease("g", 1, 0)[0].Record.Value; v != nil {
			t.Errorf("the tombstone has value %q", v)
		}
		res, err := h.Read(h.ctx(), queue.ReadRequest{Topic: "jobs"})
		h.ok(err)
		h.same("the record itself", string(res.Records[0].Value), "bad")
	})
}

// TestScenario43HeldKeys frees a key by a purge, by a redrive that succeeds, and by one to the topic.
func TestScenario43HeldKeys(t *testing.T) {
	for name, free := range map[string]func(h *house, id string){
		"purge": func(h *house, id string) { h.ok(h.dlq.PurgeOne(h.ctx(), "g", id)) },
		"redrive": func(h *house, id string) {
			h.redrive("g", id, dlq.Edit{})
			ds := h.lease("g", 9, 0)
			h.same("only the redriven one", values(ds), []string{"k:1"})
			h.restart()
			h.same("still held", len(h.lease("g", 9, 0)), 0)
			h.settle("g", ack, ds...)
		},
		"topic": func(h *house, id string) { h.redrive("g", id, dlq.Edit{ToTopic: true}) },
		"force": func(h *house, _ string) { h.ok(h.DeleteTopic(h.ctx(), "g.dlq", true, queue.Condition{})) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.topic("jobs", 1)
				h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.Ordering, c.OnDead = catalog.OrderingKey, catalog.OnDeadHold })
				h.publish("jobs", "k:1", "k:2", "j:1")
				ds := h.lease("g", 9, 0)
				h.same("first", values(ds), []string{"k:1", "j:1"})
				h.settle("g", reject("no"), ds[0])
				h.restart()
				h.same("held", len(h.lease("g", 9, 0)), 0)
				free(h, h.nth("g", 0))
				got := values(h.lease("g", 9, 0))
				h.same("free", got[0], "k:2")
			})
		})
	}
}

// TestScenario72Purge purges one, some, all; and what is redriven is not purged.
func TestScenario72Purge(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", "a", "b", "c", "d")
		if _, err := h.dlq.Purge(h.ctx(), "g", dlq.Choice{Filter: letter.Filter{State: letter.Open}}); !errors.Is(err, queue.ErrInvalidRequest) {
			t.Errorf("without a choice: %v", err)
		}
		a, b := h.nth("g", 0), h.nth("g", 1)
		h.ok(h.dlq.PurgeOne(h.ctx(), "g", a))
		if err := h.dlq.PurgeOne(h.ctx(), "g", a); !errors.Is(err, dlq.ErrLetterNotFound) {
			t.Errorf("purged twice: %v", err)
		}
		h.redrive("g", b, dlq.Edit{})
		n, err := h.dlq.Purge(h.ctx(), "g", dlq.Choice{IDs: []string{a, b, "1-1", h.nth("g", 0)}, Filter: letter.Filter{State: letter.Open}})
		h.ok(err)
		h.same("purged", n, 1)
		n, err = h.dlq.Purge(h.ctx(), "g", dlq.Choice{All: true, Filter: letter.Filter{State: letter.Open}})
		h.ok(err)
		h.same("purged", n, 1)
		h.restart()
		h.same("purged", h.letters("g", letter.Purged), []string{"a", "c", "d"})
		h.same("redriven", h.letters("g", letter.Redriven), []string{"b"})
		h.same("comes", values(h.lease("g", 9, 0)), []string{"b"})
	})
}

// TestResetClosesRedrivenRecords goes back behind a redriven record, and behind nothing.
func TestResetClosesRedrivenRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", "a", "b", "c")
		h.redrive("g", h.nth("g", 0), dlq.Edit{})
		h.redrive("g", h.nth("g", 0), dlq.Edit{SetValue: true, Value: []byte("edited")})
		lost := h.lease("g", 1, 0)
		_, err := h.Reset(h.ctx(), "g", queue.ResetRequest{To: queue.Position{Offset: 1}})
		h.ok(err)
		if err := h.trySettle("g", ack, lost...); !errors.Is(err, queue.ErrLeaseLost) {
			t.Errorf("a lease of before: %v", err)
		}
		h.restart()
		h.same("open", h.letters("g", letter.Open), []string{})
		h.same("redriven", h.letters("g", letter.Redriven), []string{"a"})
		h.same("totals", h.totals("g"), queue.GroupTotals{Lag: 3, Available: 3})
		ds := h.lease("g", 9, 0)
		h.same("come", values(ds), []string{"a", "b", "c"})
		h.settle("g", ack, ds...)
		h.same("totals", h.totals("g"), queue.GroupTotals{})
	})
}

// TestRedrivenRecordsOutliveTheirLog lets retention take the record, but not its letter as long as it is needed.
func TestRedrivenRecordsOutliveTheirLog(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.MaxAttempts = 2 })
		h.kill("jobs", "g", "a", "b")
		week := 8 * 24 * time.Hour
		time.Sleep(week)
		h.same("open", h.letters("g", letter.Open), []string{"a", "b"})
		start := func(topic string) queue.Offset {
			info, err := h.Topic(h.ctx(), topic)
			h.ok(err)
			return info.Partitions[0].Start
		}
		h.same("the topic begins", start("jobs"), 2)
		h.same("the letters begin", start("g.dlq"), 0)
		h.redrive("g", h.nth("g", 0), dlq.Edit{})
		time.Sleep(week)
		ds := h.lease("g", 1, 0)
		h.same("comes", values(ds), []string{"a"})
		h.settle("g", queue.Action{Verb: queue.Nack, Error: &queue.WorkerError{Message: "again"}}, ds...)
		h.restart()
		ds = h.lease("g", 1, time.Minute)
		h.same("comes", []any{values(ds), ds[0].Attempt}, []any{[]string{"a"}, 2})
		rec, err := h.GroupRecord(h.ctx(), "g", queue.GroupPlace{Topic: "jobs", Offset: 0})
		h.ok(err)
		h.same("shown as", []any{rec.State, rec.Why.Code}, []any{queue.Leased, "lease"})
		entries, _, err := h.GroupRecords(h.ctx(), "g", queue.Leased, queue.GroupPlace{}, 10)
		h.ok(err)
		h.same("listed", len(entries), 1)
		h.settle("g", ack, ds...)
		h.same("the letters begin", start("g.dlq"), 0) // b is open
		h.ok(h.dlq.PurgeOne(h.ctx(), "g", h.nth("g", 0)))
		time.Sleep(time.Hour)
		h.same("the letters begin", start("g.dlq"), 2)
		h.same("nothing is left", len(h.letters("g", 0)), 0)
		h.restart()
		h.same("nothing is left", len(h.letters("g", 0)), 0)
	})
}

// TestLetterTopicsInUse refuses what would lose letters.
func TestLetterTopicsInUse(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", "a", "b")
		h.redrive("g", h.nth("g", 0), dlq.Edit{})
		h.ok(h.dlq.PurgeOne(h.ctx(), "g", h.nth("g", 0)))
		if err := h.DeleteTopic(h.ctx(), "g.dlq", false, queue.Condition{}); !errors.Is(err, queue.ErrTopicInUse) {
			t.Errorf("a redriven record needs it: %v", err)
		}
		h.settle("g", ack, h.lease("g", 1, 0)...)
		h.kill("jobs", "g", "c")
		if err := h.DeleteTopic(h.ctx(), "g.dlq", false, queue.Condition{}); !errors.Is(err, queue.ErrTopicInUse) {
			t.Errorf("an open letter is there: %v", err)
		}
		if err := h.DeleteGroup(h.ctx(), "g", false, queue.Condition{}); !errors.Is(err, queue.ErrGroupInUse) {
			t.Errorf("an open letter is there: %v", err)
		}
		_, _, err := h.PutTopic(h.ctx(), "g.dlq", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Cleanup = catalog.CleanupCompact
			return c, nil
		})
		if !errors.Is(err, queue.ErrInvalidConfig) {
			t.Errorf("compact: %v", err)
		}
		h.redrive("g", h.nth("g", 0), dlq.Edit{})
		ds := h.lease("g", 1, 0)
		h.ok(h.DeleteTopic(h.ctx(), "g.dlq", true, queue.Condition{}))
		h.same("with force what was redriven is given up", h.totals("g"), queue.GroupTotals{})
		if err := h.trySettle("g", ack, ds...); !errors.Is(err, queue.ErrAlreadySettled) {
			t.Errorf("an ack of what was given up: %v", err)
		}
		h.restart()
		h.same("totals", h.totals("g"), queue.GroupTotals{})
		h.kill("jobs", "g", "d") // the topic is made again
		h.same("open", h.letters("g", letter.Open), []string{"d"})
		h.ok(h.DeleteGroup(h.ctx(), "g", true, queue.Condition{}))
		h.group("g", []string{"jobs"}, nil)
		h.restart()
		h.same("of the old group", len(h.letters("g", 0)), 0)
	})
}

// TestScenario66LettersWaitForSpace keeps a record that cannot be buried, and buries it when it can.
func TestScenario66LettersWaitForSpace(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.publish("jobs", "a")
		h.st.SetLow(true) // letters pass below the minimum
		ds := h.lease("g", 1, 0)
		h.settle("g", reject("no"), ds...)
		h.same("letters", h.letters("g", letter.Open), []string{"a"})
		h.st.SetLow(false)
		h.publish("jobs", "b")
		h.st.SetSpent(true)
		ds = h.lease("g", 1, 0)
		h.settle("g", reject("no"), ds...)
		h.same("not yet", h.totals("g"), queue.GroupTotals{Lag: 1, Leased: 1, DeadLetters: 1})
		h.same("nobody gets it", len(h.lease("g", 1, 10*time.Second)), 0)
		h.restart()
		h.st.SetSpent(true)
		time.Sleep(10 * time.Second)
		h.st.SetSpent(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		h.same("letters", h.letters("g", letter.Open), []string{"a", "b"})
		h.same("totals", h.totals("g"), queue.GroupTotals{DeadLetters: 2})
	})
}

// TestRedriveNeedsItsTopic refuses a letter of a topic that the group reads no more, and takes it when it reads it again.
func TestRedriveNeedsItsTopic(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		h.kill("jobs", "g", "a", "b")
		a, b := h.nth("g", 0), h.nth("g", 1)
		h.group("g", nil, nil)
		if _, err := h.dlq.Redrive(h.ctx(), "g", a, dlq.Edit{}); !errors.Is(err, queue.ErrTopicNotFound) {
			t.Errorf("detached: %v", err)
		}
		h.same("open", h.letters("g", letter.Open), []string{"a", "b"})
		h.group("g", []string{"jobs"}, nil) // from the beginning
		h.redrive("g", b, dlq.Edit{SetValue: true, Value: []byte("B")})
		ds := h.lease("g", 9, 0)
		h.same("come once each", values(ds), []string{"B", "a"})
		h.settle("g", ack, ds...)
		h.same("totals", h.totals("g"), queue.GroupTotals{DeadLetters: 1})
		h.ok(h.DeleteTopic(h.ctx(), "jobs", true, queue.Condition{}))
		for _, e := range []dlq.Edit{{}, {ToTopic: true}} {
			if _, err := h.dlq.Redrive(h.ctx(), "g", a, e); !errors.Is(err, queue.ErrTopicNotFound) {
				t.Errorf("deleted, %+v: %v", e, err)
			}
		}
		h.same("open", h.letters("g", letter.Open), []string{"a"})
	})
}

// TestMembersHoldRedrivenRecords leases a redriven record that lies before all that is unsettled otherwise: it is its member's all the same.
func TestMembersHoldRedrivenRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(3)
		h.start(dlq.Choice{All: true}, dlq.Plan{})
		synctest.Wait()
		h.same("leased", len(h.lease("g", 2, 0)), 2)
		g, err := h.ShareGroup("g")
		h.ok(err)
		m := g.Members()
		h.same("members", m, []share.Member{{Name: "w", Leases: 2, LastSeen: m[0].LastSeen}})
	})
}

// One edited record that is not settled for long does not keep the disk of those that came after it.
func TestOldEditHoldsNoLaterOnes(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = 12 * time.Hour })
		const n = 50
		for i := range n {
			h.publish("t", fmt.Sprint("k:", i))
		}
		for _, d := range h.lease("g", n, 0) {
			h.settle("g", reject("bad"), d)
		}
		large := bytes.Repeat([]byte("x"), 10_000)
		var old []queue.Delivery
		for i, l := range h.list("g", letter.Filter{State: letter.Open}).Items {
			_, err := h.dlq.Redrive(h.ctx(), "g", l.ID, dlq.Edit{SetValue: true, Value: large})
			h.ok(err)
			ds := h.lease("g", 1, 0)
			if len(ds) != 1 || len(ds[0].Record.Value) != len(large) {
				t.Fatalf("redrive %d: %+v", i, ds)
			}
			if i == 0 {
				old = ds
				continue
			}
			h.settle("g", ack, ds...)
		}
		g, err := h.ShareGroup("g")
		h.ok(err)
		own := g.Edits(h.ctx()).Partition()
		if b := own.Bytes(); b < 40*10_000 {
			t.Fatalf("%d bytes before", b)
		}
		time.Sleep(time.Hour)
		if missing, err := own.Missing(h.ctx(), 0, n); err != nil || missing != n-1 {
			t.Errorf("%d of %d edited records are gone, %v", missing, n, err)
		}
		h.settle("g", queue.Action{Verb: queue.Release}, old...)
		h.uncached()
		ds := h.lease("g", 1, 0)
		if len(ds) != 1 || !bytes.Equal(ds[0].Record.Value, large) {
			t.Fatalf("the old one, after a restart: %d records", len(ds))
		}
		h.settle("g", reject("again"), ds...)
		id := h.list("g", letter.Filter{State: letter.Open}).Items[0].ID
		_, err = h.dlq.Redrive(h.ctx(), "g", id, dlq.Edit{SetValue: true, Value: []byte("new")})
		h.ok(err)
		h.settle("g", ack, h.lease("g", 1, 0)...)
	})
}
