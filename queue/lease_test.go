package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
)

func TestScenario5MaxIsReachedAcrossPartitionsAndNeverExceeded(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 4)
		h.group("g", []string{"t"}, nil)
		for p := range 4 {
			for range 5 {
				h.publishMsgs("t", queue.Message{Partition: &p, Value: []byte("x")})
			}
		}
		if got := len(h.lease("g", 12, 0)); got != 12 {
			h.t.Fatalf("leased %d of 12", got)
		}
		if got := len(h.lease("g", 12, 0)); got != 8 {
			h.t.Fatalf("leased %d of the 8 that are left", got)
		}
	})
}

func TestScenario12MaxBytesAcrossPartitions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, nil)
		for p := range 2 {
			for range 2 {
				h.publishMsgs("t", queue.Message{Partition: &p, Value: make([]byte, 1000)})
			}
		}
		ds, _, err := h.Lease(h.t.Context(), "g", queue.LeaseRequest{Max: 10, MaxBytes: 3000})
		if err != nil || len(ds) != 3 {
			h.t.Fatalf("3000 bytes: %d records, %v", len(ds), err)
		}
		ds, _, err = h.Lease(h.t.Context(), "g", queue.LeaseRequest{Max: 10, MaxBytes: 10})
		if err != nil || len(ds) != 1 {
			h.t.Fatalf("a larger record comes alone: %d records, %v", len(ds), err)
		}
	})
}

func TestLagLeavesOutWhatIsSettledAheadByPlace(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", "a", "b", "c")
		if err := h.SettleAt(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 1}, queue.Ack); err != nil {
			h.t.Fatal(err)
		}
		if err := h.SettleAt(h.t.Context(), "g", queue.GroupPlace{Topic: "t", Offset: 2}, queue.Reject); err != nil {
			h.t.Fatal(err)
		}
		if got := h.totals("g"); got != (queue.GroupTotals{Lag: 1, Available: 1, DeadLetters: 1}) {
			h.t.Fatalf("totals %+v", got)
		}
		h.restart()
		if got := values(h.lease("g", 9, 0)); len(got) != 1 || got[0] != "a" {
			h.t.Fatalf("leased %v", got)
		}
	})
}

func TestRateIsNeverExceededAndWaitsForTokens(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.RatePerSecond, c.RateBurst = 10, 2 })
		h.publish("t", "a", "b", "c", "d", "e")
		if got := len(h.lease("g", 5, 0)); got != 2 {
			h.t.Fatalf("the burst gave %d", got)
		}
		began := time.Now()
		if got := len(h.lease("g", 5, 10*time.Second)); got != 1 {
			h.t.Fatalf("a token gave %d", got)
		}
		if took := time.Since(began); took < 100*time.Millisecond || took > 110*time.Millisecond {
			h.t.Fatalf("a token at 10/s came after %v", took)
		}
	})
}

func TestScenario46LowerLanesNeverStarve(t *testing.T) {
	inBubble(t, func(h *house) {
		_, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Partitions, c.Priorities = 1, 3
			return c, nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.group("g", []string{"t"}, nil)
		for priority := range 3 {
			for range 100 {
				h.publishMsgs("t", queue.Message{Priority: &priority, Value: []byte{byte('0' + priority)}})
			}
		}
		got := map[string]int{}
		for _, v := range values(h.lease("g", 50, 0)) {
			got[v]++
		}
		for range 50 {
			for _, v := range values(h.lease("g", 1, 0)) {
				got[v]++
			}
		}
		if got["2"] < 75 || got["1"] < 10 || got["0"] < 10 || got["0"]+got["1"]+got["2"] != 100 {
			h.t.Fatalf("of 100 records by priority: %v", got)
		}
	})
}

func TestScenario42KeyOrderHoldsThroughRetryAndRestart(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Ordering = "key"; c.Backoff.Jitter = 0 })
		for _, v := range []string{"a1", "b1", "a2", "b2"} {
			h.publishMsgs("t", queue.Message{Key: []byte(v[:1]), Value: []byte(v)})
		}
		ds := h.lease("g", 9, 0)
		if got := values(ds); len(got) != 2 || got[0] != "a1" || got[1] != "b1" {
			h.t.Fatalf("first %v", got)
		}
		if _, err := h.settle("g", nack, ds[0]); err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.settle("g", ack, ds[1]); err != nil {
			h.t.Fatal(err)
		}
		h.restart()
		if got := values(h.lease("g", 9, 0)); len(got) != 1 || got[0] != "b2" {
			h.t.Fatalf("while a1 waits for its backoff: %v", got)
		}
		ds = h.lease("g", 9, time.Minute)
		if got := values(ds); len(got) != 1 || got[0] != "a1" {
			h.t.Fatalf("after the backoff: %v", got)
		}
		parked := make(chan []queue.Delivery)
		go func() { parked <- h.lease("g", 9, time.Minute) }()
		synctest.Wait()
		if _, err := h.settle("g", ack, ds...); err != nil {
			h.t.Fatal(err)
		}
		if got := values(<-parked); len(got) != 1 || got[0] != "a2" {
			h.t.Fatalf("after a1: %v", got)
		}
	})
}

func TestScenario16SameRequestSameLeases(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease = 5 * time.Second })
		h.publish("t", "a")
		h.publish("t", "b")
		ask := func(wait time.Duration) []queue.Delivery {
			ds, _, err := h.Lease(h.t.Context(), "g", queue.LeaseRequest{Max: 1, Request: "r", Wait: wait})
			if err != nil {
				h.t.Error(err)
			}
			return ds
		}
		first, again := ask(0), ask(0)
		if len(first) != 1 || len(again) != 1 || first[0].Receipt != again[0].Receipt {
			h.t.Fatalf("%+v, then %+v", first, again)
		}
		if _, err := h.settle("g", ack, first...); err != nil {
			h.t.Fatal(err)
		}
		other := ask(0)
		if len(other) != 1 || string(other[0].Record.Value) == string(first[0].Record.Value) {
			h.t.Fatalf("after its end: %+v", other)
		}
		if _, err := h.settle("g", ack, other...); err != nil {
			h.t.Fatal(err)
		}
		began, parked := time.Now(), make(chan []queue.Delivery, 1)
		go func() { parked <- ask(time.Minute) }()
		synctest.Wait()
		if ds := ask(0); len(ds) != 0 {
			h.t.Fatalf("nothing is there: %+v", ds)
		}
		if ds := <-parked; len(ds) != 0 || time.Since(began) != 0 {
			h.t.Fatalf("the first call ended with %+v after %v", ds, time.Since(began))
		}
	})
}

func TestLeaseAndSettleInOneCall(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", "a", "b")
		ds := h.lease("g", 1, 0)
		res, next, _, err := h.LeaseAndSettle(h.t.Context(), "g", queue.SettleRequest{Actions: actions(ack, ds)}, queue.LeaseRequest{Max: 1})
		if err != nil || res.Settled != 1 || len(next) != 1 || string(next[0].Record.Value) != "b" {
			h.t.Fatalf("%+v, %v, %v", res, values(next), err)
		}
		began := time.Now()
		forged := []queue.Action{{Receipt: "forged", Verb: queue.Ack}}
		res, next, _, err = h.LeaseAndSettle(h.t.Context(), "g", queue.SettleRequest{Actions: forged}, queue.LeaseRequest{Max: 1, Wait: time.Minute})
		if err != nil || len(res.Failed) != 1 || len(next) != 0 || time.Since(began) != 0 {
			h.t.Fatalf("with a refusal: %+v, %v after %v, %v", res, values(next), time.Since(began), err)
		}
	})
}

func TestRateIsNotExceededOverRestarts(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.RatePerSecond, c.RateBurst = 1, 3 })
		h.publish("t", make([]string, 100)...)
		began, got := time.Now(), len(h.lease("g", 10, 0))
		for range 10 {
			h.restart()
			got += len(h.lease("g", 10, 0))
			time.Sleep(100 * time.Millisecond)
		}
		if most := 3 + int(time.Since(began).Seconds()); got > most {
			h.t.Fatalf("%d records in %v at 1/s with a burst of 3", got, time.Since(began))
		}
	})
}

func TestScenario3CallsThatDoNotWaitGetWhatIsThere(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", make([]string, 64)...)
		got := make(chan int, 64)
		for range 64 { // all at once: one reads ahead, nobody else may go away empty for it
			go func() { got <- len(h.lease("g", 1, 0)) }()
		}
		for range 64 {
			if n := <-got; n != 1 {
				h.t.Errorf("a call got %d records", n)
			}
		}
	})
}
