package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

// TestWorkSettlesRide: with every slot taken, a settle goes with the lease call that its slot is for.
func TestWorkSettlesRide(t *testing.T) {
	inBubble(t, []string{"a", "b", "c"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		end := working(t, c, func(_ context.Context, r *Record) error {
			time.Sleep(time.Second)
			if string(r.Value) == "b" {
				return errors.New("why")
			}
			return nil
		})
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"ack a", "ack c", "nack b: why"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		f.mu.Lock()
		if len(f.settles) != 0 || len(f.asked) < 4 || f.most != 1 {
			t.Errorf("%d settles by themselves, %d lease calls, %d leases at a time; want 0, at least 4, 1", len(f.settles), len(f.asked), f.most)
		}
		f.mu.Unlock()
		if err := end(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWorkSettlesPastParkedLease: a settle does not wait for a lease call that waits for records itself.
func TestWorkSettlesPastParkedLease(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		end := working(t, c, func(context.Context, *Record) error { time.Sleep(time.Second); return nil }, Concurrency(2))
		time.Sleep(time.Second + time.Millisecond)
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" || len(f.settles) != 1 {
			t.Errorf("%d settles, %s", len(f.settles), diff)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWorkRideLost: a lease that is lost when its settle comes is reported, and its slot goes on.
func TestWorkRideLost(t *testing.T) {
	inBubble(t, []string{"a", "b"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var reported []error
		end := working(t, c, func(_ context.Context, r *Record) error {
			time.Sleep(time.Second)
			if string(r.Value) == "a" {
				f.takeAway()
			}
			return nil
		}, OnError(func(err error) { reported = append(reported, err) }))
		time.Sleep(3 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack b"}, f.sorted()); diff != "" || len(f.settles) != 0 {
			t.Errorf("%d settles, %s", len(f.settles), diff)
		}
		if len(reported) != 1 || !errors.Is(reported[0], ErrLeaseLost) || !strings.HasPrefix(reported[0].Error(), "settle t/0/0: ") {
			t.Errorf("reported: %v", reported)
		}
	})
}

// TestWorkRideRefused: when the lease call is refused, what it carried is settled by itself.
func TestWorkRideRefused(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		finish := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- c.Work(t.Context(), "g", func(context.Context, *Record) error { <-finish; return nil })
		}()
		synctest.Wait()
		f.mu.Lock()
		f.refuse = &api.Problem{Status: 404, Code: api.TopicNotFound}
		f.mu.Unlock()
		close(finish)
		if err := <-done; !errors.Is(err, ErrTopicNotFound) {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" || len(f.settles) != 1 {
			t.Errorf("%d settles, %s", len(f.settles), diff)
		}
	})
}

// TestWorkRideUnanswered: a settle whose lease call is not answered is repeated by itself, as soon as one that was by
// itself would have been: well before its lease is over.
func TestWorkRideUnanswered(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		f.silent = func(in api.LeaseRequest) bool { return in.Settle != nil }
		var reported []error
		end := working(t, c, func(context.Context, *Record) error { time.Sleep(time.Second); return nil },
			OnError(func(err error) { reported = append(reported, err) }))
		time.Sleep(time.Second + settleTry - time.Millisecond)
		if n := len(f.sorted()); n != 0 {
			t.Errorf("%d settled without an answer", n)
		}
		time.Sleep(2 * time.Millisecond)
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if len(reported) != 1 || !errors.Is(reported[0], ErrUnknown) {
			t.Errorf("reported: %v", reported)
		}
	})
}

// TestWorkRideAtTheEnd: a settle whose lease call is parked when the worker stops is known to have happened.
func TestWorkRideAtTheEnd(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		end := working(t, c, func(context.Context, *Record) error { time.Sleep(time.Second); return nil }, OnError(func(err error) { t.Error(err) }))
		time.Sleep(2 * time.Second)
		start := time.Now()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" || len(f.settles) != 0 || time.Since(start) != 0 {
			t.Errorf("%d settles, ended in %v, %s", len(f.settles), time.Since(start), diff)
		}
	})
}

// TestWorkKeepsRequestKey: a lease call without an answer keeps its key while the server is away, and gets its leases.
func TestWorkKeepsRequestKey(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, n *network, c *Client) {
		var calls atomic.Int32
		f.noAnswer = func() bool { return calls.Add(1) == 1 }
		var reported atomic.Int32
		end := working(t, c, func(context.Context, *Record) error { return nil }, OnError(func(err error) {
			if reported.Add(1) == 1 {
				n.down()
			}
		}))
		time.Sleep(3 * time.Second)
		if reported.Load() < 2 {
			t.Error("the server was never away")
		}
		n.up()
		time.Sleep(15 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" || f.handed != 1 || f.asked[0].Request != f.asked[1].Request {
			t.Errorf("%d hand-outs, %s", f.handed, diff)
		}
	})
}

func TestWorkPublishes(t *testing.T) {
	inBubble(t, []string{"a", "b", "c"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var kept *Record
		end := working(t, c, func(_ context.Context, r *Record) error {
			kept = r
			time.Sleep(time.Second)
			for i, topic := range []string{"x", "y", "x"} {
				if err := r.Publish(topic, Text(fmt.Sprintf("%s%d", r.Value, i))); err != nil {
					t.Error(err)
				}
			}
			if err := r.Publish("x", Value{}); err == nil {
				t.Error("no value is a value")
			}
			switch string(r.Value) {
			case "b":
				return errors.New("why")
			case "c":
				return Release()
			}
			return nil
		})
		time.Sleep(5 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		want := []string{"ack a", "nack b: why", "publish x: a0", "publish x: a2", "publish y: a1", "release c"}
		if diff := cmp.Diff(want, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if len(f.settles) != 1 || f.settles[0].Request == "" || len(f.settles[0].Publish) != 2 {
			t.Errorf("settles by themselves: %+v", f.settles)
		}
		if err := kept.Publish("x", Text("late")); !errors.Is(err, errNoHandler) {
			t.Errorf("after the handler: %v", err)
		}
	})
}

// TestWorkPublishesOnce: an ack with records whose answer is lost is repeated under its key.
func TestWorkPublishesOnce(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		tries := 0
		f.noSettled = func() bool { tries++; return true }
		end := working(t, c, func(_ context.Context, r *Record) error { return r.Publish("x", Text("new")) })
		time.Sleep(time.Minute)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack a", "publish x: new"}, f.sorted()); diff != "" || tries != 1 {
			t.Errorf("applied %d times, %s", tries, diff)
		}
		if len(f.settles) != 2 || f.settles[0].Request != f.settles[1].Request {
			t.Errorf("settles: %+v", f.settles)
		}
	})
}

// TestWorkPublishRefused: a record whose new records cannot be published has failed.
func TestWorkPublishRefused(t *testing.T) {
	inBubble(t, []string{"a", "b"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		f.settle = func(in api.SettleRequest) *api.Problem {
			if len(in.Publish) > 0 {
				return &api.Problem{Status: 422, Code: api.SchemaViolation, Detail: "no number"}
			}
			return nil
		}
		var reported []error
		end := working(t, c, func(_ context.Context, r *Record) error {
			if string(r.Value) == "b" {
				return nil
			}
			return r.Publish("x", Text("new"))
		}, OnError(func(err error) { reported = append(reported, err) }))
		time.Sleep(time.Minute)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack b", "nack a: publish: schema_violation: no number"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if len(reported) != 1 || !errors.Is(reported[0], ErrSchemaViolation) {
			t.Errorf("reported: %v", reported)
		}
	})
}

func TestPublishWithoutHandler(t *testing.T) {
	if err := (&Record{}).Publish("x", Text("v")); !errors.Is(err, errNoHandler) {
		t.Error(err)
	}
	r := &Record{outbox: &outbox{}}
	for range maxOutbox {
		if err := r.Publish("x", Text("v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Publish("x", Text("v")); err == nil || errors.Is(err, errNoHandler) {
		t.Errorf("one more than %d: %v", maxOutbox, err)
	}
}

// atomically is a settle that publishes.
func atomically(t *testing.T, receipt string) api.SettleRequest {
	r, err := NewRecord(Text("new"))
	if err != nil {
		t.Fatal(err)
	}
	return api.SettleRequest{Ack: []string{receipt}, Publish: []api.TopicRecords{{Topic: "x", Records: []api.NewRecord{r}}}}
}

func TestSettleAndPublish(t *testing.T) {
	unknown := []api.Problem{{}, {Status: 500, Code: api.Internal}, {Status: 507, Code: api.StorageFull}}
	tests := []struct {
		name    string
		answers []api.Problem // before the one that is good; status 0 breaks the connection
		wantErr error
		tries   int
	}{
		{"at once", nil, nil, 1},
		{"unknown three times", unknown, nil, 4},
		{"refused", []api.Problem{{Status: 409, Code: api.AlreadySettled}}, ErrAlreadySettled, 1},
		{"full", []api.Problem{{Status: 507, Code: api.StorageFull}}, ErrStorageFull, 1},
		{"lost after unknown", []api.Problem{{}, {Status: 409, Code: api.LeaseLost}}, ErrLeaseLost, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
				records, err := c.Lease(t.Context(), "g", LeaseOptions{})
				if err != nil {
					t.Fatal(err)
				}
				tries := 0
				keys := map[string]bool{}
				f.settle = func(in api.SettleRequest) *api.Problem {
					keys[in.Request] = true
					if tries++; tries <= len(tt.answers) {
						return &tt.answers[tries-1]
					}
					return nil
				}
				out, err := c.SettleAndPublish(t.Context(), "g", atomically(t, records[0].Receipt))
				if !errors.Is(err, tt.wantErr) || err == nil && (out.Settled != 1 || len(out.Records) != 1) {
					t.Errorf("%+v, %v", out, err)
				}
				if tries != tt.tries || len(keys) != 1 || keys[""] {
					t.Errorf("%d tries with the keys %v", tries, keys)
				}
			})
		})
	}
}

// TestSettleAndPublishGivesUp: without an answer, the outcome is unknown in the end.
func TestSettleAndPublishGivesUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fakeGroup, n *network, c *Client) {
		f.settle = func(api.SettleRequest) *api.Problem { return &api.Problem{} }
		start := time.Now()
		if _, err := c.SettleAndPublish(t.Context(), "g", atomically(t, "r")); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		if d := time.Since(start); d < repeatFor || d > repeatFor+2*lastPause {
			t.Errorf("gave up after %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.SettleAndPublish(ctx, "g", atomically(t, "r")); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		if _, err := c.SettleAndPublish(ctx, "g", atomically(t, "r")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknown) {
			t.Errorf("not even sent: %v", err)
		}
		n.down()
		if _, err := c.SettleAndPublish(t.Context(), "g", atomically(t, "r")); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	})
}

func TestSettleAndLease(t *testing.T) {
	inBubble(t, []string{"a", "b"}, func(t *testing.T, _ *fakeGroup, _ *network, c *Client) {
		records, err := c.Lease(t.Context(), "g", LeaseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := api.SettleRequest{Ack: []string{records[0].Receipt, "gone"}}
		settled, records, err := c.SettleAndLease(t.Context(), "g", s, LeaseOptions{})
		if err != nil || len(records) != 1 || string(records[0].Value) != "b" {
			t.Errorf("%v, %v", records, err)
		}
		want := api.SettleResponse{Settled: 1, Failed: []api.SettleFailure{{Receipt: "gone", Code: api.LeaseLost}}}
		if diff := cmp.Diff(want, settled); diff != "" {
			t.Error(diff)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, c := newNetwork(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, api.LeaseResponse{}) }))
		_, _, err := c.SettleAndLease(t.Context(), "g", api.SettleRequest{Ack: []string{"r"}}, LeaseOptions{})
		if !errors.Is(err, ErrUnknown) || !errors.Is(err, ErrAnswer) {
			t.Errorf("an answer without settle: %v", err)
		}
	})
}
