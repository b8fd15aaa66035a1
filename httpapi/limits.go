package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Limits of the HTTP API; those of records are the broker's (queue.Limits).
const (
	minRate     = 16 << 10 // bytes a second that bodies and answers move at on average, after BodyTimeout or WriteTimeout
	maxUnread   = 64 << 20 // bytes of a refused request's body that are read all the same
	smallBody   = 64 << 10 // bytes of a body that count as small: larger ones share Config.MaxBodies
	keptBuffer  = 1 << 20  // bytes of the largest buffer that is kept for later requests
	defaultList = 100
	maxList     = 1000
	defaultRead = 1000
	maxSettle   = 10_000 // receipts of a settle
)

// buffer returns an empty buffer; giveBack takes it back.
func (a *API) buffer() *[]byte {
	if b, ok := a.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4<<10)
	return &b
}

func (a *API) giveBack(b *[]byte) {
	if cap(*b) <= keptBuffer {
		*b = (*b)[:0]
		a.buffers.Put(b)
	}
}

// release returns what the exchange holds. The body's bytes are not to be used afterwards.
func (x *exchange) release() {
	if x.buf != nil {
		x.api.giveBack(x.buf)
		x.buf = nil
	}
	x.scan = scanner{} // it points into them
	x.api.held.Add(-x.held)
	x.held = 0
}

// scanBody returns a scanner of the whole body. One that cannot be read is its first error.
func (x *exchange) scanBody() *scanner {
	body, err := x.body()
	x.scan.begin(body)
	if err != nil {
		x.scan.fail(faultOf(err))
	}
	return &x.scan
}

// keepBody leaves the body's bytes alone for good: after an error the broker may be at work on records that point into them still.
func (x *exchange) keepBody() { x.buf = nil }

// expectBody gives a body that was announced its time. It counts for what no handler reads, too: net/http reads that before it answers.
func (x *exchange) expectBody() {
	if x.r.ContentLength != 0 {
		// A recorder in a test has no deadlines: the error is of no use.
		_ = http.NewResponseController(x.w).SetReadDeadline(x.start.Add(x.api.cfg.BodyTimeout))
	}
}

// body reads the whole body, at most the broker's limit of bytes. The bytes are the exchange's until it ends.
func (x *exchange) body() ([]byte, error) {
	limit := x.api.limits.MaxBody
	if x.r.ContentLength > limit {
		return nil, x.tooLarge()
	}
	if x.r.ContentLength == 0 {
		return nil, nil
	}
	from := x.r.Body
	if x.r.ContentLength < 0 {
		from = http.MaxBytesReader(x.w, from, limit)
	}
	x.buf = x.api.buffer()
	control := http.NewResponseController(x.w)
	room := min(max(x.r.ContentLength+1, 512), smallBody) // + 1: for the read that finds the end
	if err := x.grow(room); err != nil {
		return nil, err
	}
	for {
		b := *x.buf
		if int64(len(b)) == room {
			room = min(2*room, limit+1)
			if err := x.grow(room); err != nil {
				return nil, err
			}
			b = *x.buf
			_ = control.SetReadDeadline(x.start.Add(x.api.cfg.BodyTimeout + time.Duration(len(b))*time.Second/minRate))
		}
		n, err := from.Read(b[len(b):room])
		*x.buf = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, x.unread(err)
		}
	}
	// A deadline left behind would end the request while it waits for records.
	_ = control.SetReadDeadline(time.Time{})
	return *x.buf, nil
}

// drain reads what is left of a refused request's body: many clients look for an answer only when they have sent everything, and
// would see a broken connection instead of the refusal. It takes as long as a body may take to begin; clients that ask first are told.
func (x *exchange) drain() {
	if n := x.r.ContentLength; n == 0 || n > maxUnread || x.r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(x.api.cfg.BodyTimeout))
	_, _ = io.CopyN(io.Discard, x.r.Body, maxUnread) // how it ends changes nothing
}

// grow makes the body's buffer at least n bytes large, if the memory for large bodies allows it.
func (x *exchange) grow(n int64) error {
	if n > smallBody {
		more := n - x.held
		if x.api.held.Add(more) > x.api.cfg.MaxBodies {
			x.api.held.Add(-more)
			f := unavailable(api.Unavailable, "too many large bodies are under way: repeat the request, or send smaller ones")
			f.hangUp = true
			return f
		}
		x.held = n
	}
	b := *x.buf
	if int64(cap(b)) >= n {
		return nil
	}
	bigger := append(make([]byte, 0, n), b...)
	old := b
	x.buf = &bigger
	x.api.giveBack(&old)
	return nil
}

func (x *exchange) tooLarge() *fault {
	f := newFault(http.StatusRequestEntityTooLarge, api.RequestTooLarge, "the body is over the limit of %d bytes: send it in several requests", x.api.limits.MaxBody)
	f.hangUp = true
	return f
}

// unread says why a body could not be read.
func (x *exchange) unread(err error) error {
	var over *http.MaxBytesError
	var f *fault
	switch {
	case errors.As(err, &over):
		x.drain()
		return x.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		f = invalid("the body came too slowly: it must begin within %s and go on at %d bytes a second", x.api.cfg.BodyTimeout, minRate)
	case errors.Is(err, io.ErrUnexpectedEOF):
		f = invalid("the body ended before its Content-Length")
	default:
		f = invalid("the body could not be read: send it with a Content-Length, or whole chunks")
	}
	f.hangUp = true
	return f
}

// allowWrite gives the client time to take an answer of n bytes: there is no limit for the whole server, which would end long polls.
func (x *exchange) allowWrite(n int) {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.api.cfg.WriteTimeout + time.Duration(n)*time.Second/minRate))
}

// headerBytes is about what a request's line and headers take.
func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host) + len(" HTTP/1.1\r\nHost: \r\n\r\n") + 2
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}
