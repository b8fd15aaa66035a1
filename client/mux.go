package client

import (
	"context"
	"fmt"
)

// Middleware stands around handlers: it gets the next one, and returns one that does something before it, after it or in its place.
type Middleware func(next Handler) Handler

// Use puts middleware around the handler of Work; the first stands outermost. Each sees what the handler returned, and may return something else.
// A panic passes through it on its way to Work, which makes an error of it.
func Use(m ...Middleware) WorkOption {
	return func(o *workOptions) { o.middleware = append(o.middleware, m...) }
}

// Chain is h with middleware around it, the first outermost: for one kind of a Mux, where Use is for all that Work hands out.
func Chain(h Handler, m ...Middleware) Handler {
	for i := len(m) - 1; i >= 0; i-- {
		h = m[i](h)
	}
	return h
}

// Typed is a handler that gets the record's value decoded into a T. A value that is no T, as a tombstone is none, is rejected: no further attempt would
// make it one.
func Typed[T any](f func(ctx context.Context, r *Record, v T) error) Handler {
	return func(ctx context.Context, r *Record) error {
		var v T
		if err := r.JSON(&v); err != nil {
			return Reject(fmt.Errorf("decode a value of %d bytes into %T: %w", len(r.Value), v, err))
		}
		return f(ctx, r, v)
	}
}

// Mux gives each record to the handler of its kind. Its method Serve is a Handler. All kinds are registered before it serves.
type Mux struct {
	header string
	kinds  map[string]Handler
	other  Handler
}

// NewMux tells kinds apart by the value of a header, as in "type"; "" is by the record's topic.
func NewMux(header string) *Mux {
	return &Mux{header: header, kinds: map[string]Handler{}, other: func(_ context.Context, r *Record) error {
		if header == "" {
			return fmt.Errorf("this worker has no handler for topic %q", r.Topic)
		}
		return fmt.Errorf("this worker has no handler for %s %q", header, r.Headers[header])
	}}
}

// Handle has f handle the records of a kind, their values decoded as [Typed] does. It panics when the kind has a handler already.
func Handle[T any](m *Mux, kind string, f func(ctx context.Context, r *Record, v T) error) {
	m.Handle(kind, Typed(f))
}

// Handle has h handle the records of a kind, their values as they are. It panics when the kind has a handler already.
func (m *Mux) Handle(kind string, h Handler) {
	if m.kinds[kind] != nil {
		panic(fmt.Sprintf("client: two handlers for the kind %q", kind))
	}
	m.kinds[kind] = h
}

// Otherwise has h handle the records of every other kind. Without it they fail, and come again after the group's backoff: a newer worker may know what to
// do with them.
func (m *Mux) Otherwise(h Handler) { m.other = h }

// Serve handles a record as the handler of its kind does.
func (m *Mux) Serve(ctx context.Context, r *Record) error {
	kind := r.Topic
	if m.header != "" {
		kind = r.Headers[m.header]
	}
	if h := m.kinds[kind]; h != nil {
		return h(ctx, r)
	}
	return m.other(ctx, r)
}
