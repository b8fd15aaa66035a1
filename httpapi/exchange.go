package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/trace"
)

// exchange is one request and its answer.
type exchange struct {
	api    *API
	route  *route
	w      http.ResponseWriter
	r      *http.Request
	id     string
	asked          // by path and query
	status int     // of the answer; 0 = none yet
	buf    *[]byte // the body's, back to the pool at the end
	out    *[]byte // the answer's, likewise
	held   int64   // of api.held
	scan   scanner // of the body
	enc    encoder // of the answer
	rights Rights  // of its token
	start  time.Time
	span   *trace.Span // nil: none is made
	keep   bool        // the connection, at a stop: something may be settled on it
}

// serve runs a route's handler and sees to everything that all routes share.
func (a *API) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	x := &exchange{api: a, route: rt, w: w, r: r, id: a.ids.of(r), start: time.Now()}
	w.Header().Set("X-Request-Id", x.id)
	defer x.end()
	defer func() {
		if p := recover(); p != nil {
			x.panicked(p)
		}
	}()
	x.expectBody()
	err := x.admit()
	if err == nil {
		err = x.parse()
	}
	if err == nil {
		err = rt.handler(x)
		x.endSpan(err)
	}
	if err != nil {
		x.fail(err)
	}
}

// end gives back what the exchange holds, and counts it; whoever panics on goes by here, too.
func (x *exchange) end() {
	x.release()
	if x.out != nil {
		x.api.giveBack(x.out)
	}
	took := time.Since(x.start)
	x.route.timed.observe(x.status, took)
	if log := x.api.cfg.Log; log.Enabled(x.ctx(), slog.LevelDebug) {
		log.Debug("request", "request_id", x.id, "route", x.route.name, "status", x.status, "took", took, "client", cut(x.r.Header.Get(clientHeader)))
	}
}

// admit refuses what no route takes.
func (x *exchange) admit() error {
	if !x.api.hosts.allow(x.r.Host) {
		return newFault(http.StatusMisdirectedRequest, api.UnknownHost, "this server does not go by the name %q; start it with that name among its hosts", cut(x.r.Host))
	}
	if n := headerBytes(x.r); n > x.api.cfg.MaxHeader {
		f := newFault(http.StatusRequestHeaderFieldsTooLarge, api.HeadersTooLarge, "the request's headers take %d bytes, at most %d; send a record's key and headers in a JSON body", n, x.api.cfg.MaxHeader)
		f.hangUp = true
		return f
	}
	if err := x.api.origin.Check(x.r); err != nil {
		return newFault(http.StatusForbidden, api.Forbidden, "a page of another site made this request; add its origin to the trusted ones if that is meant")
	}
	if err := x.api.tokens.Load().admit(x); err != nil {
		return err
	}
	if x.stopping() && !x.route.late {
		return unavailable(api.ShuttingDown, "the server is shutting down: nothing was done; repeat it on a new connection")
	}
	if e := x.r.Header.Get("Content-Encoding"); e != "" && e != "identity" && x.r.ContentLength != 0 {
		return newFault(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "Content-Encoding %q is not supported: send the body as it is", cut(e))
	}
	return nil
}

func (x *exchange) stopping() bool {
	select {
	case <-x.api.broker.Stopping():
		return true
	default:
		return false
	}
}

// hangUpAtStop closes the connection after this answer if the server is stopping, unless the route is one of those that
// are served to the end, or the answer hands something out or refuses what is not served any more: a worker may have more to settle, and new
// connections are not taken.
func (x *exchange) hangUpAtStop() {
	if !x.route.late && !x.keep && x.stopping() {
		x.header().Set("Connection", "close")
	}
}

func (x *exchange) ctx() context.Context { return x.r.Context() }

func (x *exchange) header() http.Header { return x.w.Header() }

// fail answers an error.
func (x *exchange) fail(err error) {
	if x.buf == nil && x.status == 0 { // nobody began to read the body, or it is read
		x.drain()
	}
	if x.status != 0 { // the answer had begun: the client must see that it is not whole
		x.api.cfg.Log.Warn("answer broken off", "request_id", x.id, "route", x.route.name, "err", err)
		panic(http.ErrAbortHandler)
	}
	// A client that is gone gets an answer all the same: it may have closed its own direction only, and must not read the
	// 200 that net/http sends for handlers that say nothing.
	gone := x.ctx().Err() != nil && errors.Is(err, context.Canceled)
	f := faultOf(err)
	x.api.metrics.problems.WithLabelValues(string(f.code)).Inc()
	if f.status >= 500 && f.cause != nil && !gone {
		x.api.cfg.Log.Warn("request not served", "request_id", x.id, "route", x.route.name, "code", f.code, "err", f.cause)
	}
	if f.retry > 0 {
		x.header().Set("Retry-After", retryAfter(f.retry))
	}
	x.keep = f.code == api.ShuttingDown
	if f.hangUp {
		x.header().Set("Connection", "close")
	}
	if err := x.write(f.status, "application/problem+json", f.problem(x.id)); err != nil || gone {
		x.status = statusGone
	}
}

// panicked answers a panic of a handler as 500 and logs it, and passes on the one that net/http knows.
func (x *exchange) panicked(p any) {
	x.keepBody() // who knows what is at work on it still
	if p == http.ErrAbortHandler {
		panic(p)
	}
	x.api.cfg.Log.Error("panic in a handler", "request_id", x.id, "route", x.route.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	f := newFault(http.StatusInternalServerError, api.Internal, "something went wrong within the server; its log has more under this request_id")
	f.hangUp = true
	x.fail(f)
}

// Values of headers that nearly all answers have, made once. Nobody appends to them.
var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
	noSniff  = []string{"nosniff"}
)

// write sends an answer. Its error says that the client is gone.
func (x *exchange) write(status int, contentType string, body []byte) error {
	h := x.header()
	if contentType == "application/json" {
		h["Content-Type"] = typeJSON
	} else {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	x.hangUpAtStop()
	x.status = status
	x.allowWrite(len(body))
	x.w.WriteHeader(status)
	_, err := x.w.Write(body)
	return err
}

// json sends a struct of client/api.
func (x *exchange) json(status int, v any) error {
	e := x.encode()
	if err := e.marshal(v); err != nil {
		return err
	}
	return x.answer(status)
}

// encode begins an answer of JSON, with values as the query asks for them; answer sends it.
func (x *exchange) encode() *encoder {
	if x.out == nil {
		x.out = x.api.buffer()
	}
	x.enc = encoder{b: (*x.out)[:0], values: x.values}
	return &x.enc
}

// answer sends what was encoded.
func (x *exchange) answer(status int) error { return x.sent(x.send(status)) }

// send sends what was encoded, and ends its line. Its error says that the client is gone.
func (x *exchange) send(status int) error {
	*x.out = append(x.enc.b, '\n')
	return x.write(status, "application/json", *x.out)
}

// sent takes note of an error of writing: nothing is left to answer.
func (x *exchange) sent(err error) error {
	if err != nil {
		x.status = statusGone
	}
	return nil
}

func (x *exchange) noContent() error {
	x.header().Set("Cache-Control", "no-store")
	x.hangUpAtStop()
	x.status = http.StatusNoContent
	x.allowWrite(0)
	x.w.WriteHeader(x.status)
	return nil
}
