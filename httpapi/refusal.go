package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/holtmq/holt/client/api"
)

// NewListener returns l, whose connections say as problems what NewServer's server says of requests that no handler gets to see: net/http refuses what is
// not HTTP by itself, in plain text, past every handler. Under TLS it stays plain text: the connection sees bytes that are encrypted.
func NewListener(l net.Listener) net.Listener {
	ids := newRequestIDs()
	return &problemListener{l, &ids}
}

type problemListener struct {
	net.Listener
	ids *requestIDs
}

func (l *problemListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &problemConn{Conn: c, ids: l.ids}, nil
}

// problemConn is a connection on which net/http answers.
type problemConn struct {
	net.Conn
	ids    *requestIDs
	served atomic.Bool // a handler has the request, so what is written is its answer, whatever it looks like
}

// refusalHead stands between the status and the text of what net/http refuses by itself.
var refusalHead = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write implements net.Conn. net/http writes a refusal at once.
func (c *problemConn) Write(b []byte) (int, error) {
	if c.served.Load() || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return c.Conn.Write(b)
	}
	head, text, refused := bytes.Cut(b, refusalHead)
	if !refused || bytes.Contains(head, []byte("\r\n")) {
		return c.Conn.Write(b)
	}
	why := "look at its first line, where a % must begin an escape, its Host, its headers and its lengths"
	if _, said, ok := bytes.Cut(text, []byte(": ")); ok {
		why = cut(string(said))
	}
	f := invalid("this is no request as HTTP/1.1 has it: %s", why)
	if bytes.HasPrefix(text, []byte("431")) {
		f = newFault(http.StatusRequestHeaderFieldsTooLarge, api.HeadersTooLarge, "the request's headers are too large; send a record's key and headers in a JSON body")
	}
	id := c.ids.next()
	body := f.problem(id)
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\nContent-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: %s\r\n\r\n%s",
		f.status, http.StatusText(f.status), len(body), id, body)
	if _, err := c.Conn.Write(answer); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite lets net/http say that nothing more comes, and wait a moment, so that a client that still sends reads the answer first.
func (c *problemConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connKey is the key of the connection in a request's context.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*problemConn); ok {
		return context.WithValue(ctx, connKey{}, p)
	}
	return ctx
}

// markServed marks the connection of each request while it has an answer from h.
func markServed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*problemConn); ok {
			c.served.Store(true)
		}
		h.ServeHTTP(w, r)
	})
}
