package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

func (h *house) schedule(name, cron string, catchUp catalog.CatchUp) {
	h.t.Helper()
	_, _, err := h.PutSchedule(h.t.Context(), name, queue.Condition{}, func(c queue.ScheduleConfig, _ bool) (queue.ScheduleConfig, error) {
		c.Cron, c.Topic, c.CatchUp = cron, "t", catchUp
		c.Record = queue.ScheduleRecord{Value: []byte(name)}
		return c, nil
	})
	if err != nil {
		h.t.Fatalf("put schedule %s: %v", name, err)
	}
}

func count(values []string, what string) (n int) {
	for _, v := range values {
		if v == what {
			n++
		}
	}
	return n
}

func TestScheduleFiresOnceEachTimeAcrossRestarts(t *testing.T) {
	inBubble(t, func(h *house) { // the bubble begins at midnight UTC
		h.topic("t", 1)
		h.schedule("five", "*/5 * * * *", catalog.CatchUpOne)
		time.Sleep(5*time.Minute - time.Millisecond)
		if got := h.all("t"); len(got) != 0 {
			h.t.Fatalf("early: %v", got)
		}
		for i := range 6 { // 00:05 to 00:30
			time.Sleep(time.Minute)
			h.restart()
			time.Sleep(4 * time.Minute)
			if got := len(h.all("t")); got != i+1 {
				h.t.Fatalf("%d firings after %d times five minutes", got, i+1)
			}
		}
		if err := h.DeleteSchedule(h.t.Context(), "five", queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := len(h.all("t")); got != 6 {
			h.t.Fatalf("%d firings after the end", got)
		}
		if _, err := h.Schedule(h.t.Context(), "five"); !errors.Is(err, queue.ErrScheduleNotFound) {
			h.t.Fatal(err)
		}
	})
}

func TestScheduleCatchUp(t *testing.T) {
	for _, down := range []time.Duration{2 * time.Second, 5*time.Hour + 2*time.Second} {
		t.Run(down.String(), func(t *testing.T) { catchUpAfter(t, down) })
	}
}

// catchUpAfter has the server down from a second before the hour on.
func catchUpAfter(t *testing.T, down time.Duration) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.schedule("one", "0 * * * *", catalog.CatchUpOne)
		h.schedule("none", "0 * * * *", catalog.CatchUpNone)
		time.Sleep(time.Hour - time.Second)
		if err := h.Close(); err != nil {
			h.t.Fatal(err)
		}
		time.Sleep(down)
		h.st = h.st.Crash()
		h.open()
		time.Sleep(time.Minute)
		if got := h.all("t"); count(got, "one") != 1 || count(got, "none") != 0 {
			h.t.Fatalf("after what was missed: %v", got)
		}
		time.Sleep(time.Hour)
		if got := h.all("t"); count(got, "one") != 2 || count(got, "none") != 1 {
			h.t.Fatalf("an hour later: %v", got)
		}
	})
}

// Schedules of one topic that fire in the same moment, while some of them are put again: each fires once, in an order that a restart can follow.
func TestSchedulesOfOneTopicFireAtOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 8)
		const schedules, rounds = 40, 30
		for i := range schedules {
			h.schedule(fmt.Sprintf("s%02d", i), "* * * * *", catalog.CatchUpOne)
		}
		time.Sleep(time.Minute - time.Second)
		for range rounds {
			time.Sleep(time.Second)
			for i := range 5 {
				h.schedule(fmt.Sprintf("s%02d", i), "* * * * *", catalog.CatchUpOne)
			}
			time.Sleep(59 * time.Second)
		}
		h.restart()
		got := h.all("t")
		for i := range schedules {
			if name := fmt.Sprintf("s%02d", i); count(got, name) != rounds {
				h.t.Errorf("%s fired %d times in %d minutes", name, count(got, name), rounds)
			}
		}
	})
}
