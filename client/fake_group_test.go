package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
