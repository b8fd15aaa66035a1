package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// lanes gathers concurrent calls for one name (a topic, a group) into requests: one is in flight per name, and what
// comes meanwhile waits for the next. An idle name sends at once. Names without calls take no memory.
//
// A lane's goroutine lives while calls wait. They are bounded by the goroutines that make them.
type lanes[Q, A any] struct {
	limit limit
	send  func(ctx context.Context, name string, batch []*call[Q, A]) // sets answer or err of each

	mu   sync.Mutex
	busy map[string]*lane[Q, A]
}

// limit bounds what one request gathers. A single call over it goes alone.
type limit struct {
	items int // records or receipts
	bytes int
}

type lane[Q, A any] struct {
	waiting []*call[Q, A]
}

// call is one caller's part of a request.
type call[Q, A any] struct {
	ask    Q
	items  int
	bytes  int
	unique []string // no two calls of one request may share any of these

	flight *flight // set under lanes.mu when it is taken from the lane
	done   chan struct{}
	answer A
	err    error
}

// flight is one request and how many of its callers still wait for it.
type flight struct {
	callers int
	cancel  context.CancelFunc
}

func newLanes[Q, A any](l limit, send func(context.Context, string, []*call[Q, A])) *lanes[Q, A] {
	return &lanes[Q, A]{limit: l, send: send, busy: map[string]*lane[Q, A]{}}
}

// do sends c with others of its name and returns its own answer. When ctx ends before c was sent, it never is; when
// it ends later, the error is ErrUnknown, too, and the request goes on as long as another caller waits for it.
func (l *lanes[Q, A]) do(ctx context.Context, name string, c *call[Q, A]) (A, error) {
	if ctx.Err() != nil {
		return c.answer, context.Cause(ctx)
	}
	ln, idle := l.join(name, c)
	if idle {
		return l.first(ctx, name, ln, c)
	}
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
		return l.leave(ctx, ln, c)
	}
}

// first sends the call that found its lane idle, alone and on its caller's goroutine: a caller that has nobody beside it waits for no other goroutine.
func (l *lanes[Q, A]) first(ctx context.Context, name string, ln *lane[Q, A], c *call[Q, A]) (A, error) {
	defer l.next(name, ln)
	l.send(ctx, name, []*call[Q, A]{c})
	return c.answer, c.err
}

// next sees to the calls that came while a lane's first was under way.
func (l *lanes[Q, A]) next(name string, ln *lane[Q, A]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ln.waiting) == 0 {
		delete(l.busy, name)
		return
	}
	go l.drain(name, ln)
}

// join makes an idle lane busy, or lines a call up in a busy one.
func (l *lanes[Q, A]) join(name string, c *call[Q, A]) (ln *lane[Q, A], idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln = l.busy[name]; ln == nil {
		ln = &lane[Q, A]{}
		l.busy[name] = ln
		return ln, true
	}
	c.done = make(chan struct{})
	ln.waiting = append(ln.waiting, c)
	return ln, false
}

func (l *lanes[Q, A]) leave(ctx context.Context, ln *lane[Q, A], c *call[Q, A]) (A, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var none A
	if i := slices.Index(ln.waiting, c); i >= 0 {
		ln.waiting = slices.Delete(ln.waiting, i, i+1)
		return none, context.Cause(ctx)
	}
	select {
	case <-c.done:
		return c.answer, c.err
	default:
	}
	if c.flight.callers--; c.flight.callers == 0 {
		c.flight.cancel()
	}
	return none, fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
}

// drain sends the lane's calls, a request after the other, until none waits.
func (l *lanes[Q, A]) drain(name string, ln *lane[Q, A]) {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		batch := l.take(name, ln, cancel)
		if len(batch) > 0 {
			l.send(ctx, name, batch)
		}
		cancel()
		if len(batch) == 0 {
			return
		}
		for _, c := range batch {
			close(c.done)
		}
	}
}

// take removes the calls of the next request from the lane, in order; none: the lane is closed.
func (l *lanes[Q, A]) take(name string, ln *lane[Q, A], cancel context.CancelFunc) []*call[Q, A] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.fitting(ln.waiting)
	if n == 0 {
		delete(l.busy, name)
		return nil
	}
	batch := slices.Clone(ln.waiting[:n])
	ln.waiting = slices.Delete(ln.waiting, 0, n)
	f := &flight{callers: n, cancel: cancel}
	for _, c := range batch {
		c.flight = f
	}
	return batch
}

// fitting counts the calls at the head that go into one request.
func (l *lanes[Q, A]) fitting(waiting []*call[Q, A]) int {
	var items, bytes int
	seen := map[string]struct{}{}
	for i, c := range waiting {
		items, bytes = items+c.items, bytes+c.bytes
		if i > 0 && (items > l.limit.items || bytes > l.limit.bytes) {
			return i
		}
		for _, u := range c.unique {
			if _, ok := seen[u]; ok && i > 0 {
				return i
			}
		}
		for _, u := range c.unique {
			seen[u] = struct{}{}
		}
	}
	return len(waiting)
}

// strangers are the codes of a refusal that can be one call's fault: the others of its request are tried without it.
var strangers = []error{
	ErrInvalidRequest, ErrRecordTooLarge, ErrRequestTooLarge, ErrSchemaViolation, ErrPartitionNotFound,
}

// split sends both halves of a refused batch on their own when err may be the fault of one of its calls.
// A refusal means that nothing was applied, so this is safe.
func (l *lanes[Q, A]) split(ctx context.Context, name string, batch []*call[Q, A], err error) bool {
	if len(batch) < 2 || !slices.ContainsFunc(strangers, func(s error) bool { return errors.Is(err, s) }) {
		return false
	}
	half := len(batch) / 2
	l.send(ctx, name, batch[:half])
	l.send(ctx, name, batch[half:])
	return true
}

// fail gives every call of a batch the same error.
func fail[Q, A any](batch []*call[Q, A], err error) {
	for _, c := range batch {
		c.err = err
	}
}
