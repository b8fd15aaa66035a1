package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

// fakeSettle refuses receipts that begin with "lost" or "settled", and whole requests with one that begins with "bad".
type fakeSettle struct {
	t    *testing.T
	gate chan struct{}

	mu       sync.Mutex
	requests []api.SettleRequest
}

func (f *fakeSettle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := decode[api.SettleRequest](f.t, r)
	f.mu.Lock()
	f.requests = append(f.requests, in)
	f.mu.Unlock()
	<-f.gate
	receipts, _ := receiptsOf(&in)
	out := api.SettleResponse{}
	for _, r := range receipts {
		switch {
		case strings.HasPrefix(r, "bad"):
			refuse(w, api.Problem{Status: 400, Code: api.InvalidRequest, Detail: "bad " + r})
			return
		case strings.HasPrefix(r, "lost"):
			out.Failed = append(out.Failed, api.SettleFailure{Receipt: r, Code: api.LeaseLost})
		case strings.HasPrefix(r, "settled"):
			out.Failed = append(out.Failed, api.SettleFailure{Receipt: r, Code: api.AlreadySettled})
		default:
			out.Settled++
		}
	}
	if len(receipts) > 0 && out.Settled == 0 {
		refuse(w, api.Problem{Status: 409, Code: out.Failed[0].Code, Detail: "the first one's", Failed: out.Failed})
		return
	}
	answer(w, out)
}

// settleTogether runs calls so that all after the first share requests, and returns their errors in order.
func settleTogether(t *testing.T, f *fakeSettle, calls ...func(*Client) error) []error {
	f.t, f.gate = t, make(chan struct{})
	_, c := newNetwork(t, f)
	errs := make([]error, len(calls)+1)
	var wg sync.WaitGroup
	for i, call := range append([]func(*Client) error{func(c *Client) error { return c.Ack(t.Context(), "g", "first") }}, calls...) {
		wg.Go(func() { errs[i] = call(c) })
		synctest.Wait()
	}
	close(f.gate)
	wg.Wait()
	if errs[0] != nil {
		t.Error(errs[0])
	}
	return errs[1:]
}

func TestSettleCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSettle{}
		ctx := t.Context()
		errs := settleTogether(t, f,
			func(c *Client) error { return c.Ack(ctx, "g", "a", "b") },
			func(c *Client) error { return c.Nack(ctx, "g", "c", errors.New("why")) },
			func(c *Client) error { return c.Release(ctx, "g", "d") },
			func(c *Client) error { return c.Reject(ctx, "g", "e", nil) },
			func(c *Client) error { return c.Extend(ctx, "g", "f", 0) },
			func(c *Client) error { return c.Ack(ctx, "g", "f") }, // named twice in a request it would be refused
		)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		want := []api.SettleRequest{
			{Ack: []string{"first"}},
			{
				Ack: []string{"a", "b"}, Nack: []api.Nack{{Receipt: "c", Error: &api.WorkerError{Message: "why"}}},
				Release: []string{"d"}, Reject: []api.Reject{{Receipt: "e"}}, Extend: []api.Extend{{Receipt: "f"}},
			},
			{Ack: []string{"f"}},
		}
		if diff := cmp.Diff(want, f.requests); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSettleFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var partial api.SettleResponse
		var partialErr error
		errs := settleTogether(t, &fakeSettle{},
			func(c *Client) error { return c.Ack(t.Context(), "g", "a") },
			func(c *Client) error { return c.Ack(t.Context(), "g", "lost 1") },
			func(c *Client) error { return c.Ack(t.Context(), "g", "settled 1", "lost 2") },
			func(c *Client) error {
				partial, partialErr = c.Settle(t.Context(), "g", api.SettleRequest{Ack: []string{"b", "lost 3"}, Release: []string{"c"}})
				return partialErr
			},
			func(c *Client) error { return c.Ack(t.Context(), "g", "d", "lost 4") },
		)
		if errs[0] != nil || errs[3] != nil {
			t.Errorf("with a settled lease: %v, %v", errs[0], errs[3])
		}
		if !errors.Is(errs[1], ErrLeaseLost) {
			t.Errorf("lost: %v", errs[1])
		}
		want := []api.SettleFailure{{Receipt: "settled 1", Code: api.AlreadySettled}, {Receipt: "lost 2", Code: api.LeaseLost}}
		var e *Error
		if !errors.Is(errs[2], ErrAlreadySettled) || !errors.As(errs[2], &e) || !slices.Equal(e.Failed, want) {
			t.Errorf("both: %v, want the first one's code and %v", errs[2], want)
		}
		if diff := cmp.Diff(api.SettleResponse{Settled: 2, Failed: []api.SettleFailure{{Receipt: "lost 3", Code: api.LeaseLost}}}, partial); diff != "" {
			t.Error(diff)
		}
		if !errors.Is(errs[4], ErrLeaseLost) {
			t.Errorf("one of two is an error of the one-verb form: %v", errs[4])
		}
	})
}

// TestSettleAllFailed: a request that settled nothing is 409, and each call gets its own part of it.
func TestSettleAllFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := settleTogether(t, &fakeSettle{},
			func(c *Client) error { return c.Ack(t.Context(), "g", "lost 1") },
			func(c *Client) error { return c.Ack(t.Context(), "g", "settled 1") },
		)
		if !errors.Is(errs[0], ErrLeaseLost) || !strings.Contains(errs[0].Error(), "the first one's") {
			t.Errorf("first: %v", errs[0])
		}
		if !errors.Is(errs[1], ErrAlreadySettled) || strings.Contains(errs[1].Error(), "the first one's") {
			t.Errorf("second: %v", errs[1])
		}
	})
}

func TestSettleRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := settleTogether(t, &fakeSettle{},
			func(c *Client) error { return c.Ack(t.Context(), "g", "a") },
			func(c *Client) error { return c.Ack(t.Context(), "g", "bad") },
			func(c *Client) error { return c.Ack(t.Context(), "g", "b") },
		)
		if errs[0] != nil || !errors.Is(errs[1], ErrInvalidRequest) || errs[2] != nil {
			t.Error(errs)
		}
	})
}

// TestSettlePublishAlone: a settle that publishes is atomic, so it shares its request with nobody.
func TestSettlePublishAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSettle{}
		rec, err := NewRecord(Text("x"))
		if err != nil {
			t.Fatal(err)
		}
		atomic := api.SettleRequest{Ack: []string{"a"}, Publish: []api.TopicRecords{{Topic: "t", Records: []api.NewRecord{rec}}}}
		keyed := api.SettleRequest{Ack: []string{"b"}, Request: "r"}
		errs := settleTogether(t, f,
			func(c *Client) error { _, err := c.Settle(t.Context(), "g", atomic); return err },
			func(c *Client) error { _, err := c.Settle(t.Context(), "g", keyed); return err },
		)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]api.SettleRequest{{Ack: []string{"first"}}, atomic, keyed}, f.requests); diff != "" {
			t.Error(diff)
		}
	})
}
