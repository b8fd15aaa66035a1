package httpapi

import (
	"net/http"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/trace"
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
func (a *API) settle(x *exchange) error { return a.settleBy(x, readSettle) }

// settleOne is the one-verb form of settle.
func (a *API) settleOne(v verb) handler {
	return func(x *exchange) error { return a.settleBy(x, v.read) }
}

func (a *API) settleBy(x *exchange, read func(s *scanner, limits *queue.Limits) queue.SettleRequest) error {
	s := x.scanBody()
	req := read(s, &a.limits)
	if err := s.done(); err != nil {
		return err
	}
	if len(req.Publish) > 0 {
		if err := x.may(Publish); err != nil {
			return err
		}
	}
	c := x.begin(trace.Settle, len(req.Actions))
	for _, p := range req.Publish {
		carry(c, p.Messages, &a.limits)
	}
	res, err := a.broker.SettleAndPublish(x.ctx(), x.group, req)
	if err != nil {
		if len(req.Publish) > 0 {
			x.keepBody()
		}
		return err
	}
	x.worked(0, req.Publish)
	x.encode().settlement(&res)
	return x.answer(http.StatusOK)
}

// readSettle reads {"ack":["r"],"nack":[{"receipt":"r",…}],…}. The records of its publish point into the body.
func readSettle(s *scanner, limits *queue.Limits) (req queue.SettleRequest) {
	s.object(func(name []byte) bool {
		switch string(name) {
		case "publish":
			req.Publish = readPublish(s, limits)
			return true
		case "request":
			if !s.null() {
				req.Request = requestKey(s, limits)
			}
			return true
		}
		for _, v := range verbs {
			if v.name == string(name) {
				s.array(func(int) { req.Actions = appendAction(s, req.Actions, v.action(s, limits)) })
				return true
			}
		}
		return false
	})
	onceEach(s, req.Actions)
	return req
}

// readPublish reads [{"topic":"t","records":[…]},…]. All its records together are as many as a publish may have.
func readPublish(s *scanner, limits *queue.Limits) (publish []queue.TopicMessages) {
	b := &batch{limits: limits}
	var ends []int
	s.array(func(int) {
		topic, from := "", len(b.msgs)
		s.object(func(name []byte) bool {
			switch string(name) {
			case "topic":
				topic = topicName(s)
			case "records":
				s.array(func(int) { b.one(s) })
			default:
				return false
			}
			return true
		})
		switch {
		case s.err != nil:
		case topic == "":
			s.fail(invalid("the topic is missing"))
		case len(b.msgs) == from:
			s.fail(invalid(`no record: send some, as in {"topic":"t","records":[{"value":{"any":"json"}}]}`))
		}
		publish, ends = append(publish, queue.TopicMessages{Topic: topic}), append(ends, len(b.msgs))
	})
	from := 0
	for i, end := range ends { // not before: the messages move as they become more
		publish[i].Messages = b.msgs[from:end:end]
		from = end
	}
	return publish
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
	if s.peek() != '{' {
		s.fail(invalid("must be a string or an object"))
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

// read reads the one-verb form: {"receipt":"r"} or {"receipts":["r",…]}, and what goes with the verb.
func (v verb) read(s *scanner, limits *queue.Limits) queue.SettleRequest {
	var common queue.Action
	var actions []queue.Action
	one, many := false, false
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
	onceEach(s, actions)
	for i := range actions {
		r := actions[i].Receipt
		actions[i] = common
		actions[i].Receipt, actions[i].Verb = r, v.verb
	}
	return queue.SettleRequest{Actions: actions}
}

// onceEach makes sure that no receipt is named twice: which verb would count?
func onceEach(s *scanner, actions []queue.Action) {
	if s.err != nil || len(actions) < 2 {
		return
	}
	seen := make(map[string]struct{}, len(actions))
	for _, a := range actions {
		if _, twice := seen[a.Receipt]; twice {
			s.fail(invalid("the receipt %q is named twice: name each once", cut(a.Receipt)))
			return
		}
		seen[a.Receipt] = struct{}{}
	}
}
