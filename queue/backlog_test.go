package queue_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
)

func TestMaxBacklogHoldsPublishersBackUntilASettle(t *testing.T) {
	inBubble(t, func(h *house) {
		_, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Partitions, c.MaxBacklogRecords = 1, 2
			return c, nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.publish("t", "a", "b", "c") // nobody reads it: no backlog
		h.group("g", []string{"t"}, nil)
		one := []queue.Message{{Value: []byte("d")}}
		if _, _, err := h.Publish(h.t.Context(), "t", one, 0); !errors.Is(err, queue.ErrBacklogFull) {
			h.t.Fatalf("publish over the limit: %v", err)
		}
		began := time.Now()
		if _, _, err := h.Publish(h.t.Context(), "t", one, 3*time.Second); !errors.Is(err, queue.ErrBacklogFull) || time.Since(began) != 3*time.Second {
			h.t.Fatalf("after %v: %v", time.Since(began), err)
		}
		done := make(chan error)
		go func() {
			_, _, err := h.Publish(h.t.Context(), "t", one, time.Minute)
			done <- err
		}()
		synctest.Wait()
		ds := h.lease("g", 2, 0)
		if _, err := h.settle("g", ack, ds...); err != nil {
			h.t.Fatal(err)
		}
		if err := <-done; err != nil {
			h.t.Fatalf("publish with room: %v", err)
		}
		if got := h.totals("g"); got.Lag != 2 {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

// A publisher that waits for room goes by the topic as it is when there is room: another limit, another size of records.
func TestPublishersThatWaitSeeTheTopicChange(t *testing.T) {
	inBubble(t, func(h *house) {
		put := func(edit func(c *queue.TopicConfig)) {
			h.t.Helper()
			if _, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
				edit(&c)
				return c, nil
			}); err != nil {
				h.t.Fatal(err)
			}
		}
		put(func(c *queue.TopicConfig) { c.Partitions, c.MaxBacklogRecords = 1, 1 })
		h.group("g", []string{"t"}, nil)
		h.publish("t", "a")
		done := make(chan error, 2)
		for _, value := range []string{"b", "much longer"} {
			go func() {
				_, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{Value: []byte(value)}}, time.Minute)
				done <- err
			}()
		}
		synctest.Wait()
		began := time.Now()
		put(func(c *queue.TopicConfig) { c.MaxBacklogRecords, c.MaxRecordBytes = 0, 5 })
		first, second := <-done, <-done
		if time.Since(began) > time.Second {
			t.Errorf("woken after %v", time.Since(began))
		}
		if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), queue.ErrRecordTooLarge) {
			t.Errorf("published: %v, %v; one fits and one does not", first, second)
		}
	})
}
