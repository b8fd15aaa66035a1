package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/holtmq/holt/client/api"
)

// network is a server inside a synctest bubble, reached over pipes (real connections hang a bubble).
type network struct {
	handler http.Handler

	mu       sync.Mutex
	listener *pipeListener // nil: down
	server   *http.Server
}

// newNetwork starts handler and returns a client of it; both end with the test.
func newNetwork(t *testing.T, handler http.Handler, opts ...Option) (*network, *Client) {
	t.Helper()
	n := &network{handler: handler}
	n.up()
	transport := &http.Transport{DialContext: n.dial, MaxIdleConnsPerHost: idleConnections}
	c, err := New("holt.test", append(opts, WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.down()
		transport.CloseIdleConnections()
	})
	return n, c
}

func (n *network) up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener = &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.server = &http.Server{Handler: n.handler}
	go n.server.Serve(n.listener)
}

// down breaks every connection and refuses new ones.
func (n *network) down() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener != nil {
		n.server.Close()
		n.listener = nil
	}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listener
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "pipe", Err: errors.New("connection refused")}
	if l == nil {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// decode reads a request's JSON body.
func decode[T any](t *testing.T, r *http.Request) T {
	t.Helper()
	var v T
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Errorf("%s %s: %v: %s", r.Method, r.URL, err, b)
	}
	return v
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", mediaJSON)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, p api.Problem) {
	w.Header().Set("Content-Type", mediaProblemJSON)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
