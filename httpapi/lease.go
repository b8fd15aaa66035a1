package httpapi

import (
	"errors"
	"net/http"
	"slices"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// lease hands out records. Those whose answer nobody was there to take go back at once, uncounted.
func (a *API) lease(x *exchange) error {
	s := x.scanBody()
	call := readLease(s, &a.limits)
	if err := s.done(); err != nil {
		return err
	}
	if call.settle != nil && len(call.settle.Publish) > 0 {
		if err := x.may(Publish); err != nil {
			return err
		}
	}
	call.req.Room = a.room.Share()
	defer call.req.Room.End()
	ds, settled, created, err := x.leased(call)
	if err != nil {
		return err
	}
	if call.settle == nil {
		x.worked(len(ds), nil)
	} else {
		x.worked(len(ds), call.settle.Publish)
	}
	taken := false
	defer func() {
		if !taken && len(ds) > 0 {
			a.broker.GiveBack(x.group, ds)
		}
	}()
	if err := x.ctx().Err(); err != nil {
		return err
	}
	x.leasedSpan(ds)
	x.keep = len(ds) > 0
	x.encode().leased(ds, settled, created)
	if err = x.send(http.StatusOK); err == nil {
		err = x.flush()
	}
	taken = err == nil
	return x.sent(err)
}

// flush sends what is written and says whether that went well; what cannot flush sends at the end.
func (x *exchange) flush() error {
	err := http.NewResponseController(x.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// leased makes the call. One that may be parked holds no buffer meanwhile: only records to publish point into the body, and with them it does not wait.
func (x *exchange) leased(call leaseCall) (ds []queue.Delivery, settled *queue.SettleResult, created []string, err error) {
	if call.settle == nil {
		x.release()
		ds, created, err = x.api.broker.Lease(x.ctx(), x.group, call.req)
		return ds, nil, created, err
	}
	if len(call.settle.Publish) == 0 {
		x.release()
	}
	for _, p := range call.settle.Publish {
		carry(x.traced(), p.Messages, &x.api.limits)
	}
	res, ds, created, err := x.api.broker.LeaseAndSettle(x.ctx(), x.group, *call.settle, call.req)
	if err != nil {
		x.keepBody() // if it was not released
		return nil, nil, nil, err
	}
	return ds, &res, append(res.Created, created...), nil
}

// leaseCall is the body of a lease.
type leaseCall struct {
	req    queue.LeaseRequest
	settle *queue.SettleRequest // to be carried out first; nil = none
}

// readLease reads a lease. The records of its settle's publish point into the body.
func readLease(s *scanner, limits *queue.Limits) leaseCall {
	call := leaseCall{req: queue.LeaseRequest{Max: 1}}
	req := &call.req
	s.object(func(name []byte) bool {
		if s.null() {
			return slices.Contains(leaseFields, string(name))
		}
		switch string(name) {
		case "max":
			req.Max = int(s.int(1, limits.MaxLease))
		case "wait":
			req.Wait = s.duration(0, limits.MaxWait)
		case "lease":
			req.Length = s.duration(catalog.MinLease, catalog.MaxLease)
		case "max_bytes":
			req.MaxBytes = s.int(0, limits.MaxBytes)
		case "topics":
			req.Topics = topicNames(s)
		case "member":
			req.Member = s.string()
			if len(req.Member) > lease.MaxMember {
				s.fail(invalid("more than %d bytes", lease.MaxMember))
			}
		case "request":
			req.Request = requestKey(s, limits)
		case "settle":
			call.settle = new(readSettle(s, limits))
		default:
			return false
		}
		return true
	})
	return call
}

// requestKey reads an idempotency key.
func requestKey(s *scanner, limits *queue.Limits) string {
	key := s.string()
	if s.err == nil && (key == "" || int64(len(key)) > limits.MaxID) {
		s.fail(invalid("a request key has 1 to %d bytes", limits.MaxID))
	}
	return key
}

// leaseFields are the fields of a lease, for those that are null.
var leaseFields = []string{"max", "wait", "lease", "max_bytes", "topics", "member", "request", "settle"}
