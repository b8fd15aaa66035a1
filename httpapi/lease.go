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
	group, err := x.name("group")
	if err != nil {
		return err
	}
	if err := x.params("encoding"); err != nil {
		return err
	}
	values, err := x.queryEncoding()
	if err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	req, err := parseLease(&a.limits, body)
	if err != nil {
		return err
	}
	x.release() // a parked call holds no buffer: nothing of the request points into it
	ds, created, err := a.broker.Lease(x.ctx(), group, req)
	if err != nil {
		return err
	}
	taken := false
	defer func() {
		if !taken && len(ds) > 0 {
			a.broker.GiveBack(group, ds)
		}
	}()
	if err := x.ctx().Err(); err != nil {
		return err
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	*buf = appendLeased((*buf)[:0], values, ds, created)
	err = x.write(http.StatusOK, "application/json", *buf)
	if err == nil {
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

func appendLeased(b []byte, values encoding, ds []queue.Delivery, created []string) []byte {
	e := encoder{b: b, values: values}
	e.raw(`{"records":[`)
	for i := range ds {
		if i > 0 {
			e.raw(",")
		}
		e.appendDelivery(&ds[i])
	}
	e.raw("]")
	e.created(created)
	e.raw("}\n")
	return e.b
}

// parseLease reads the body of a lease.
func parseLease(limits *queue.Limits, body []byte) (queue.LeaseRequest, error) {
	req := queue.LeaseRequest{Max: 1}
	s := newScanner(body)
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
		case "request", "settle":
			s.fail(later)
		default:
			return false
		}
		return true
	})
	return req, s.done()
}

// leaseFields are the fields of a lease, for those that are null.
var leaseFields = []string{"max", "wait", "lease", "max_bytes", "topics", "member", "request", "settle"}

// later says that a field is of a later version.
var later = invalid("this version does not take it yet; leave it out")
