package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// stuckOpens is a store whose logs cannot be opened while it is told so.
type stuckOpens struct {
	store.Store
	err error
}

func (s *stuckOpens) Open(ctx context.Context, id store.LogID) (store.Log, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Open(ctx, id)
}

func keepTopic(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) { return c, nil }

func partitions(n int) func(queue.TopicConfig, bool) (queue.TopicConfig, error) {
	return func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = n
		return c, nil
	}
}

// TestADeletionUnderWayHandsNothingOut asks for a lease while a group is being deleted: a letter of it could come behind the deletion. When that fails, it goes on.
func TestADeletionUnderWayHandsNothingOut(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publish("t", "a")
		asked := false
		h.st.SetFaults(memory.Faults{Meta: func(uint64) memory.Fate {
			if asked = true; len(h.lease("g", 1, 0)) != 0 {
				t.Error("a record is handed out")
			}
			return memory.Fate{Outcome: memory.Fence}
		}})
		if err := h.DeleteGroup(h.t.Context(), "g", false, queue.Condition{}); err == nil || !asked {
			t.Fatalf("a deletion that fails: %v, asked %t", err, asked)
		}
		h.st.SetFaults(memory.Faults{})
		if ds := h.lease("g", 1, time.Second); len(ds) != 1 {
			t.Fatalf("%d records are handed out after it", len(ds))
		}
		h.wantErr(h.DeleteGroup(h.t.Context(), "g", false, queue.Condition{}), queue.ErrGroupInUse)
	})
}

func TestPutTopicAgainAfterAFailedOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &stuckOpens{Store: memory.New(memory.Config{})}
		b, err := queue.Open(t.Context(), st, queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{2, 5} { // made, then grown
			st.err = errors.New("too many open files")
			if _, _, err := b.PutTopic(t.Context(), "t", queue.Condition{}, partitions(n)); !errors.Is(err, st.err) {
				t.Fatalf("%d partitions that cannot be opened: %v", n, err)
			}
			st.err = nil
			info, _, err := b.PutTopic(t.Context(), "t", queue.Condition{}, partitions(n))
			if err != nil || len(info.Partitions) != n {
				t.Fatalf("%d partitions again: %d, %v", n, len(info.Partitions), err)
			}
			last := n - 1
			if _, _, err := b.Publish(t.Context(), "t", []queue.Message{{Partition: &last}}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestClientThatHangsUpDuringAPut(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, n := range []int{2, 5} {
			ctx, cancel := context.WithCancel(h.t.Context())
			h.st.SetFaults(memory.Faults{Meta: func(uint64) memory.Fate {
				cancel()
				return memory.Fate{}
			}})
			_, _, err := h.PutTopic(ctx, "t", queue.Condition{}, partitions(n))
			h.st.SetFaults(memory.Faults{})
			if err != nil {
				h.t.Fatalf("put with %d partitions: %v", n, err)
			}
			if info, created, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, keepTopic); err != nil || created || len(info.Partitions) != n {
				h.t.Fatalf("the next put: %+v, %v", info, err)
			}
		}
	})
}

func TestPublishChangesNothingOfItsCallers(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		msgs := []queue.Message{{Value: []byte("a"), Delay: time.Minute, ID: "a"}, {Value: []byte("b"), DeliverAt: time.Now().Add(time.Hour)}, {Value: []byte("c"), TTL: time.Hour}}
		was := slices.Clone(msgs)
		for range 2 { // the second time, a minute counts from then
			h.publishMsgs("t", msgs...)
			for i := range msgs {
				if msgs[i].Delay != was[i].Delay || !msgs[i].DeliverAt.Equal(was[i].DeliverAt) || len(msgs[i].Headers) != 0 {
					h.t.Fatalf("message %d is %+v", i, msgs[i])
				}
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// A schedule is deleted in the very moment in which it fires: what fired is seen by then, and nothing comes after.
func TestDeletedScheduleFiresNoMore(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		for range 100 {
			h.schedule("often", "* * * * *", catalog.CatchUpOne)
			time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
			if err := h.DeleteSchedule(h.t.Context(), "often", queue.Condition{}); err != nil {
				h.t.Fatal(err)
			}
			n := len(h.all("t"))
			time.Sleep(2 * time.Minute)
			if got := len(h.all("t")); got != n {
				h.t.Fatalf("a deleted schedule fired: %d records became %d", n, got)
			}
		}
	})
}
