package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
)

// asked is a poll under way.
type asked struct {
	ans queue.PollAnswer
	err error
}

func (r *reader) park(ctx context.Context, wait time.Duration) chan asked {
	out := make(chan asked, 1)
	req := queue.PollRequest{Member: r.Member, Epoch: r.Epoch, Owned: r.owned(), Max: 10, Wait: wait}
	go func() {
		ans, err := r.h.Poll(ctx, r.group, req)
		out <- asked{ans, err}
	}()
	synctest.Wait()
	return out
}

func TestAParkedPollIsWoken(t *testing.T) {
	for name, wake := range map[string]struct {
		do   func(h *house, r *reader)
		want string
	}{
		"by a record":       {func(h *house, _ *reader) { h.publishTo("t", 1, "x") }, "1 records, 2 assigned, 0 revoked, <nil>"},
		"by another member": {func(h *house, _ *reader) { h.join("g", "b", "t") }, "0 records, 1 assigned, 1 revoked, <nil>"},
		"by one more":       {func(h *house, _ *reader) { h.topic("t", 3) }, "0 records, 3 assigned, 0 revoked, <nil>"},
		"by the shutdown":   {func(h *house, _ *reader) { h.Stop() }, "0 records, 2 assigned, 0 revoked, <nil>"},
		"by its leave":      {func(_ *house, r *reader) { r.leave() }, "0 records, 0 assigned, 0 revoked, not a member of the group"},
		"by the end of its group": {func(h *house, _ *reader) {
			if err := h.DeleteGroup(h.t.Context(), "g", true, queue.Condition{}); err != nil {
				h.t.Error(err)
			}
		}, "0 records, 0 assigned, 0 revoked, no such group"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *house) {
				h.topic("t", 2)
				r := h.join("g", "a", "t").poll()
				got := r.park(h.t.Context(), time.Minute)
				select {
				case a := <-got:
					h.t.Fatalf("it did not wait: %+v", a)
				default:
				}
				began := time.Now()
				wake.do(h, r)
				a := <-got
				err := fmt.Sprint(a.err)
				err = err[strings.LastIndex(err, ": ")+1:]
				if s := fmt.Sprintf("%d records, %d assigned, %d revoked, %s", len(a.ans.Records), len(a.ans.Assignment), len(a.ans.Revoke), strings.TrimSpace(err)); s != wake.want {
					h.t.Errorf("%s, want %s", s, wake.want)
				}
				if time.Since(began) != 0 {
					h.t.Errorf("after %v", time.Since(began))
				}
			})
		})
	}
}

// Whoever waits hears that the group is gone, and not that it has nothing to read any more.
func TestTheEndOfAGroupIsOneStep(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		for range 20 {
			r := h.join("g", "a", "t").poll()
			req := queue.PollRequest{Member: r.Member, Epoch: r.Epoch, Owned: r.owned(), Max: 10, Wait: time.Minute}
			polls := make(chan asked)
			const many = 500 // so that one of them is quick
			for range many {
				go func() {
					ans, err := h.Poll(h.t.Context(), "g", req)
					polls <- asked{ans, err}
				}()
			}
			synctest.Wait()
			if err := h.DeleteGroup(h.t.Context(), "g", true, queue.Condition{}); err != nil {
				h.t.Fatal(err)
			}
			wrong := 0
			for range many {
				if a := <-polls; !errors.Is(a.err, queue.ErrGroupNotFound) {
					wrong++
				}
			}
			if wrong > 0 {
				h.t.Fatalf("%d of %d were told something else", wrong, many)
			}
		}
	})
}

func TestAPollWhoseClientIsGoneEnds(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		r := h.join("g", "a", "t")
		ctx, cancel := context.WithCancel(h.t.Context())
		got := r.park(ctx, time.Minute)
		cancel()
		if a := <-got; !errors.Is(a.err, context.Canceled) {
			h.t.Errorf("%+v", a)
		}
	})
}

func TestAPausedGroupParks(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.publish("t", "a")
		r := h.join("g", "a", "t")
		pause := func(on bool) {
			_, _, err := h.PutGroup(h.t.Context(), "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
				c.Config.Paused = on
				return c, nil
			})
			if err != nil {
				h.t.Fatal(err)
			}
		}
		pause(true)
		got := r.park(h.t.Context(), time.Minute)
		time.Sleep(time.Second)
		if err := h.commitAt(r, at("t", 0, 0)); err != nil { // commits go on
			h.t.Error(err)
		}
		pause(false)
		if a := <-got; len(a.ans.Records) != 1 {
			h.t.Errorf("%+v", a)
		}
	})
}

func TestAPollIsFairAndKeepsToMaxBytes(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 3)
		r := h.join("g", "a", "t")
		big := strings.Repeat("x", 1000)
		for range 100 {
			h.publishTo("t", 0, big)
		}
		h.publishTo("t", 1, "b")
		h.publishTo("t", 2, "c")
		ask := func(max int, bytes int64) map[int]int {
			ans, err := h.Poll(h.t.Context(), "g", queue.PollRequest{Member: r.Member, Epoch: r.Epoch, Owned: r.owned(), Max: max, MaxBytes: bytes})
			if err != nil {
				h.t.Fatal(err)
			}
			n, size := map[int]int{}, 0
			for _, d := range ans.Records {
				n[d.Partition]++
				size += len(d.Value)
			}
			if int64(size) > bytes && bytes > 0 && len(ans.Records) > 1 {
				h.t.Errorf("%d bytes of %d in %d records", size, bytes, len(ans.Records))
			}
			r.take(ans)
			return n
		}
		if n := ask(10, 0); n[0] != 8 || n[1] != 1 || n[2] != 1 { // what the others leave is the first one's
			h.t.Errorf("%v", n)
		}
		if n := ask(10, 500); n[0] != 1 { // a larger one comes alone
			h.t.Errorf("%v", n)
		}
		if n := ask(10, 5500); n[0] != 5 {
			h.t.Errorf("%v", n)
		}
		h.publishTo("t", 1, "b", "b")
		h.publishTo("t", 2, "c", "c")
		seen := map[int]int{}
		for range 40 { // one record a poll: nobody waits for the end of the long one
			for p, n := range ask(1, 0) {
				seen[p] += n
			}
		}
		if seen[1] != 2 || seen[2] != 2 || seen[0] != 36 {
			h.t.Errorf("%v", seen)
		}
	})
}

func TestOrderedReadersSkipHoles(t *testing.T) {
	inBubble(t, func(h *house) {
		_, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Partitions, c.Cleanup = 1, "compact"
			return c, nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.join("g", "a", "t")
		for i := range 50 {
			if _, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{Key: []byte{byte('a' + i%2)}, Value: fmt.Append(nil, i)}}, 0); err != nil {
				h.t.Fatal(err)
			}
		}
		time.Sleep(time.Hour) // all but the newest of each key are gone
		r := h.join("g", "a", "t")
		if lag := h.totals("g").Lag; lag != 2 {
			h.t.Errorf("lag %d", lag)
		}
		r.poll()
		if got := strings.Join(r.read, " "); got != "t/0:48 t/0:49" || len(r.last.Moved) > 0 {
			h.t.Errorf("read %s, moved %v", got, r.last.Moved)
		}
		if err := r.commit(); err != nil {
			h.t.Error(err)
		}
		if lag := h.totals("g").Lag; lag != 0 {
			h.t.Errorf("lag %d", lag)
		}
	})
}
