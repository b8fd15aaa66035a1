package client

import (
	"errors"
	"sync"

	"github.com/holtmq/holt/client/api"
)

// rides are settles that go with the next lease call, which saves a request when that call waits for their slots
// anyway. While no such call is about to be made, none is taken: a lease call may be parked for long.
type rides struct {
	mu      sync.Mutex
	wake    chan struct{} // gets one when the first settle came; nil: none is taken
	settles []*settleCall
	bytes   int
}

// errNotCarried is the error of a settle whose lease call was not answered.
var errNotCarried = errors.New("not carried")

// open begins to take settles; the channel tells that there is one.
func (r *rides) open() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = make(chan struct{}, 1)
	return r.wake
}

// close ends the taking and returns what came. carry must be called with it.
func (r *rides) close() []*settleCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.settles
	r.wake, r.settles, r.bytes = nil, nil, 0
	return out
}

// with sends s with the next lease call if one is about to be made. carried: that call was answered, err says what
// became of s. Otherwise s is still to be settled. What publishes never rides: it is refused as a whole.
func (r *rides) with(s api.SettleRequest) (carried bool, err error) {
	if len(s.Publish) > 0 {
		return false, nil
	}
	receipts, size := receiptsOf(&s)
	c := &settleCall{ask: s, items: len(receipts), bytes: size, unique: receipts, done: make(chan struct{})}
	if !r.offer(c) {
		return false, nil
	}
	<-c.done
	return !errors.Is(c.err, errNotCarried), c.err
}

func (r *rides) offer(c *settleCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake == nil || len(r.settles) == maxLease-1 || len(r.settles) > 0 && r.bytes+c.bytes > settleLimit.bytes {
		return false
	}
	r.settles = append(r.settles, c)
	r.bytes += c.bytes
	if len(r.settles) == 1 {
		r.wake <- struct{}{}
	}
	return true
}

// together is one settle of all; nil: there are none.
func together(settles []*settleCall) *api.SettleRequest {
	if len(settles) == 0 {
		return nil
	}
	var in api.SettleRequest
	for _, c := range settles {
		in.Ack = append(in.Ack, c.ask.Ack...)
		in.Nack = append(in.Nack, c.ask.Nack...)
		in.Release = append(in.Release, c.ask.Release...)
		in.Reject = append(in.Reject, c.ask.Reject...)
		in.Extend = append(in.Extend, c.ask.Extend...)
	}
	return &in
}

// carry tells each settle what became of it; false: that is not known, since its lease call has no answer.
func carry(settles []*settleCall, answer *api.SettleResponse) bool {
	if answer == nil {
		fail(settles, errNotCarried)
	} else {
		share(settles, answer.Failed, nil)
	}
	for _, c := range settles {
		close(c.done)
	}
	return answer != nil
}
