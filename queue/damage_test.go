package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// damage makes the batches unreadable that begin at some offsets of what group "g" reads, in a broker without a cache.
func (h *house) damage(bases ...store.Offset) {
	h.t.Helper()
	g, err := h.ShareGroup("g")
	if err != nil {
		h.t.Fatal(err)
	}
	log := g.Progress()[0].Partition.ID
	h.st.SetFaults(memory.Faults{Damaged: func(id store.LogID, base store.Offset) bool { return id == log && slices.Contains(bases, base) }})
}

// damagedAhead publishes a, b–d in one batch, which is damaged, and e; the group has seen nothing.
func (h *house) damagedAhead(set func(*queue.GroupConfig)) {
	h.t.Helper()
	h.topic("t", 1)
	h.group("g", []string{"t"}, set)
	h.publishMsgs("t", queue.Message{Key: []byte("k"), Value: []byte("a")})
	h.publishMsgs("t", queue.Message{Key: []byte("k"), Value: []byte("b")}, queue.Message{Value: []byte("c")}, queue.Message{Key: []byte("k"), Value: []byte("d")})
	h.publishMsgs("t", queue.Message{Key: []byte("k"), Value: []byte("e")})
	h.uncached()
	h.damage(1)
}

// What lies behind a damaged batch is handed out at once; its own records get letters without values, in a minute.
func TestDamageAheadHoldsNothingBack(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(nil)
		ds := h.lease("g", 10, 0)
		if got := fmt.Sprint(values(ds)); got != "[a e]" {
			t.Fatalf("leased %s", got)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 5, Leased: 2, Deferred: 3}) {
			t.Errorf("totals %+v", got)
		}
		h.must("g", ack, ds...)
		list, _, err := h.GroupRecords(h.t.Context(), "g", queue.Deferred, queue.GroupPlace{}, 10)
		if err != nil || len(list) != 3 || list[1].Offset != 2 || list[1].Error != letter.Damaged || list[1].Attempt != 1 {
			t.Errorf("the list of deferred records: %+v, %v", list, err)
		}
		one, err := h.GroupRecord(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 3})
		if err != nil || one.Why.Code != "backoff" || !strings.HasPrefix(one.Why.Detail, "it could not be read") || one.Error != letter.Damaged {
			t.Errorf("one of them: %+v, %v", one, err)
		}
		time.Sleep(59 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Deferred: 3}) {
			t.Errorf("totals before the minute is over %+v", got)
		}
		time.Sleep(2 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 3}) {
			t.Errorf("totals %+v", got)
		}
		read, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: "g.dlq"})
		if err != nil || len(read.Records) != 3 {
			t.Fatalf("%d letters, %v", len(read.Records), err)
		}
		for i, rec := range read.Records {
			of := map[string]string{}
			for _, hd := range rec.Headers {
				of[hd.Name] = string(hd.Value)
			}
			if rec.Key != nil || rec.Value != nil || of["holt-dl-offset"] != fmt.Sprint(i+1) || of["holt-dl-reason"] != "rejected" || of["holt-dl-error"] != letter.Damaged || of["holt-dl-attempts"] != "0" {
				t.Errorf("letter %d: %+v %v", i, rec, of)
			}
		}
		if c := h.counters("g"); c.Unread != 3 || c.DeadLettered != 3 || c.Rejected != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

func (h *house) counters(group string) queue.GroupCounters {
	h.t.Helper()
	g, err := h.ShareGroup(group)
	if err != nil {
		h.t.Fatal(err)
	}
	return g.Counters()
}

// What can be read after all within the minute is delivered, with its key in its place.
func TestDamageThatPasses(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(func(c *queue.GroupConfig) { c.Ordering = catalog.OrderingKey })
		h.must("g", ack, h.leased("g", 1, "a")...)
		h.leased("g", 10, "e") // and its lease runs out
		h.st.SetFaults(memory.Faults{})
		time.Sleep(61 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 4, Available: 4}) {
			t.Errorf("totals %+v", got)
		}
		h.must("g", ack, h.leased("g", 10, "b", "c")...)
		h.must("g", ack, h.leased("g", 10, "d")...)
		if ds := h.leased("g", 10, "e"); ds[0].Attempt != 2 {
			t.Errorf("attempt %d", ds[0].Attempt)
		}
	})
}

func TestDamageAheadAcrossARestart(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(nil)
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		time.Sleep(30 * time.Second)
		h.uncached()
		h.damage(1)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Deferred: 3}) {
			t.Errorf("totals after a restart %+v", got)
		}
		time.Sleep(31 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 3}) {
			t.Errorf("totals %+v", got)
		}
		_, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}})
		if err != nil {
			t.Fatal(err)
		}
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Deferred: 3}) {
			t.Errorf("totals after a reset before it %+v", got)
		}
		if _, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Offset: 4}}); err != nil {
			t.Errorf("a reset past it: %v", err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1}) {
			t.Errorf("totals after a reset past it %+v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1}) {
			t.Errorf("totals later %+v", got)
		}
	})
}

// Without dead letters records that cannot be read are dropped and counted, when the minute is over.
func TestDamageAheadWithoutDeadLetters(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(func(c *queue.GroupConfig) { c.DeadLetters = false })
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 3, Deferred: 3}) {
			t.Errorf("totals %+v", got)
		}
		time.Sleep(61 * time.Second)
		if got, c := h.totals("g"), h.counters("g"); got != (queue.GroupTotals{}) || c.Dropped != 3 {
			t.Errorf("totals %+v, counters %+v", got, c)
		}
	})
}

// A paused group hands out nothing, and gives up what it came to before all the same; an operator may be faster.
func TestDamageAheadOfAPausedGroup(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(nil)
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Paused = true })
		at := queue.GroupPlace{Topic: "t", Offset: 2}
		if err := h.SettleAt(h.t.Context(), "g", at, queue.Release); err != nil {
			t.Errorf("release by place: %v", err)
		}
		if err := h.SettleAt(h.t.Context(), "g", at, queue.Ack); err != nil {
			t.Errorf("ack by place: %v", err)
		}
		time.Sleep(61 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 2}) {
			t.Errorf("totals %+v", got)
		}
	})
}

// No lease is used up by what cannot be read, and a call that waits is served by what lies behind.
func TestDamageAheadUsesUpNoLease(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(func(c *queue.GroupConfig) { c.MaxInflight = 1 })
		h.must("g", ack, h.leased("g", 1, "a")...)
		h.must("g", ack, h.leased("g", 1, "e")...)
		got := make(chan []queue.Delivery)
		go func() { got <- h.lease("g", 1, 30*time.Second) }()
		synctest.Wait()
		h.publish("t", "f")
		if ds := <-got; fmt.Sprint(values(ds)) != "[f]" {
			t.Errorf("the parked call got %v", values(ds))
		}
	})
}

// Retention takes what cannot be read, too.
func TestDamageAheadIsTrimmed(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(nil)
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.KeepUnsettled, c.Retention.Age = false, 10*time.Second })
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		time.Sleep(50 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			t.Errorf("totals %+v", got)
		}
		time.Sleep(time.Minute)
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			t.Errorf("totals later %+v", got)
		}
	})
}

// What is settled behind a damaged batch goes all the same.
func TestRetentionGoesPastDamage(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) { c.Retention.Age = time.Minute })
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = 12 * time.Hour })
		h.publish("t", "stuck")
		h.publish("t", "damaged")
		h.publish("t", "settled")
		h.uncached()
		h.damage(1)
		h.must("g", ack, h.leased("g", 10, "stuck", "settled")[1])
		time.Sleep(time.Hour)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Leased: 1, DeadLetters: 1}) {
			t.Errorf("totals %+v", got)
		}
		if _, err := h.ReadOne(h.t.Context(), "t", 0, 2); !errors.Is(err, queue.ErrRecordNotFound) {
			t.Errorf("what was settled behind it: %v", err)
		}
		if _, err := h.ReadOne(h.t.Context(), "t", 0, 1); !errors.Is(err, queue.ErrCorrupt) {
			t.Errorf("what is damaged: %v", err)
		}
	})
}

// A large damaged batch is taken in and given up in pieces, and read seldom.
func TestLargeDamagedBatch(t *testing.T) {
	inBubble(t, func(h *house) {
		const n = 9_000
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.MaxInflight = 10 })
		h.publish("t", "a")
		msgs := make([]queue.Message, n)
		for i := range msgs {
			msgs[i] = queue.Message{Value: []byte("x")}
		}
		h.publishMsgs("t", msgs...)
		h.publish("t", "z")
		h.uncached()
		h.damage(1)
		h.must("g", ack, h.leased("g", 10, "a", "z")...)
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: n, Deferred: n}) {
			t.Errorf("totals %+v", got)
		}
		time.Sleep(62 * time.Second)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: n}) {
			t.Errorf("totals %+v", got)
		}
	})
}

// What is detached, or deleted, is not read again.
func TestDamageAheadOfADetachedTopic(t *testing.T) {
	inBubble(t, func(h *house) {
		h.damagedAhead(nil)
		h.must("g", ack, h.leased("g", 10, "a", "e")...)
		h.topic("other", 1)
		h.group("g", []string{"other"}, nil)
		if err := h.DeleteTopic(h.t.Context(), "t", true, queue.Condition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if got := h.totals("g"); got != (queue.GroupTotals{}) {
			t.Errorf("totals %+v", got)
		}
	})
}

// A damaged delayed record is listed as such, and holds no other up, in the list nor when they are due.
func TestDamagedDelayedRecord(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		for _, v := range []string{"a", "b", "c"} {
			h.publishMsgs("t", queue.Message{Value: []byte(v), Delay: time.Hour})
		}
		h.uncached()
		g, err := h.ShareGroup("g")
		if err != nil {
			t.Fatal(err)
		}
		log := g.Progress()[0].Partition.ID
		h.st.SetFaults(memory.Faults{Damaged: func(id store.LogID, base store.Offset) bool { return id != log && base == 1 }})
		list, _, err := h.Scheduled(h.t.Context(), "t", "", 10)
		if err != nil || len(list) != 3 || !list[1].Damaged || list[1].ID == "" || string(list[2].Record.Value) != "c" || list[2].Damaged {
			t.Fatalf("the list: %+v, %v", list, err)
		}
		time.Sleep(2 * time.Hour)
		h.leased("g", 10, "a", "c")
		if err := h.CancelScheduled(h.t.Context(), "t", list[1].ID); err != nil {
			t.Error(err)
		}
	})
}

// Records that the group has come to already, and that turn out to be damaged, use up no attempts either: they come once, to nobody, and with key order they hold
// back their key, which is known, until it is clear what becomes of them.
func TestDamageOfWhatAGroupCameTo(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering, c.MaxInflight, c.MaxAttempts = catalog.OrderingKey, 2, 0 })
		var msgs []queue.Message
		for i := range 20 {
			msgs = append(msgs, queue.Message{Key: []byte{byte('a' + i%4)}, Value: []byte(fmt.Sprint(i))})
		}
		h.publishMsgs("t", msgs...)
		h.must("g", ack, h.leased("g", 2, "0", "1")...)
		h.publishMsgs("t", queue.Message{Key: []byte("a"), Value: []byte("behind a")}, queue.Message{Key: []byte("x"), Value: []byte("behind x")})
		h.uncached()
		h.damage(0)
		h.leased("g", 2)
		ds := h.leased("g", 2, "behind x")
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 20, Leased: 1, Available: 1, Deferred: 18}) {
			t.Errorf("totals %+v", got)
		}
		h.must("g", ack, ds...)
		h.restart()
		h.uncached()
		h.damage(0)
		time.Sleep(59 * time.Second)
		h.leased("g", 2)
		time.Sleep(3 * time.Second)
		h.must("g", ack, h.leased("g", 2, "behind a")...)
		if got := h.totals("g"); got != (queue.GroupTotals{DeadLetters: 18}) {
			t.Errorf("totals %+v", got)
		}
		if c := h.counters("g"); c.DeadLettered != 18 || c.Expired != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

// What is read after all goes on as it was: with its key, in its place.
func TestDamageThatPassesOfWhatAGroupCameTo(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering = catalog.OrderingKey })
		h.publishMsgs("t", queue.Message{Key: []byte("k"), Value: []byte("a")}, queue.Message{Key: []byte("k"), Value: []byte("b")}, queue.Message{Value: []byte("c")})
		h.must("g", nackNow, h.leased("g", 1, "a")...)
		h.uncached()
		h.damage(0)
		h.leased("g", 10)
		h.st.SetFaults(memory.Faults{})
		time.Sleep(61 * time.Second)
		ds := h.leased("g", 10, "a", "c")
		if ds[0].Attempt != 2 {
			t.Errorf("attempt %d", ds[0].Attempt)
		}
		h.must("g", ack, ds...)
		h.must("g", ack, h.leased("g", 10, "b")...)
	})
}
