package clienttest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// Server is a server of a test's own, and a client of it.
type Server struct {
	*client.Client

	t      testing.TB
	pipes  *pipes
	server *http.Server
	broker *queue.Broker
	dlq    *dlq.Service
	served chan struct{} // closed when the server's goroutine is gone
}

// New starts a server that ends with the test. Anything that goes wrong with it fails the test.
func New(t testing.TB) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	b, err := queue.Open(context.Background(), memory.New(memory.Config{}), queue.Config{Logger: log, Version: "test"})
	if err != nil {
		t.Fatalf("start a Holt server: %v", err)
	}
	s := &Server{t: t, broker: b, dlq: dlq.New(b, log), pipes: newPipes(), served: make(chan struct{})}
	cfg := httpapi.Config{DeadLetters: s.dlq, Hosts: []string{"*"}, Log: log}
	api, err := httpapi.New(b, cfg)
	if err != nil {
		t.Fatalf("start a Holt server: %v", err)
	}
	s.server = httpapi.NewServer(api, cfg)
	go func() {
		defer close(s.served)
		_ = s.server.Serve(s.pipes)
	}()
	transport := &http.Transport{DialContext: s.pipes.dial, MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.close()
	})
	if s.Client, err = client.New("localhost", client.WithHTTPClient(&http.Client{Transport: transport})); err != nil {
		t.Fatalf("start a Holt server: %v", err)
	}
	return s
}

// HTTPClient reaches the server whatever the address says, for clients that a test makes itself:
//
//	client.New("localhost", client.WithHTTPClient(s.HTTPClient()), client.WithMember("a"))
//
// Its idle connections end with the server.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.pipes.dial, MaxIdleConnsPerHost: 64}}
}

// Drain has a worker handle all that group has to settle, and returns when nothing is left: every record was acked, or became a dead letter. Records that wait
// for their backoff are waited for, however long that is: in a bubble of testing/synctest it takes no time, elsewhere give the group a short one. It fails the
// test when Work fails.
func (s *Server) Drain(group string, h client.Handler, opts ...client.WorkOption) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	ended := make(chan struct{})
	var worked error
	go func() {
		defer close(ended)
		worked = s.Work(ctx, group, h, opts...)
	}()
	asked := s.awaitDrained(ctx, group, ended)
	cancel()
	<-ended
	if err := errors.Join(worked, asked); err != nil {
		s.t.Fatalf("drain %s: %v", group, err)
	}
}

// firstLook is how long Drain waits before it looks whether anything is left; then it waits for a part of the time that it took so far.
const firstLook = 2 * time.Millisecond

// awaitDrained returns when nothing is left for group to settle, or ended is closed.
func (s *Server) awaitDrained(ctx context.Context, group string, ended chan struct{}) error {
	for began := time.Now(); ; {
		pause := time.NewTimer(max(firstLook, time.Since(began)/16))
		select {
		case <-ended:
			pause.Stop()
			return nil
		case <-pause.C:
		}
		g, err := s.broker.GroupSummary(ctx, group)
		if errors.Is(err, queue.ErrGroupNotFound) {
			continue // Work is about to make it
		}
		if err != nil || g.Totals.Lag == 0 && g.Waiters > 0 { // a lease is parked: the topics that Work was given are attached, and hold nothing more
			return err
		}
	}
}

// Records returns all that a topic holds, partition by partition, as a test of what a worker has published wants to see it.
func (s *Server) Records(topic string) []*client.Record {
	s.t.Helper()
	ctx := s.t.Context()
	t, err := s.Topic(ctx, topic)
	if err != nil {
		s.t.Fatalf("records of %s: %v", topic, err)
	}
	var all []*client.Record
	for _, p := range t.Partitions {
		for from := ""; ; {
			page, err := s.Read(ctx, topic, p.Partition, client.ReadOptions{From: from})
			if err != nil {
				s.t.Fatalf("records of %s: %v", topic, err)
			}
			all = append(all, page.Records...)
			if page.NextOffset >= page.End {
				break
			}
			from = strconv.FormatInt(page.NextOffset, 10)
		}
	}
	return all
}

// close ends the server: parked calls first, then connections, then what works behind them.
func (s *Server) close() {
	s.broker.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
	}
	<-s.served
	s.dlq.Close()
	if err := s.broker.Close(); err != nil {
		s.t.Errorf("end the Holt server: %v", err)
	}
}

// pipes is a listener whose connections never leave the process.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "clienttest", Net: "pipe"} }
