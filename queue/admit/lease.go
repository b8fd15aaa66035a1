package admit

import (
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// SettleRequest settles leases; with Publish, in one unit with new records: all of it or nothing.
type SettleRequest struct {
	Actions []share.Action
	Publish []TopicMessages
	Request string // the same again within ten minutes gets the first call's answer; "" = none
}

// TopicMessages are messages for one topic.
type TopicMessages struct {
	Topic    string
	Messages []topic.Message
}

// Lease refuses a request over a limit. Errors: ErrInvalidRequest.
func (l *Limits) Lease(req share.LeaseRequest) error {
	switch {
	case req.Max < 1 || int64(req.Max) > l.MaxLease:
		return fmt.Errorf("%w: max is %d: it must be 1 to %d", ErrInvalidRequest, req.Max, l.MaxLease)
	case req.Wait < 0 || req.Wait > l.MaxWait:
		return fmt.Errorf("%w: wait is %s: it must be \"0s\" to %q", ErrInvalidRequest, req.Wait, l.MaxWait)
	case req.Length != 0 && (req.Length < catalog.MinLease || req.Length > catalog.MaxLease):
		return fmt.Errorf("%w: lease is %s: it must be \"1s\" to \"12h\"", ErrInvalidRequest, req.Length)
	case req.MaxBytes < 0 || req.MaxBytes > l.MaxBytes:
		return fmt.Errorf("%w: max_bytes is %d: it must be 0 to %d", ErrInvalidRequest, req.MaxBytes, l.MaxBytes)
	case int64(len(req.Request)) > l.MaxID:
		return fmt.Errorf("%w: request takes %d bytes, at most %d", ErrInvalidRequest, len(req.Request), l.MaxID)
	case len(req.Member) > lease.MaxMember:
		return fmt.Errorf("%w: member takes %d bytes, at most %d", ErrInvalidRequest, len(req.Member), lease.MaxMember)
	}
	return nil
}

// Settle refuses a request over a limit, or with a receipt named twice. Errors: ErrInvalidRequest, ErrRequestTooLarge.
func (l *Limits) Settle(req SettleRequest) error {
	if len(req.Actions) > share.MaxSettle {
		return fmt.Errorf("%d receipts, at most %d in one request: %w", len(req.Actions), share.MaxSettle, ErrRequestTooLarge)
	}
	if int64(len(req.Request)) > l.MaxID {
		return fmt.Errorf("%w: request takes %d bytes, at most %d", ErrInvalidRequest, len(req.Request), l.MaxID)
	}
	seen := make(map[string]struct{}, len(req.Actions))
	for i := range req.Actions {
		a := &req.Actions[i]
		if _, twice := seen[a.Receipt]; twice {
			return fmt.Errorf("%w: a receipt is named twice", ErrInvalidRequest)
		}
		seen[a.Receipt] = struct{}{}
		switch {
		case a.Delay != nil && (*a.Delay < 0 || *a.Delay > l.MaxDelay):
			return fmt.Errorf("%w: delay is %s: it must be \"0s\" to \"365d\"", ErrInvalidRequest, *a.Delay)
		case a.For != 0 && (a.For < catalog.MinLease || a.For > catalog.MaxLease):
			return fmt.Errorf("%w: for is %s: it must be \"1s\" to \"12h\"", ErrInvalidRequest, a.For)
		}
	}
	return nil
}
