package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holtmq/holt/client/api"
)

// settleLimit is what one request of Settle calls gathers.
var settleLimit = limit{items: 1000, bytes: 4 << 20}

type settleCall = call[api.SettleRequest, api.SettleResponse]

// Settle ends or extends leases of group and returns when that is on stable storage. Each lease stands alone: those
// that were not settled are in the answer's Failed; when none was, the error is an *Error with the first one's code
// and all of them in its Failed.
//
// Calls made at the same time share requests, unless they publish or have a request key. After ErrUnknown, repeat
// the call: the same verb on the same receipt changes nothing the second time. With Publish that takes a Request key:
// SettleAndPublish does it.
func (c *Client) Settle(ctx context.Context, group string, s api.SettleRequest) (api.SettleResponse, error) {
	if len(s.Publish) > 0 || s.Request != "" {
		var out api.SettleResponse
		err := c.post(ctx, path("groups", group, "settle"), s, &out)
		return out, err
	}
	receipts, size := receiptsOf(&s)
	return c.settles.do(ctx, group, &settleCall{ask: s, items: len(receipts), bytes: size, unique: receipts})
}

// repeatFor is how long a request key is counted on: a minute less than servers remember it.
const repeatFor = 9 * time.Minute

// SettleAndPublish ends leases of group and publishes s.Publish, all of it in one commit: when a single lease is not
// settled (an *Error, with those in its Failed) or a record is refused, nothing was done.
//
// When the outcome of a try is unknown, the call is repeated under one request key (s.Request, or its own) until the
// server answers, so that nothing happens twice. It is ErrUnknown only when ctx ended before that, or nine minutes.
func (c *Client) SettleAndPublish(ctx context.Context, group string, s api.SettleRequest) (api.SettleResponse, error) {
	if s.Request == "" {
		s.Request = "settle-" + rand.Text()
	}
	if ctx.Err() != nil {
		return api.SettleResponse{}, context.Cause(ctx)
	}
	end := time.Now().Add(repeatFor)
	var unknown error
	for pause := newPause(); ; {
		out, err := c.settleOnce(ctx, group, s)
		switch {
		case err == nil || !Temporary(err):
			return out, err
		case errors.Is(err, ErrUnknown):
			unknown = err
		case unknown == nil: // full or unreachable: nothing was done
			return out, err
		}
		pause.wait(ctx, err)
		if ctx.Err() != nil || time.Now().After(end) {
			return api.SettleResponse{}, unknown
		}
	}
}

// settleOnce is one try of a settle that shares its request with nobody.
func (c *Client) settleOnce(ctx context.Context, group string, s api.SettleRequest) (out api.SettleResponse, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTry, errNoAnswer)
	defer cancel()
	err = c.post(ctx, path("groups", group, "settle"), s, &out)
	return out, err
}

// Ack says that records are done.
func (c *Client) Ack(ctx context.Context, group string, receipts ...string) error {
	return c.settleAll(ctx, group, api.SettleRequest{Ack: receipts})
}

// Nack says that a record failed: it comes again after the group's backoff. cause may be nil.
func (c *Client) Nack(ctx context.Context, group, receipt string, cause error) error {
	return c.settleAll(ctx, group, api.SettleRequest{Nack: []api.Nack{{Receipt: receipt, Error: workerError(cause)}}})
}

// NackAfter is Nack with a wait of its own, 0 to 365 days.
func (c *Client) NackAfter(ctx context.Context, group, receipt string, cause error, d time.Duration) error {
	n := api.Nack{Receipt: receipt, Delay: new(api.Duration(d)), Error: workerError(cause)}
	return c.settleAll(ctx, group, api.SettleRequest{Nack: []api.Nack{n}})
}

// Release gives records back untried, without counting the attempt.
func (c *Client) Release(ctx context.Context, group string, receipts ...string) error {
	return c.settleAll(ctx, group, api.SettleRequest{Release: receipts})
}

// Reject gives a record up: it goes to the dead letters now. cause may be nil.
func (c *Client) Reject(ctx context.Context, group, receipt string, cause error) error {
	r := api.Reject{Receipt: receipt, Error: workerError(cause)}
	return c.settleAll(ctx, group, api.SettleRequest{Reject: []api.Reject{r}})
}

// Extend moves a lease's deadline to now + d; 0 = the group's lease.
func (c *Client) Extend(ctx context.Context, group, receipt string, d time.Duration) error {
	e := api.Extend{Receipt: receipt}
	if d > 0 {
		e.For = new(api.Duration(d))
	}
	return c.settleAll(ctx, group, api.SettleRequest{Extend: []api.Extend{e}})
}

// settleAll is Settle where one lease that was not settled is an error.
func (c *Client) settleAll(ctx context.Context, group string, s api.SettleRequest) error {
	out, err := c.Settle(ctx, group, s)
	if err != nil {
		return err
	}
	return FailedError(out)
}

// FailedError is the error of an answer in which some leases were not settled, with the first one's code; nil when
// all were.
func FailedError(out api.SettleResponse) error {
	if len(out.Failed) == 0 {
		return nil
	}
	return &Error{api.Problem{
		Title: http.StatusText(http.StatusConflict), Status: http.StatusConflict, Code: out.Failed[0].Code, Failed: out.Failed,
		Detail: fmt.Sprintf("%d settled, %d not", out.Settled, len(out.Failed)),
	}}
}

// sendSettles settles what several calls ask for in one request and gives each its own part of the answer.
func (c *Client) sendSettles(ctx context.Context, group string, batch []*settleCall) {
	var out api.SettleResponse
	err := c.post(ctx, path("groups", group, "settle"), together(batch), &out)
	var refused *Error
	switch {
	case err == nil:
		share(batch, out.Failed, nil)
	case errors.As(err, &refused) && len(refused.Failed) > 0:
		share(batch, refused.Failed, refused)
	case !c.settles.split(ctx, group, batch, err):
		fail(batch, err)
	}
}

// share tells each call which of its receipts failed. refused: nothing of the whole was applied.
func share(batch []*settleCall, failed []api.SettleFailure, refused *Error) {
	codes := make(map[string]api.Code, len(failed))
	for _, f := range failed {
		codes[f.Receipt] = f.Code
	}
	for _, b := range batch {
		var own []api.SettleFailure
		for _, r := range b.unique {
			if code, ok := codes[r]; ok {
				own = append(own, api.SettleFailure{Receipt: r, Code: code})
			}
		}
		settled := len(b.unique) - len(own)
		switch {
		case refused == nil && (settled > 0 || len(own) == 0):
			b.answer = api.SettleResponse{Settled: settled, Failed: own}
		case len(own) > 0:
			b.err = refusal(refused, own)
		default:
			b.err = refused
		}
	}
}

// refusal is what a call whose every receipt failed would have been answered on its own.
func refusal(whole *Error, own []api.SettleFailure) *Error {
	p := api.Problem{Title: http.StatusText(http.StatusConflict), Status: http.StatusConflict}
	if whole != nil {
		p = whole.Problem
	}
	if p.Code != own[0].Code {
		p.Code, p.Detail = own[0].Code, codeError(own[0].Code).Error()
	}
	p.Failed = own
	return &Error{p}
}

// receiptsOf lists the receipts of s in the order of its verbs, and about how long s is on the wire.
func receiptsOf(s *api.SettleRequest) (receipts []string, size int) {
	const each = 64 // names, quotes, a duration
	receipts = append(receipts, s.Ack...)
	for _, n := range s.Nack {
		receipts = append(receipts, n.Receipt)
		size += sizeOf(n.Error)
	}
	receipts = append(receipts, s.Release...)
	for _, r := range s.Reject {
		receipts = append(receipts, r.Receipt)
		size += sizeOf(r.Error)
	}
	for _, e := range s.Extend {
		receipts = append(receipts, e.Receipt)
	}
	for _, r := range receipts {
		size += len(r) + each
	}
	return receipts, size
}

func sizeOf(e *api.WorkerError) int {
	if e == nil {
		return 0
	}
	return len(e.Type) + len(e.Message) + len(e.Stack) + len(e.Fingerprint)
}
