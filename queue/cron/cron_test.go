package cron

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/topic"
)

// house is a runner over the topic "t", in a bubble.
type house struct {
	*Runner
	t     *testing.T
	env   *topic.Env
	topic *topic.Topic
	jump  atomic.Int64 // how far the wall clock is ahead
}

func inBubble(t *testing.T, fn func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		h := &house{t: t, env: &topic.Env{
			Store: st, Cache: partition.NewCache(1 << 20), Committer: commit.New(st, nil), Logger: slog.New(slog.DiscardHandler),
			Topics: topic.NewSet(), Background: new(sync.WaitGroup), Ctx: ctx,
		}}
		h.env.Wall = func() time.Time { return time.Now().Add(time.Duration(h.jump.Load())) }
		h.open(1)
		h.Runner = New(h.env)
		var committing sync.WaitGroup
		committing.Go(func() {
			if err := h.env.Committer.Run(); err != nil {
				t.Error(err)
			}
		})
		defer committing.Wait()
		defer h.env.Committer.Close()
		defer h.topic.Close()
		defer h.env.Background.Wait()
		defer h.Close()
		defer cancel()
		fn(h)
	})
}

// open makes the topic, of an identity.
func (h *house) open(id uint64) {
	h.t.Helper()
	def := &catalog.Topic{Name: "t", ID: id, Config: catalog.DefaultTopic(), Partitions: []catalog.Partition{{Log: 1}}, Delayed: 2}
	var err error
	if h.topic, err = topic.Open(h.t.Context(), h.env, def, h.topic, false); err != nil {
		h.t.Fatal(err)
	}
	h.env.Topics.Put(h.topic)
}

func (h *house) start(name, cron string, catchUp catalog.CatchUp) {
	h.t.Helper()
	def := &catalog.Schedule{Name: name, ID: uint64(len(name)), TopicID: 1, Since: h.env.Now(), Config: catalog.ScheduleConfig{
		Cron: cron, Topic: "t", CatchUp: catchUp, Record: catalog.ScheduleRecord{Value: []byte(name)},
	}}
	if err := h.Start(def); err != nil {
		h.t.Fatal(err)
	}
}

// fired returns the values of all records.
func (h *house) fired() (values []string) {
	h.t.Helper()
	synctest.Wait()
	res, err := h.env.Topics.Read(h.t.Context(), topic.ReadRequest{Topic: "t", Max: 1000, MaxBytes: 1 << 20}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range res.Records {
		values = append(values, string(r.Value))
	}
	return values
}

func (h *house) expect(when string, want ...string) {
	h.t.Helper()
	if got := h.fired(); !slices.Equal(got, want) {
		h.t.Fatalf("%s: %q, want %q", when, got, want)
	}
}

func TestFiresWhenItIsTime(t *testing.T) {
	inBubble(t, func(h *house) { // which begins at midnight
		h.start("a", "*/5 * * * *", catalog.CatchUpOne)
		time.Sleep(5*time.Minute - time.Millisecond)
		h.expect("early")
		time.Sleep(time.Millisecond)
		h.expect("at five past", "a")
		st, ok := h.Status("a")
		if five := time.Now(); !ok || !st.LastAt.Equal(five) || !st.NextAt.Equal(five.Add(5*time.Minute)) {
			t.Errorf("status: %+v, %v", st, ok)
		}
		h.start("a", "0 * * * *", catalog.CatchUpOne) // in its place
		time.Sleep(54 * time.Minute)
		h.expect("before the hour", "a")
		time.Sleep(time.Minute)
		h.expect("at the hour", "a", "a")
		h.End("a")
		time.Sleep(2 * time.Hour)
		h.expect("after its end", "a", "a")
		if _, ok := h.Status("a"); ok {
			t.Error("it has a status after its end")
		}
	})
}

func TestStartRefuses(t *testing.T) {
	inBubble(t, func(h *house) {
		if err := h.Start(&catalog.Schedule{Name: "a", Config: catalog.ScheduleConfig{Cron: "x", Topic: "t"}}); err == nil {
			t.Error("an expression that is none was taken")
		}
		if _, ok := h.Status("a"); ok {
			t.Error("it is at work")
		}
	})
}

// A jump of the wall clock over a hundred years of minutes is one missed firing, and the next comes in time.
func TestTheClockJumps(t *testing.T) {
	inBubble(t, func(h *house) {
		h.start("a", "* * * * *", catalog.CatchUpOne)
		h.start("bb", "* * * * *", catalog.CatchUpNone)
		time.Sleep(30 * time.Second)
		h.jump.Store(int64(100 * 365 * 24 * time.Hour))
		time.Sleep(maxSleep)
		h.expect("after the jump", "a")
		st, _ := h.Status("bb")
		if minute := h.env.Now().Truncate(time.Minute); !st.LastAt.Equal(minute) || !st.NextAt.Equal(minute.Add(time.Minute)) {
			t.Errorf("what was passed over: %+v", st)
		}
		time.Sleep(30 * time.Second)
		if got := h.fired(); len(got) != 3 || !slices.Contains(got, "bb") {
			t.Errorf("a minute later: %q", got)
		}
		h.jump.Store(0)
		time.Sleep(time.Hour)
		if got := h.fired(); len(got) != 3 {
			t.Errorf("put back, before the times it has fired for: %q", got)
		}
	})
}

// What cannot be published is tried again, and comes once.
func TestAFiringThatFailsIsTriedAgain(t *testing.T) {
	inBubble(t, func(h *house) {
		h.start("a", "0 * * * *", catalog.CatchUpOne)
		h.open(2) // another topic of that name
		time.Sleep(time.Hour + 5*restFiring)
		if got := h.fired(); len(got) != 0 {
			t.Errorf("into another topic of the name: %q", got)
		}
		if err := h.byName["a"].fire(time.Now(), false); !errors.Is(err, topic.ErrNotFound) {
			t.Errorf("why: %v", err)
		}
		h.open(1)
		time.Sleep(restFiring)
		h.expect("once it is back", "a")
		time.Sleep(30 * time.Minute)
		h.expect("later", "a")
	})
}

func TestSleepFor(t *testing.T) {
	now := time.Date(2097, 1, 1, 0, 0, 0, 0, time.UTC)
	for next, want := range map[time.Time]time.Duration{
		now.Add(time.Second):    time.Second,
		now.Add(time.Hour):      maxSleep,
		now.Add(-time.Hour):     0,
		now.AddDate(1000, 0, 0): maxSleep,
		{}:                      maxSleep, // as that of February 29 is before 2100, which has none
	} {
		if got := sleepFor(next, now); got != want {
			t.Errorf("for %v: %v, want %v", next, got, want)
		}
	}
}
