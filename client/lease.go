package client

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/holtmq/holt/client/api"
)

// LeaseOptions say what to lease. The zero value asks for one record and does not wait.
type LeaseOptions struct {
	Max      int           // records; 0 = 1
	Wait     time.Duration // how long to wait for the first; ≤ 60 s
	Lease    time.Duration // visibility timeout; 0 = the group's
	MaxBytes int64         // of values; 0 = the server's limit
	Topics   []string      // only these; makes or attaches what is missing
	Member   string        // who holds the leases, for operators to read; default WithMember's
	Request  string        // idempotency key: a repeated call gets its own leases again
}

// Lease takes records of group exclusively until they are settled or their deadline passes. No record is an empty
// answer, not an error.
func (c *Client) Lease(ctx context.Context, group string, o LeaseOptions) ([]*Record, error) {
	records, _, err := c.lease(ctx, group, o, nil)
	return records, err
}

// Leases iterates over records of group as it leases them, up to o.Max in a call, until ctx ends; when there are none it waits for as long as o.Wait in each
// call (0 = 20 s). The loop settles each record, and extends its lease if that takes longer: [Client.Work] does both by itself. What was leased and not reached
// when the loop ends is given back, uncounted. The last pair holds the error, if there was one; the end of ctx is none.
func (c *Client) Leases(ctx context.Context, group string, o LeaseOptions) iter.Seq2[*Record, error] {
	if o.Wait == 0 {
		o.Wait = pollWait
	}
	return func(yield func(*Record, error) bool) {
		for ctx.Err() == nil {
			records, err := c.Lease(ctx, group, o)
			if err != nil {
				if ctx.Err() == nil {
					yield(nil, err)
				}
				return
			}
			for i, r := range records {
				if ctx.Err() != nil {
					c.giveBack(ctx, group, records[i:])
					return
				}
				if !yield(r, nil) {
					c.giveBack(ctx, group, records[i+1:])
					return
				}
			}
		}
	}
}

// giveBack releases records that a loop did not reach; ctx may have ended. What cannot be released comes again when its lease runs out.
func (c *Client) giveBack(ctx context.Context, group string, records []*Record) {
	if len(records) == 0 {
		return
	}
	receipts := make([]string, len(records))
	for i, r := range records {
		receipts[i] = r.Receipt
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTry)
	defer cancel()
	_ = c.Release(ctx, group, receipts...)
}

// SettleAndLease settles first and then leases, in one call. Leases that were not settled are in the answer's Failed
// and stop nothing; with them, or with s.Publish, the call does not wait. After ErrUnknown repeat the settle by itself;
// with s.Publish, give it a Request key.
func (c *Client) SettleAndLease(ctx context.Context, group string, s api.SettleRequest, o LeaseOptions) (api.SettleResponse, []*Record, error) {
	records, settled, err := c.lease(ctx, group, o, &s)
	if err != nil {
		return api.SettleResponse{}, nil, err
	}
	return *settled, records, nil
}

// lease leases; settled is not nil when settle is not and there is no error.
func (c *Client) lease(ctx context.Context, group string, o LeaseOptions, settle *api.SettleRequest) ([]*Record, *api.SettleResponse, error) {
	if o.Member == "" {
		o.Member = c.member
	}
	in := api.LeaseRequest{
		Max: o.Max, Wait: api.Duration(o.Wait), Lease: api.Duration(o.Lease), MaxBytes: o.MaxBytes,
		Topics: o.Topics, Member: o.Member, Request: o.Request, Settle: settle,
	}
	var out api.LeaseResponse
	if err := c.post(ctx, path("groups", group, "lease"), in, &out); err != nil {
		return nil, nil, err
	}
	if settle != nil && out.Settle == nil {
		return nil, nil, fmt.Errorf("%w: %w: it does not say what was settled", ErrUnknown, ErrAnswer)
	}
	now := time.Now()
	records := make([]*Record, len(out.Records))
	for i := range out.Records {
		r, err := leased(&out.Records[i], now)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		records[i] = r
	}
	return records, out.Settle, nil
}
