package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// house is the API over a broker on the memory store, inside a bubble.
type house struct {
	*API
	t      *testing.T
	broker *queue.Broker
	spy    *spy
	log    *bytes.Buffer // of the API
}

// spy is the broker with a say in what happens.
type spy struct {
	Broker
	lease   func(group string, req queue.LeaseRequest) ([]queue.Delivery, []string, error)
	publish func(msgs []queue.Message) error
	settle  func(req queue.SettleRequest) error
	topic   func() error
	topics  func(ctx context.Context) error
	disk    bool // the store knows how much space there is
	low     bool // and that it is too little
	mu      sync.Mutex
	back    []queue.Delivery
}

func (s *spy) Lease(ctx context.Context, group string, req queue.LeaseRequest) ([]queue.Delivery, []string, error) {
	if s.lease != nil {
		return s.lease(group, req)
	}
	return s.Broker.Lease(ctx, group, req)
}

func (s *spy) LeaseAndSettle(ctx context.Context, group string, settle queue.SettleRequest, req queue.LeaseRequest) (queue.SettleResult, []queue.Delivery, []string, error) {
	if s.settle != nil {
		if err := s.settle(settle); err != nil {
			return queue.SettleResult{}, nil, nil, err
		}
	}
	return s.Broker.LeaseAndSettle(ctx, group, settle, req)
}

func (s *spy) SettleAndPublish(ctx context.Context, group string, req queue.SettleRequest) (queue.SettleResult, error) {
	if s.settle != nil {
		if err := s.settle(req); err != nil {
			return queue.SettleResult{}, err
		}
	}
	return s.Broker.SettleAndPublish(ctx, group, req)
}

func (s *spy) Publish(ctx context.Context, topic string, msgs []queue.Message, wait time.Duration) ([]queue.Place, []string, error) {
	if s.publish != nil {
		if err := s.publish(msgs); err != nil {
			return nil, nil, err
		}
	}
	return s.Broker.Publish(ctx, topic, msgs, wait)
}

func (s *spy) Topic(ctx context.Context, name string) (queue.TopicInfo, error) {
	if s.topic != nil {
		if err := s.topic(); err != nil {
			return queue.TopicInfo{}, err
		}
	}
	return s.Broker.Topic(ctx, name)
}

func (s *spy) TopicSummaries(ctx context.Context, after string, limit int) ([]queue.TopicInfo, error) {
	if s.topics != nil {
		if err := s.topics(ctx); err != nil {
			return nil, err
		}
	}
	return s.Broker.TopicSummaries(ctx, after, limit)
}

func (s *spy) Health() store.Health {
	h := s.Broker.Health()
	if s.disk {
		h.Free = 1 << 30
	}
	h.Low = h.Low || s.low
	return h
}

func (s *spy) GiveBack(group string, ds []queue.Delivery) {
	s.mu.Lock()
	s.back = append(s.back, ds...)
	s.mu.Unlock()
	s.Broker.GiveBack(group, ds)
}

func inBubble(t *testing.T, fn func(h *house)) { inBubbleWith(t, queue.Config{}, Config{}, fn) }

func inBubbleWith(t *testing.T, qc queue.Config, hc Config, fn func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := queue.Open(t.Context(), memory.New(memory.Config{}), qc)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		h := &house{t: t, broker: b, spy: &spy{Broker: b}, log: new(bytes.Buffer)}
		hc.Log = slog.New(slog.NewTextHandler(h.log, nil))
		letters := dlq.New(b, nil)
		hc.DeadLetters = letters
		if h.API, err = New(h.spy, hc); err != nil {
			t.Fatalf("new: %v", err)
		}
		fn(h)
		letters.Close()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// documented is the API, each exchange held to openapi.yaml.
func (h *house) documented() http.Handler { return held(h.t, h.API) }

// answer is one answer.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// call makes one request; headers come as names and values by turns.
func (h *house) call(method, path, body string, headers ...string) answer {
	h.t.Helper()
	r := httptest.NewRequest(method, "http://localhost:4658"+path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return h.do(r)
}

func (h *house) do(r *http.Request) answer {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.documented().ServeHTTP(w, r)
	return answer{h.t, r.Method + " " + r.URL.RequestURI(), w.Code, w.Header(), w.Body.String()}
}

func (h *house) get(path string) answer        { h.t.Helper(); return h.call("GET", path, "") }
func (h *house) put(path, body string) answer  { h.t.Helper(); return h.call("PUT", path, body) }
func (h *house) post(path, body string) answer { h.t.Helper(); return h.call("POST", path, body) }
func (h *house) publish(topic, body string) answer {
	h.t.Helper()
	return h.call("POST", "/v1/topics/"+topic+"/records", body, "Content-Type", "application/json")
}

// is requires a status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: %d, want %d: %s", a.what, a.status, status, a.body)
	}
	if a.header.Get("X-Request-Id") == "" {
		a.t.Errorf("%s: no X-Request-Id", a.what)
	}
	return a
}

// problem requires an error answer with all that belongs to one.
func (a answer) problem(status int, code api.Code) api.Problem {
	a.t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		a.t.Errorf("%s: %d: %q is no problem: %v", a.what, a.status, a.body, err)
	}
	if a.status != status || p.Code != code || p.Status != status {
		a.t.Errorf("%s: %d %s, want %d %s: %s", a.what, a.status, p.Code, status, code, p.Detail)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: content type %q", a.what, got)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("%s: incomplete problem %s", a.what, a.body)
	}
	if (p.RetryAfterMS > 0) != (a.header.Get("Retry-After") != "") {
		a.t.Errorf("%s: retry_after_ms %d, Retry-After %q", a.what, p.RetryAfterMS, a.header.Get("Retry-After"))
	}
	return p
}

// into decodes an answer.
func into[T any](a answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s: %d: %q: %v", a.what, a.status, a.body, err)
	}
	return v
}

// pipes is a listener of net.Pipe connections, which work inside a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.conns <- theirs
	return mine
}

// serving runs a real server in front of the house until fn returns.
func (h *house) serving(cfg Config, fn func(p *pipes)) {
	h.t.Helper()
	p := newPipes()
	srv := NewServer(h.documented(), cfg)
	srv.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(h.log, nil), slog.LevelInfo)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(NewListener(p)) }()
	fn(p)
	h.broker.Stop()
	if err := srv.Shutdown(h.t.Context()); err != nil {
		h.t.Errorf("shutdown: %v", err)
	}
	if err := <-ended; err != http.ErrServerClosed {
		h.t.Errorf("serve: %v", err)
	}
}

// readAll reads what comes until the other side closes.
func readAll(c net.Conn) string {
	b, _ := io.ReadAll(c)
	return string(b)
}

// testLimits are the broker's defaults.
func testLimits() *queue.Limits {
	return &queue.Limits{
		MaxBody: 16 << 20, MaxValue: 1 << 20, MaxKey: 4 << 10, MaxHeaders: 64, MaxHeaderBytes: 16 << 10, MaxPublish: 10_000, MaxID: 256,
		MaxLease: 1000, MaxBytes: 16 << 20, MaxRead: 10_000, MaxWait: 60e9, MaxDelay: 365 * 24 * 3600e9,
	}
}
