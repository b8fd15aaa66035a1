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

const fakeLease = 30 * time.Second

// fakeGroup hands out its records and logs how they are settled. Leases last 30 s; an expired one stays expired.
type fakeGroup struct {
	t *testing.T

	mu        sync.Mutex
	ready     []string // texts
	leases    map[string]*fakeLeased
	calls     map[string]*fakeCall // by request key
	events    []string             // "ack a", "nack b: why", …
	most      int                  // leases held at a time
	handed    int
	asked     []api.LeaseRequest
	settle    func(api.SettleRequest) *api.Problem // called before each settle
	settles   []api.SettleRequest                  // that came by themselves, not with a lease
	answers   map[string]api.SettleResponse        // by request key
	noSettled func() bool                          // called after each of settles: break the connection
	silent    func(api.LeaseRequest) bool          // of a lease call: it is never answered
	noAnswer  func() bool                          // called after each hand-out: break the connection instead of answering
	refuse    *api.Problem                         // of leases
}

type fakeLeased struct {
	text    string
	expires time.Time
	record  api.LeasedRecord
}

type fakeCall struct {
	receipts []string
	wake     chan struct{} // closed when records come or the key is used again
}

func newFakeGroup(t *testing.T, ready ...string) *fakeGroup {
	return &fakeGroup{t: t, ready: ready, leases: map[string]*fakeLeased{}, calls: map[string]*fakeCall{}, answers: map[string]api.SettleResponse{}}
}

func (f *fakeGroup) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/groups/g/lease":
		f.lease(w, r)
	case "/v1/groups/g/settle":
		f.serveSettle(w, r)
	default:
		f.t.Errorf("unexpected call %s", r.URL.Path)
	}
}

func (f *fakeGroup) publish(texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = append(f.ready, texts...)
	for _, c := range f.calls {
		c.end()
	}
}

func (c *fakeCall) end() {
	select {
	case <-c.wake:
	default:
		close(c.wake)
	}
}

func (f *fakeGroup) lease(w http.ResponseWriter, r *http.Request) {
	in := decode[api.LeaseRequest](f.t, r)
	if f.silent != nil && f.silent(in) {
		<-r.Context().Done()
		return
	}
	if in.Settle != nil && f.settle != nil {
		if p := f.settle(*in.Settle); p != nil {
			if p.Status == 0 {
				panic(http.ErrAbortHandler)
			}
			refuse(w, *p)
			return
		}
	}
	f.mu.Lock()
	f.asked = append(f.asked, in)
	if f.refuse != nil {
		refuse(w, *f.refuse)
		f.mu.Unlock()
		return
	}
	var settled *api.SettleResponse
	if in.Settle != nil {
		settled = new(f.apply(*in.Settle))
		if len(settled.Failed) > 0 {
			in.Wait = 0
		}
	}
	out := f.again(in.Request)
	call := &fakeCall{wake: make(chan struct{})}
	for _, r := range out.Records {
		call.receipts = append(call.receipts, r.Receipt)
	}
	f.calls[in.Request] = call
	if len(out.Records) == 0 {
		out = f.handOut(in, call)
	}
	f.mu.Unlock()
	if len(out.Records) == 0 && in.Wait > 0 {
		select {
		case <-call.wake:
		case <-time.After(time.Duration(in.Wait)):
		case <-r.Context().Done():
			return
		}
		f.mu.Lock()
		if f.calls[in.Request] == call {
			out = f.handOut(in, call)
		}
		f.mu.Unlock()
	}
	if f.noAnswer != nil && f.noAnswer() {
		panic(http.ErrAbortHandler)
	}
	out.Settle = settled
	answer(w, out)
}

// again is the answer to a request key that was used before: its leases that still run. A parked call ends.
func (f *fakeGroup) again(request string) (out api.LeaseResponse) {
	if c := f.calls[request]; c != nil {
		c.end()
		for _, receipt := range c.receipts {
			if l := f.leases[receipt]; l != nil {
				out.Records = append(out.Records, l.record)
			}
		}
	}
	return out
}

func (f *fakeGroup) handOut(in api.LeaseRequest, call *fakeCall) (out api.LeaseResponse) {
	for len(f.ready) > 0 && len(out.Records) < max(1, in.Max) {
		text := f.ready[0]
		f.ready = f.ready[1:]
		f.handed++
		receipt := fmt.Sprintf("%s#%d", text, f.handed)
		l := &fakeLeased{text: text, expires: time.Now().Add(fakeLease)}
		l.record = api.LeasedRecord{
			Receipt: receipt, Topic: "t", Value: api.Value{Text: &text}, Attempt: 1, Deliveries: 1,
			ExpiresAt: api.Time(l.expires), ExpiresInMS: fakeLease.Milliseconds(),
		}
		f.leases[receipt] = l
		call.receipts = append(call.receipts, receipt)
		out.Records = append(out.Records, l.record)
	}
	f.most = max(f.most, len(f.leases))
	return out
}

func (f *fakeGroup) serveSettle(w http.ResponseWriter, r *http.Request) {
	in := decode[api.SettleRequest](f.t, r)
	if f.settle != nil {
		if p := f.settle(in); p != nil {
			if p.Status == 0 {
				panic(http.ErrAbortHandler)
			}
			refuse(w, *p)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settles = append(f.settles, in)
	if done, ok := f.answers[in.Request]; ok && in.Request != "" {
		answer(w, done)
		return
	}
	if failed := f.lost(in); len(in.Publish) > 0 && len(failed) > 0 {
		refuse(w, api.Problem{Status: 409, Code: failed[0].Code, Failed: failed})
		return
	}
	out := f.apply(in)
	if out.Settled == 0 {
		refuse(w, api.Problem{Status: 409, Code: out.Failed[0].Code, Failed: out.Failed})
		return
	}
	if in.Request != "" {
		f.answers[in.Request] = out
	}
	if f.noSettled != nil && f.noSettled() {
		panic(http.ErrAbortHandler)
	}
	answer(w, out)
}

// lost are the receipts of a settle whose leases are gone.
func (f *fakeGroup) lost(in api.SettleRequest) (failed []api.SettleFailure) {
	receipts, _ := receiptsOf(&in)
	for _, r := range receipts {
		if f.leases[r] == nil {
			failed = append(failed, api.SettleFailure{Receipt: r, Code: api.LeaseLost})
		}
	}
	return failed
}

// apply settles what it can; the lock is held.
func (f *fakeGroup) apply(in api.SettleRequest) (out api.SettleResponse) {
	do := func(receipt string, event func(text string) string) {
		l := f.leases[receipt]
		if l == nil || time.Now().After(l.expires) {
			out.Failed = append(out.Failed, api.SettleFailure{Receipt: receipt, Code: api.LeaseLost})
			return
		}
		out.Settled++
		if e := event(l.text); e != "" {
			f.events = append(f.events, e)
			delete(f.leases, receipt)
		}
	}
	for _, receipt := range in.Ack {
		do(receipt, func(text string) string { return "ack " + text })
	}
	for _, n := range in.Nack {
		do(n.Receipt, func(text string) string {
			if n.Delay != nil {
				return fmt.Sprintf("nack %s in %v: %s", text, *n.Delay, n.Error.Message)
			}
			return fmt.Sprintf("nack %s: %s", text, n.Error.Message)
		})
	}
	for _, receipt := range in.Release {
		do(receipt, func(text string) string { return "release " + text })
	}
	for _, n := range in.Reject {
		do(n.Receipt, func(text string) string { return fmt.Sprintf("reject %s: %s", text, n.Error.Message) })
	}
	for _, e := range in.Extend {
		do(e.Receipt, func(string) string {
			f.leases[e.Receipt].expires = time.Now().Add(time.Duration(*e.For))
			return ""
		})
	}
	for _, p := range in.Publish {
		for _, r := range p.Records {
			f.events = append(f.events, fmt.Sprintf("publish %s: %s", p.Topic, *r.Text))
		}
		out.Records = append(out.Records, make([]api.Published, len(p.Records)))
	}
	return out
}

// take away loses every lease, as a reset does.
func (f *fakeGroup) takeAway() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.leases)
}

func (f *fakeGroup) sorted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(slices.Values(f.events))
}

// inBubble runs a test with a group that a client reaches.
func inBubble(t *testing.T, ready []string, test func(t *testing.T, f *fakeGroup, n *network, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeGroup(t, ready...)
		n, c := newNetwork(t, f)
		test(t, f, n, c)
	})
}

// working starts Work; end ends it and returns its error.
func working(t *testing.T, c *Client, h Handler, opts ...WorkOption) (end func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Work(ctx, "g", h, opts...) }()
	return func() error {
		cancel()
		return <-done
	}
}

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
