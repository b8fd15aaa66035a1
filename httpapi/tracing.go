package httpapi

import (
	"strings"

	"github.com/holtmq/holt/httpapi/trace"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
)

// traced is the context that the request came with. The names are in the canonical form of net/http, which looks nothing up for requests without one.
func (x *exchange) traced() trace.Context {
	parents := x.r.Header["Traceparent"]
	if len(parents) != 1 {
		return trace.Context{}
	}
	return trace.Parse(parents[0], strings.Join(x.r.Header["Tracestate"], ","))
}

// begin begins the exchange's span, if spans are made, and returns the context that what it publishes goes on with: the span's, else the request's own.
func (x *exchange) begin(op trace.Operation, count int) trace.Context {
	c := x.traced()
	x.span = x.api.cfg.Tracer.Start(op, c, x.start)
	if s := x.span; s != nil {
		s.Topic, s.Group, s.Count, s.Client, s.Request = x.topic, x.group, count, cut(x.r.Header.Get(clientHeader)), x.id
		c = s.Context
	}
	return c
}

// endSpan ends the exchange's span, if there is one; err is what its handler came to.
func (x *exchange) endSpan(err error) {
	if x.span == nil {
		return
	}
	if err != nil {
		x.span.Error = string(faultOf(err).code)
	}
	x.span.End()
}

// leasedSpan makes a span of a lease that got something, linked to where each record was published.
func (x *exchange) leasedSpan(ds []queue.Delivery) {
	if x.api.cfg.Tracer == nil || len(ds) == 0 {
		return
	}
	x.begin(trace.Lease, len(ds))
	for i := range ds {
		x.span.Link(contextOf(ds[i].Record.Headers))
	}
}

// contextOf is the context that a record carries.
func contextOf(headers []record.Header) trace.Context {
	var parent, state string
	for _, h := range headers {
		switch h.Name {
		case trace.ParentHeader:
			parent = string(h.Value)
		case trace.StateHeader:
			state = string(h.Value)
		}
	}
	return trace.Parse(parent, state)
}

// carry gives a context to messages, as headers that go with them to deliveries, dead letters and redrives. One that has a traceparent of its own keeps
// it, and one without room for another header goes without.
func carry(c trace.Context, msgs []queue.Message, limits *queue.Limits) {
	if !c.Valid() {
		return
	}
	parent, state := []byte(c.Parent()), []byte(c.State)
	for i := range msgs {
		m := &msgs[i]
		more := []record.Header{{Name: trace.ParentHeader, Value: parent}}
		if len(state) > 0 {
			more = append(more, record.Header{Name: trace.StateHeader, Value: state})
		}
		if own(m.Headers) || int64(len(m.Headers)+len(more)) > limits.MaxHeaders || headersSize(m.Headers)+headersSize(more) > limits.MaxHeaderBytes {
			continue
		}
		m.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)], more...)
	}
}

func own(headers []record.Header) bool {
	for _, h := range headers {
		if h.Name == trace.ParentHeader || h.Name == trace.StateHeader {
			return true
		}
	}
	return false
}

func headersSize(headers []record.Header) (n int64) {
	for _, h := range headers {
		n += int64(len(h.Name) + len(h.Value))
	}
	return n
}
