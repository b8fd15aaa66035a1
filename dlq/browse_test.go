package dlq_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
)

// TestScenario64EachDeathLeavesALetter shows what a letter says, for each way to die.
func TestScenario64EachDeathLeavesALetter(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) { c.MaxAttempts, c.DeadLetterOnTTL, c.Lease = 2, true, 5*time.Second })
		began := time.Now()
		h.publish("jobs", "k:rejected")
		h.settle("g", reject("no such customer 17"), h.lease("g", 1, 0)...)

		h.publish("jobs", "nacked")
		for range 2 {
			ds := h.lease("g", 1, time.Minute)
			h.settle("g", queue.Action{Verb: queue.Nack, Error: &queue.WorkerError{Message: "try " + fmt.Sprint(ds[0].Attempt)}}, ds...)
		}
		h.publish("jobs", "expired")
		h.lease("g", 1, 0)
		h.lease("g", 1, time.Minute)
		time.Sleep(6 * time.Second)

		_, _, err := h.Publish(h.ctx(), "jobs", []queue.Message{{Value: []byte("late"), TTL: time.Second}}, 0)
		h.ok(err)
		time.Sleep(2 * time.Second)
		h.lease("g", 1, 0)
		synctest.Wait()

		h.publish("jobs", "by hand")
		h.ok(h.SettleAt(h.ctx(), "g", queue.GroupPlace{Topic: "jobs", Offset: 4}, queue.Reject))
		check := func() {
			p := h.list("g", letter.Filter{State: letter.Open})
			h.same("letters", len(p.Items), 5)
			want := []struct {
				value, reason, err, member string
				attempts, history          int
			}{
				{"k:rejected", "rejected", "no such customer 17", "w", 1, 1},
				{"nacked", "max_attempts", "try 2", "w", 2, 2},
				{"expired", "max_attempts", "the lease expired", "w", 2, 2},
				{"late", "ttl", "", "", 0, 0},
				{"by hand", "rejected", "", "", 0, 0},
			}
			for i, w := range want {
				l := p.Items[i]
				h.same("origin", fmt.Sprint(l.Topic, l.Partition, l.Offset), fmt.Sprint("jobs", 0, i))
				h.same("letter", []any{string(l.Value), string(l.Reason), l.Error, l.Member, l.Attempts}, []any{w.value, w.reason, w.err, w.member, w.attempts})
				d, err := h.dlq.Get(h.ctx(), "g", l.ID)
				h.ok(err)
				h.same("history", len(d.History), w.history)
				if l.DeadAt.Before(began) || w.history > 0 && l.FirstAt.Before(began) || w.history == 0 && !l.FirstAt.IsZero() {
					t.Errorf("%s: first at %v, dead at %v", w.value, l.FirstAt, l.DeadAt)
				}
			}
			d, err := h.dlq.Get(h.ctx(), "g", p.Items[0].ID)
			h.ok(err)
			h.same("stack", d.Stack, "at main")
			h.same("type", d.ErrorType, "Boom")
			h.same("fingerprint", d.Fingerprint, "Boom: no such customer <n>")
			h.same("key", string(d.Key), "k")
			if len(d.Headers) != 0 {
				t.Errorf("headers %v", d.Headers)
			}
		}
		check()
		h.restart()
		check()
		res, err := h.Read(h.ctx(), queue.ReadRequest{Topic: "g.dlq"})
		h.ok(err)
		for _, hd := range res.Records[0].Headers {
			if letter.Hidden(hd.Name) {
				t.Errorf("a reader sees %s", hd.Name)
			}
		}
	})
}

// TestScenario71FiltersAgreeWithCounts counts what each filter chooses in both ways.
func TestScenario71FiltersAgreeWithCounts(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("a", 1)
		h.topic("b", 1)
		h.group("g", []string{"a", "b"}, nil)
		var third time.Time
		for i := range 12 {
			topic := []string{"a", "b"}[i%2]
			h.publish(topic, fmt.Sprintf("k%d:%d", i%3, i))
			if i == 3 {
				third = time.Now()
			}
			h.settle("g", reject(fmt.Sprintf("customer '%d' of shard %d: timeout after %dms", i, i%4/2, i*10)), h.lease("g", 1, 0)...)
			time.Sleep(time.Second)
		}
		check := func() {
			for name, c := range map[string]struct {
				f    letter.Filter
				want int
			}{
				"all":         {letter.Filter{State: letter.Open}, 12},
				"topic":       {letter.Filter{State: letter.Open, Topic: "b"}, 6},
				"key":         {letter.Filter{Key: []byte("k1")}, 4},
				"empty key":   {letter.Filter{Key: []byte{}}, 0},
				"reason":      {letter.Filter{Reason: letter.Rejected}, 12},
				"other":       {letter.Filter{Reason: letter.TTL}, 0},
				"error":       {letter.Filter{Error: "shard 1"}, 6},
				"since":       {letter.Filter{Since: third}, 9},
				"until":       {letter.Filter{Until: third}, 3},
				"purged":      {letter.Filter{State: letter.Purged}, 0},
				"fingerprint": {letter.Filter{Fingerprint: "Boom: customer <…> of shard <n>: timeout after <n>"}, 12},
				"both":        {letter.Filter{Topic: "a", Key: []byte("k0")}, 2},
			} {
				h.same(name, len(h.list("g", c.f).Items), c.want)
				for _, by := range []letter.By{letter.ByFingerprint, letter.ByError, letter.ByKey, letter.ByTopic, letter.ByReason} {
					sum, n := 0, 0
					buckets, _, err := h.dlq.Summary(h.ctx(), "g", c.f, by, 0)
					h.ok(err)
					for _, b := range buckets {
						sum += b.Count
						n++
						if _, err := h.dlq.Get(h.ctx(), "g", b.SampleID); err != nil {
							t.Errorf("sample of %q: %v", b.Value, err)
						}
					}
					h.same(name+" by "+string(by), sum, c.want)
				}
				n := 0
				h.ok(h.dlq.Export(h.ctx(), "g", c.f, func(*dlq.Detail) error { n++; return nil }))
				h.same(name+" exported", n, c.want)
			}
			b, _, err := h.dlq.Summary(h.ctx(), "g", letter.Filter{}, letter.ByFingerprint, 0)
			h.ok(err)
			h.same("buckets", len(b), 1)
			h.same("last − first", b[0].LastAt.Sub(b[0].FirstAt), 11*time.Second)
		}
		check()
		h.restart()
		check()
	})
}

func TestListGoesOnWhereItStopped(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 3)
		h.group("g", []string{"jobs"}, nil)
		for i := range 25 {
			h.kill("jobs", "g", fmt.Sprint(i))
		}
		var got []string
		var from dlq.Mark
		for {
			p, err := h.dlq.List(h.ctx(), "g", letter.Filter{State: letter.Open}, from, 10)
			h.ok(err)
			h.same("total", p.Total, 25)
			for _, l := range p.Items {
				got = append(got, string(l.Value))
			}
			h.restart()
			if p.Next == nil {
				break
			}
			from = *p.Next
		}
		for i, v := range got {
			h.same("order", v, i)
		}
		h.same("letters", len(got), 25)
	})
}

func TestUnknownLetters(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group("g", nil, nil)
		for _, id := range []string{"", "x", "1-2", "ffff-0"} {
			if _, err := h.dlq.Get(h.ctx(), "g", id); !errors.Is(err, dlq.ErrLetterNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if _, err := h.dlq.Get(h.ctx(), "none", "1-2"); !errors.Is(err, queue.ErrGroupNotFound) {
			t.Errorf("%v", err)
		}
		if p := h.list("g", letter.Filter{}); p.Total != 0 {
			t.Errorf("%d letters", p.Total)
		}
	})
}
