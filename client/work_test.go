package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

func TestWorkVerdicts(t *testing.T) {
	texts := []string{"ok", "error", "reject", "later", "release", "panic", "exit", "wrapped"}
	inBubble(t, texts, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var stack string
		f.settle = func(in api.SettleRequest) *api.Problem {
			for _, n := range in.Nack {
				if n.Error.Type == "panic" {
					stack = n.Error.Stack
				}
			}
			return nil
		}
		cause := errors.New("why")
		end := working(t, c, func(_ context.Context, r *Record) error {
			switch string(r.Value) {
			case "error":
				return cause
			case "reject":
				return Reject(cause)
			case "later":
				return RetryAfter(cause, time.Hour)
			case "release":
				return Release()
			case "panic":
				panic("ouch")
			case "exit":
				runtime.Goexit()
			case "wrapped":
				return fmt.Errorf("step 2: %w", Reject(cause))
			}
			return nil
		}, Concurrency(3), Topics("t"), Member("m"))
		synctest.Wait()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"ack ok", "nack error: why", "nack exit: the handler ended its goroutine", "nack later in 1h: why",
			"nack panic: panic: ouch", "reject reject: why", "reject wrapped: step 2: why", "release release",
		}
		if diff := cmp.Diff(want, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(stack, "TestWorkVerdicts") || len(stack) > maxStackBytes {
			t.Errorf("the panic's stack does not show the handler: %q", stack)
		}
		if first := f.asked[0]; first.Member != "m" || !slices.Equal(first.Topics, []string{"t"}) || first.Max != 3 || first.Wait == 0 {
			t.Errorf("asked for %+v", first)
		}
		if f.most > 3 {
			t.Errorf("%d leases held by 3 handlers", f.most)
		}
	})
}

func TestWorkNeverHoldsMoreThanSlots(t *testing.T) {
	for _, prefetch := range []int{0, 3} {
		t.Run(fmt.Sprint(prefetch), func(t *testing.T) {
			var texts []string
			for i := range 40 {
				texts = append(texts, fmt.Sprint(i))
			}
			inBubble(t, texts, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
				var mu sync.Mutex
				var running, most int
				end := working(t, c, func(context.Context, *Record) error {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					defer mu.Unlock()
					running--
					return nil
				}, Concurrency(4), Prefetch(prefetch))
				time.Sleep(time.Minute)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if most != 4 || f.most != 4+prefetch || len(f.events) != len(texts) {
					t.Errorf("%d handlers, %d leases at a time, %d settled; want 4, %d, %d", most, f.most, len(f.events), 4+prefetch, len(texts))
				}
			})
		})
	}
}

func TestWorkExtends(t *testing.T) {
	inBubble(t, []string{"slow"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var extensions []string
		start := time.Now()
		f.settle = func(in api.SettleRequest) *api.Problem {
			for _, e := range in.Extend {
				extensions = append(extensions, fmt.Sprintf("at %v for %v", time.Since(start), time.Duration(*e.For)))
			}
			return nil
		}
		end := working(t, c, func(ctx context.Context, _ *Record) error {
			time.Sleep(50 * time.Second)
			return context.Cause(ctx)
		})
		time.Sleep(time.Minute)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"at 15s for 30s", "at 30s for 30s", "at 45s for 30s"}, extensions); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"ack slow"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWorkExtendsThroughTrouble: an extension without an answer is tried again while the lease is still good.
func TestWorkExtendsThroughTrouble(t *testing.T) {
	inBubble(t, []string{"slow"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		tries := 0
		f.settle = func(in api.SettleRequest) *api.Problem {
			if len(in.Extend) > 0 {
				if tries++; tries <= 3 {
					return &api.Problem{Status: 503, Code: api.Unavailable}
				}
			}
			return nil
		}
		end := working(t, c, func(ctx context.Context, _ *Record) error {
			time.Sleep(40 * time.Second)
			return context.Cause(ctx)
		})
		time.Sleep(time.Minute)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack slow"}, f.sorted()); diff != "" || tries < 4 {
			t.Errorf("%d tries, %s", tries, diff)
		}
	})
}

func TestWorkLostLease(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var settles []api.SettleRequest
		f.settle = func(in api.SettleRequest) *api.Problem {
			settles = append(settles, in)
			return nil
		}
		var cause error
		var reported []error
		end := working(t, c, func(ctx context.Context, _ *Record) error {
			f.takeAway()
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		}, OnError(func(err error) { reported = append(reported, err) }))
		time.Sleep(20 * time.Second)
		f.publish()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(cause, ErrLeaseLost) {
			t.Errorf("cause of the handler's context: %v", cause)
		}
		if len(settles) != 1 || len(settles[0].Extend) != 1 {
			t.Errorf("a lost lease was settled: %+v", settles)
		}
		if len(reported) != 1 || !errors.Is(reported[0], ErrLeaseLost) {
			t.Errorf("reported: %v", reported)
		}
	})
}

func TestWorkDrains(t *testing.T) {
	inBubble(t, []string{"running", "waiting 1", "waiting 2"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		finish := make(chan struct{})
		var atEnd error
		end := working(t, c, func(ctx context.Context, _ *Record) error {
			<-finish
			atEnd = ctx.Err()
			return nil
		}, Prefetch(2))
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- end() }()
		synctest.Wait()
		if diff := cmp.Diff([]string{"release waiting 1", "release waiting 2"}, f.sorted()); diff != "" {
			t.Errorf("before the handler ended: %s", diff)
		}
		select {
		case err := <-done:
			t.Fatalf("Work did not wait for its handler: %v", err)
		default:
		}
		leases := len(f.asked)
		f.publish("late")
		time.Sleep(time.Minute) // well beyond the lease, which must be kept
		close(finish)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if atEnd != nil {
			t.Errorf("the handler's context ended with Work's: %v", atEnd)
		}
		if diff := cmp.Diff([]string{"ack running", "release waiting 1", "release waiting 2"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if len(f.asked) != leases {
			t.Error("leased after its context had ended")
		}
	})
}

// TestWorkEndsParkedPoll: leases that the server hands out just when the worker stops are not lost.
func TestWorkEndsParkedPoll(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		end := working(t, c, func(context.Context, *Record) error { return errors.New("started after the end") }, Concurrency(5))
		synctest.Wait()
		start := time.Now()
		f.mu.Lock()
		f.ready = []string{"a", "b"} // come with the second call, without waking the first
		f.mu.Unlock()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"release a", "release b"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if len(f.asked) != 2 || f.asked[0].Request == "" || f.asked[0].Request != f.asked[1].Request || f.asked[1].Wait != 0 {
			t.Errorf("asked %+v", f.asked)
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("ending an idle worker took %v", d)
		}
	})
}

// TestWorkLostAnswer: leases in an answer that broke on its way come with the next call, by its request key.
func TestWorkLostAnswer(t *testing.T) {
	inBubble(t, []string{"a", "b"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var calls atomic.Int32
		f.noAnswer = func() bool { return calls.Add(1) <= 2 }
		end := working(t, c, func(context.Context, *Record) error { return nil }, Concurrency(2))
		time.Sleep(10 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack a", "ack b"}, f.sorted()); diff != "" || f.handed != 2 {
			t.Errorf("%d hand-outs, want 2; %s", f.handed, diff)
		}
	})
}

func TestWorkSurvivesRestart(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, n *network, c *Client) {
		finish := make(chan struct{})
		var mu sync.Mutex
		var unreachable, refused int
		end := working(t, c, func(_ context.Context, r *Record) error {
			if string(r.Value) == "a" {
				<-finish
			}
			return nil
		}, Concurrency(2), OnError(func(err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrUnreachable):
				unreachable++
			case errors.Is(err, ErrShuttingDown):
				refused++
			}
		}))
		synctest.Wait()
		n.down()
		close(finish) // the settle finds nobody
		time.Sleep(10 * time.Second)
		f.mu.Lock()
		f.refuse = &api.Problem{Status: 503, Code: api.ShuttingDown, RetryAfterMS: 1000}
		f.mu.Unlock()
		n.up()
		time.Sleep(20 * time.Second)
		f.mu.Lock()
		f.refuse = nil
		f.mu.Unlock()
		f.publish("b")
		time.Sleep(30 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ack a", "ack b"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
		if unreachable == 0 || refused == 0 || unreachable+refused > 100 {
			t.Errorf("%d times unreachable, %d refused: want some of each, and pauses between", unreachable, refused)
		}
	})
}

// TestWorkRepeatsSettles: until it is answered, a settle goes out again and again with the same receipt.
func TestWorkRepeatsSettles(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		var acks []string
		f.settle = func(in api.SettleRequest) *api.Problem {
			acks = append(acks, in.Ack...)
			switch len(acks) {
			case 1:
				return &api.Problem{} // the connection breaks
			case 2:
				return &api.Problem{Status: 500, Code: api.Internal}
			case 3:
				return &api.Problem{Status: 507, Code: api.StorageFull}
			}
			return nil
		}
		end := working(t, c, func(context.Context, *Record) error { return nil })
		time.Sleep(10 * time.Second)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a#1", "a#1", "a#1", "a#1"}, acks); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWorkGivesUpSettles: with the server gone for good, an ended Work says which outcome it does not know.
func TestWorkGivesUpSettles(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, _ *fakeGroup, n *network, c *Client) {
		end := working(t, c, func(context.Context, *Record) error { n.down(); return nil })
		time.Sleep(time.Second)
		start := time.Now()
		if err := end(); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
		if d := time.Since(start); d < settleGrace || d > settleGrace+2*lastPause {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestWorkRefused(t *testing.T) {
	inBubble(t, []string{"a"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		finish := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- c.Work(t.Context(), "g", func(context.Context, *Record) error { <-finish; return nil }, Concurrency(2))
		}()
		synctest.Wait()
		f.mu.Lock()
		f.refuse = &api.Problem{Status: 404, Code: api.GroupNotFound}
		f.mu.Unlock()
		f.publish()
		time.Sleep(time.Minute)
		close(finish)
		if err := <-done; !errors.Is(err, ErrGroupNotFound) {
			t.Errorf("%v", err)
		}
		if diff := cmp.Diff([]string{"ack a"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWorkGrace(t *testing.T) {
	inBubble(t, []string{"a", "b"}, func(t *testing.T, f *fakeGroup, _ *network, c *Client) {
		end := working(t, c, func(ctx context.Context, r *Record) error {
			<-ctx.Done()
			if string(r.Value) == "b" {
				return errors.New("broken anyway")
			}
			return ctx.Err()
		}, Concurrency(2), Grace(5*time.Second))
		time.Sleep(time.Second)
		start := time.Now()
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("ended after %v", d)
		}
		if diff := cmp.Diff([]string{"nack b: broken anyway", "release a"}, f.sorted()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWorkOptions(t *testing.T) {
	c, err := New(DefaultServer)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]WorkOption{"no handler": Concurrency(0), "less than none": Prefetch(-1)} {
		if err := c.Work(t.Context(), "g", nil, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWorkerError(t *testing.T) {
	given := &api.WorkerError{Type: "smtp", Message: "x", Fingerprint: "f", Stack: strings.Repeat("s", maxStackBytes+1)}
	tests := []struct {
		name string
		err  error
		want *api.WorkerError
	}{
		{"none", nil, nil},
		{"plain", errors.New("a"), &api.WorkerError{Message: "a"}},
		{"wrapped", fmt.Errorf("b: %w", &http.MaxBytesError{Limit: 1}), &api.WorkerError{Type: "http.MaxBytesError", Message: "b: http: request body too large"}},
		{"verdict", Reject(nil), &api.WorkerError{Message: "rejected"}},
		{"given", fmt.Errorf("c: %w", given), &api.WorkerError{Type: "smtp", Message: "c: x", Fingerprint: "f", Stack: given.Stack[:maxStackBytes]}},
		{"long", errors.New(strings.Repeat("é", maxMessageBytes)), &api.WorkerError{Message: strings.Repeat("é", maxMessageBytes/2)}},
		{"no UTF-8", errors.New("\xff"), &api.WorkerError{Message: "\uFFFD"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, workerError(tt.err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
