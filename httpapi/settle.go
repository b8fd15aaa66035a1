package httpapi

import (
	"net/http"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// verb is a verb of settle, with what goes with it.
type verb struct {
	name                  string
	verb                  lease.Verb
	delay, error, forward bool // has the fields delay, error, for
}

var verbs = []verb{
	{name: "ack", verb: lease.Ack},
	{name: "nack", verb: lease.Nack, delay: true, error: true},
	{name: "release", verb: lease.Release},
	{name: "reject", verb: lease.Reject, error: true},
	{name: "extend", verb: lease.Extend, forward: true},
}

// settle ends or extends leases, each by its own verb.
func (a *API) settle(x *exchange) error { return a.settleBy(x, parseSettle) }

// settleOne is the one-verb form of settle.
func (a *API) settleOne(v verb) handler {
	return func(x *exchange) error { return a.settleBy(x, v.parse) }
}

func (a *API) settleBy(x *exchange, parse func(limits *queue.Limits, body []byte) ([]queue.Action, error)) error {
	group, err := x.name("group")
	if err != nil {
		return err
	}
	if err := x.params(); err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	actions, err := parse(&a.limits, body)
	if err != nil {
		return err
	}
	res, err := a.broker.Settle(x.ctx(), group, actions)
	if err != nil {
		return err
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	*buf = appendSettled((*buf)[:0], res)
	return x.sent(x.write(http.StatusOK, "application/json", *buf))
}

// parseSettle reads {"ack":["r"],"nack":[{"receipt":"r",…}],…}.
func parseSettle(limits *queue.Limits, body []byte) ([]queue.Action, error) {
	var actions []queue.Action
	s := newScanner(body)
	s.object(func(name []byte) bool {
		if n := string(name); n == "publish" || n == "request" {
			if !s.null() {
				s.fail(later)
			}
			return true
		}
		for _, v := range verbs {
			if v.name == string(name) {
				s.array(func(int) { actions = appendAction(s, actions, v.action(s, limits)) })
				return true
			}
		}
		return false
	})
	if err := s.done(); err != nil {
		return nil, err
	}
	return actions, onceEach(actions)
}

// appendAction adds an action, unless there are too many.
func appendAction(s *scanner, actions []queue.Action, a queue.Action) []queue.Action {
	if len(actions) >= maxSettle {
		s.fail(newFault(http.StatusRequestEntityTooLarge, api.RequestTooLarge, "more than %d receipts: send them in several requests", maxSettle))
		return actions
	}
	return append(actions, a)
}

// bare tells whether nothing goes with the verb: its list is of receipts, else of objects with a receipt.
func (v verb) bare() bool { return !v.delay && !v.error && !v.forward }

// action reads one element of a verb's list.
func (v verb) action(s *scanner, limits *queue.Limits) queue.Action {
	a := queue.Action{Verb: v.verb}
	if v.bare() {
		a.Receipt = s.string()
		return a
	}
	s.object(func(name []byte) bool {
		if string(name) == "receipt" {
			a.Receipt = s.string()
			return true
		}
		return v.field(s, limits, &a, string(name))
	})
	if s.err == nil && a.Receipt == "" {
		s.fail(invalid("the receipt is missing"))
	}
	return a
}

// field reads a field that goes with the verb.
func (v verb) field(s *scanner, limits *queue.Limits, a *queue.Action, name string) bool {
	switch {
	case name == "delay" && v.delay:
		if !s.null() {
			a.Delay = new(s.duration(0, limits.MaxDelay))
		}
	case name == "error" && v.error:
		a.Error = workerError(s)
	case name == "for" && v.forward:
		if !s.null() {
			a.For = s.duration(catalog.MinLease, catalog.MaxLease)
		}
	default:
		return false
	}
	return true
}

// workerError reads what a worker says of a failure: a string, or an object. The broker cuts what is too long.
func workerError(s *scanner) *queue.WorkerError {
	if s.null() {
		return nil
	}
	e := new(queue.WorkerError)
	if s.peek() == '"' {
		e.Message = s.string()
		return e
	}
	s.object(func(name []byte) bool {
		var to *string
		switch string(name) {
		case "type":
			to = &e.Type
		case "message":
			to = &e.Message
		case "stack":
			to = &e.Stack
		case "fingerprint":
			to = &e.Fingerprint
		default:
			return false
		}
		if !s.null() {
			*to = s.string()
		}
		return true
	})
	return e
}

// parse reads the body of the one-verb form: {"receipt":"r"} or {"receipts":["r",…]}, and what goes with the verb.
func (v verb) parse(limits *queue.Limits, body []byte) ([]queue.Action, error) {
	var common queue.Action
	var actions []queue.Action
	one, many := false, false
	s := newScanner(body)
	s.object(func(name []byte) bool {
		switch string(name) {
		case "receipt":
			if !s.null() {
				one = true
				actions = append(actions, queue.Action{Receipt: s.string()})
			}
		case "receipts":
			if !s.null() {
				many = true
				s.array(func(int) { actions = appendAction(s, actions, queue.Action{Receipt: s.string()}) })
			}
		default:
			return v.field(s, limits, &common, string(name))
		}
		return true
	})
	if s.err == nil && one == many {
		s.fail(invalid(`give the receipt of the lease, as in {"receipt":"…"}, or several in "receipts"`))
	}
	if err := s.done(); err != nil {
		return nil, err
	}
	for i := range actions {
		r := actions[i].Receipt
		actions[i] = common
		actions[i].Receipt, actions[i].Verb = r, v.verb
	}
	return actions, onceEach(actions)
}

// onceEach makes sure that no receipt is named twice: which verb would count?
func onceEach(actions []queue.Action) error {
	if len(actions) < 2 {
		return nil
	}
	seen := make(map[string]struct{}, len(actions))
	for _, a := range actions {
		if _, twice := seen[a.Receipt]; twice {
			return invalid("the receipt %q is named twice: name each once", cut(a.Receipt))
		}
		seen[a.Receipt] = struct{}{}
	}
	return nil
}
