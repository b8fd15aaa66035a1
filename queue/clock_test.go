package queue_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

// wall is a wall clock that can be set.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time       { return time.Now().Add(time.Duration(w.ahead.Load())).Round(0) }
func (w *wall) jump(d time.Duration) { w.ahead.Add(int64(d)) }

// setting lets the house's broker follow a wall clock.
func (h *house) setting(w *wall) {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatalf("close: %v", err)
	}
	h.st = h.st.Crash()
	b, err := queue.Open(h.t.Context(), h.st, queue.Config{Wall: w.now})
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.Broker = b
}

// TestEmptiedLogKeepsItsTime: a log of which nothing is left took no record after a restart with the clock set back, and the server ended over it.
func TestEmptiedLogKeepsItsTime(t *testing.T) {
	inBubble(t, func(h *house) {
		w := &wall{}
		h.setting(w)
		h.topic("t", 1)
		h.group("g", []string{"t"}, nil)
		h.publishMsgs("t", queue.Message{Value: []byte("one"), Delay: time.Second})
		time.Sleep(2 * time.Second)
		w.jump(-time.Hour)
		h.setting(w)
		places := h.publishMsgs("t", queue.Message{Value: []byte("two"), Delay: time.Second}, queue.Message{Value: []byte("three")})
		if want := w.now().Add(time.Second); !places[0].Timestamp.Equal(want) {
			t.Errorf("due at %v, want %v", places[0].Timestamp, want)
		}
		if ds := h.lease("g", 3, 2*time.Second); len(ds) != 2 || ds[1].Record.Timestamp.Before(ds[0].Record.Timestamp) {
			t.Errorf("%+v", ds)
		}
	})
}

// TestClockJumps: what is a time goes on as it went; what is a date follows the wall clock.
func TestClockJumps(t *testing.T) {
	for _, d := range []time.Duration{-3 * time.Hour, -300 * time.Millisecond, 5 * time.Second, 3 * time.Hour} {
		inBubble(t, func(h *house) {
			w := &wall{}
			h.setting(w)
			h.topic("t", 1)
			h.group("g", []string{"t"}, func(c *queue.GroupConfig) {
				c.Lease, c.Backoff.Initial, c.Backoff.Jitter = 10*time.Second, 8*time.Second, 0
			})
			h.publish("t", "leased", "nacked")
			ds := h.lease("g", 2, 0)
			if _, err := h.settle("g", nack, ds[1]); err != nil {
				t.Fatal(err)
			}
			w.jump(d)
			h.publishMsgs("t", queue.Message{Value: []byte("lives"), TTL: 2 * time.Second})
			if ds := h.lease("g", 1, 0); len(ds) != 1 || !ds[0].ExpiresAt.Equal(w.now().Add(10*time.Second)) || ds[0].ExpiresIn != 10*time.Second {
				t.Fatalf("jump %v: %+v; it is %v", d, ds, w.now())
			} else if _, err := h.settle("g", ack, ds[0]); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for i, after := range []time.Duration{8 * time.Second, 10 * time.Second} {
				if ds := h.lease("g", 1, time.Minute); len(ds) != 1 || time.Since(began) != after || ds[0].Attempt != 2 {
					t.Fatalf("jump %v, %d: %+v after %v", d, i, ds, time.Since(began))
				}
			}
		})
	}
}

// TestBackoffOutlastsAClockSetBack: a restart with the clock set back by hours makes nobody wait for hours.
func TestBackoffOutlastsAClockSetBack(t *testing.T) {
	inBubble(t, func(h *house) {
		w := &wall{}
		h.setting(w)
		h.topic("t", 1)
		h.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Backoff.Initial, c.Backoff.Jitter = 8*time.Second, 0 })
		h.publish("t", "x")
		if _, err := h.settle("g", nack, h.lease("g", 1, 0)...); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.jump(-3 * time.Hour)
			h.setting(w)
		}
		began := time.Now()
		if ds := h.lease("g", 1, time.Minute); len(ds) != 1 || time.Since(began) != 8*time.Second {
			t.Fatalf("%+v after %v", ds, time.Since(began))
		}
	})
}

// TestOrderedMembersAreSeenByTheWallClock: when a member of an ordered group was heard of last stood in the time of the clock that sessions run on.
func TestOrderedMembersAreSeenByTheWallClock(t *testing.T) {
	for _, d := range []time.Duration{-3 * time.Hour, 5 * time.Second} {
		inBubble(t, func(h *house) {
			w := &wall{}
			h.setting(w)
			h.topic("t", 1)
			h.join("g", "m", "t")
			time.Sleep(2 * time.Second)
			w.jump(d)
			info, err := h.Group(t.Context(), "g")
			if err != nil {
				t.Fatal(err)
			}
			if want := w.now().Add(-2 * time.Second); len(info.Members) != 1 || !info.Members[0].LastSeen.Equal(want) {
				t.Errorf("jump %v: %+v; want %v", d, info.Members, want)
			}
		})
	}
}

// TestLeasesAreNeverShort: the clock counts whole milliseconds, but what begins in the middle of one lasts as long as it was said, by a parked call and by one that
// comes a microsecond before: a lease, an extension, a backoff.
func TestLeasesAreNeverShort(t *testing.T) {
	const length, part, left = 2 * time.Second, 900 * time.Microsecond, time.Microsecond
	for name, begin := range map[string]func(h *house) queue.Delivery{
		"lease": func(h *house) queue.Delivery { return h.lease("g", 1, 0)[0] },
		"extension": func(h *house) queue.Delivery {
			d := h.lease("g", 1, 0)[0]
			time.Sleep(1500*time.Millisecond + 50*time.Microsecond)
			h.settle("g", func(d queue.Delivery) queue.Action { return queue.Action{Receipt: d.Receipt, Verb: queue.Extend} }, d)
			return d
		},
		"backoff": func(h *house) queue.Delivery {
			d := h.lease("g", 1, 0)[0]
			h.settle("g", nack, d)
			return d
		},
	} {
		inBubble(t, func(h *house) {
			h.topic("t", 1)
			h.group("g", []string{"t"}, func(c *queue.GroupConfig) {
				c.Lease, c.Backoff.Initial, c.Backoff.Jitter = length, length, 0
			})
			h.publish("t", "a")
			time.Sleep(part)
			if d := begin(h); d.ExpiresIn > length {
				h.t.Errorf("%s: expires in %v, of %v", name, d.ExpiresIn, length)
			}
			begun := time.Now()
			time.Sleep(length - left)
			if ds := h.lease("g", 1, 0); len(ds) > 0 {
				h.t.Errorf("%s: over %v early", name, left)
			}
			if ds := h.lease("g", 1, time.Second); len(ds) != 1 || time.Since(begun) < length || time.Since(begun) > length+time.Millisecond {
				h.t.Errorf("%s: %d delivered after %v", name, len(ds), time.Since(begun))
			}
		})
	}
}
