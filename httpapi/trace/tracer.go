package trace

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Limits and defaults.
const (
	maxQueued = 4096 // spans that wait to be sent; one more is forgotten
	maxBatch  = 512  // spans of one request to the collector
	maxLinks  = 128  // of a span

	defaultEvery = 2 * time.Second
	sendTimeout  = 10 * time.Second
)

// Config is what a Tracer needs.
type Config struct {
	Endpoint string        // of the collector, as in "http://127.0.0.1:4318"; spans go to /v1/traces below it
	Version  string        // of this program
	Every    time.Duration // how long a span waits for company; 0 = 2 s
	Client   *http.Client  // nil = one of its own
	Log      *slog.Logger
}

// Tracer makes spans. Any number of goroutines may use it; nil makes none.
type Tracer struct {
	cfg     Config
	url     string
	queue   chan *Span
	dropped atomic.Uint64
	sent    atomic.Uint64
}

// New makes a tracer; it sends while Run runs.
func New(cfg Config) (*Tracer, error) {
	if cfg.Endpoint == "" {
		return nil, errors.New("a tracer needs the address of a collector")
	}
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: sendTimeout}
	}
	return &Tracer{cfg: cfg, url: strings.TrimSuffix(cfg.Endpoint, "/") + "/v1/traces", queue: make(chan *Span, maxQueued)}, nil
}

// Counts are how many spans were sent, and how many were forgotten for want of room or because the collector did not take them.
func (t *Tracer) Counts() (sent, dropped uint64) {
	if t == nil {
		return 0, 0
	}
	return t.sent.Load(), t.dropped.Load()
}

// Span is one operation of the server. Its exported fields are set before End.
type Span struct {
	Context Context // its own: what goes on with it
	Topic   string
	Group   string
	Client  string // who calls, as it says
	Request string // id
	Count   int    // records, or leases settled
	Error   string // code; "" = none

	tracer     *Tracer
	op         Operation
	parent     Context
	start, end time.Time
	links      []Context
}

// Start begins a span below parent. It is nil, and its methods do nothing, if the tracer is nil or the parent's trace is not recorded.
func (t *Tracer) Start(op Operation, parent Context, at time.Time) *Span {
	if t == nil || parent.Valid() && !parent.Sampled() {
		return nil
	}
	return &Span{Context: parent.within(), tracer: t, op: op, parent: parent, start: at}
}

// Link names a context that the span has to do with; those over a limit are left out.
func (s *Span) Link(c Context) {
	if s != nil && c.Valid() && len(s.links) < maxLinks {
		s.links = append(s.links, c)
	}
}

// End hands the span over to be sent.
func (s *Span) End() {
	if s == nil {
		return
	}
	s.end = time.Now()
	select {
	case s.tracer.queue <- s:
	default:
		s.tracer.dropped.Add(1)
	}
}
