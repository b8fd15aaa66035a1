package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's, in a registry of their own.
type metrics struct {
	requests *prometheus.HistogramVec
	problems *prometheus.CounterVec
	handler  http.Handler
}

// requestBuckets are in seconds: answers that wait for a commit only are fast, long polls last up to a minute.
var requestBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(b Broker, cfg *Config) (*metrics, error) {
	info := b.Info()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "holt_build_info", Help: "1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": info.Version, "engine": info.Engine},
	})
	build.Set(1)
	m := &metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "holt_http_request_seconds", Help: "Time to answer, waiting of long polls included.", Buckets: requestBuckets,
	}, []string{"route", "code"}), problems: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "holt_http_problems_total", Help: "Error answers since the server started, by their code.",
	}, []string{"code"})}
	sent := func() float64 { n, _ := cfg.Tracer.Counts(); return float64(n) }
	dropped := func() float64 { _, n := cfg.Tracer.Counts(); return float64(n) }
	all := []prometheus.Collector{
		build, m.requests, m.problems, spanCounter("sent", "Spans that the collector took", sent), spanCounter("dropped", "Spans that were forgotten", dropped), newInfoCollector(b),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if cfg.Commits != nil {
		all = append(all, cfg.Commits.seconds, cfg.Commits.records)
	}
	if cfg.DeadLetters != nil {
		all = append(all, newRedriveCollector(cfg.DeadLetters))
	}
	registry := prometheus.NewRegistry()
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true})
	return m, nil
}

func spanCounter(what, help string, of func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "holt_trace_spans_" + what + "_total", Help: help + " since the server started."}, of)
}

// Commits measures the commits of a store: its Observe is for queue.Config.ObserveCommit, itself for Config.Commits.
type Commits struct {
	seconds, records prometheus.Histogram

	mu     sync.Mutex
	recent [recentCommits]time.Duration // a ring, for the console
	n      int
}

// recentCommits is how many commits Recent looks back.
const recentCommits = 512

// NewCommits returns measures without a commit.
func NewCommits() *Commits {
	return &Commits{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holt_store_commit_seconds", Help: "Time of a commit to stable storage.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		records: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holt_store_commit_records", Help: "Records of a commit.", Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}),
	}
}

// Observe takes note of a commit.
func (c *Commits) Observe(took time.Duration, _, records int) {
	c.seconds.Observe(took.Seconds())
	c.records.Observe(float64(records))
	c.mu.Lock()
	c.recent[c.n%recentCommits] = took
	c.n++
	c.mu.Unlock()
}

// Recent returns the median and the slowest in a hundred of the last commits; 0 if there were none.
func (c *Commits) Recent() (typical, slow time.Duration) {
	c.mu.Lock()
	some := slices.Clone(c.recent[:min(c.n, recentCommits)])
	c.mu.Unlock()
	if len(some) == 0 {
		return 0, 0
	}
	slices.Sort(some)
	return some[len(some)/2], some[len(some)*99/100]
}

// scrape answers GET /metrics.
func (a *API) scrape(x *exchange) error {
	x.status = http.StatusOK
	x.header().Set("Cache-Control", "no-store")
	x.allowWrite(scrapeBytes)
	a.metrics.handler.ServeHTTP(x.w, x.r)
	return nil
}

// scrapeBytes is about what the largest answer of /metrics takes, to give it time.
const scrapeBytes = 16 << 20

// timings are the histograms of one route, by status.
type timings struct {
	route    string
	requests *prometheus.HistogramVec
	byStatus sync.Map // int → prometheus.Observer
}

func (m *metrics) route(name string) *timings { return &timings{route: name, requests: m.requests} }

func (t *timings) observe(status int, took time.Duration) {
	t.of(status).Observe(took.Seconds())
}

func (t *timings) of(status int) prometheus.Observer {
	if o, ok := t.byStatus.Load(status); ok {
		return o.(prometheus.Observer)
	}
	o := t.requests.WithLabelValues(t.route, strconv.Itoa(status))
	t.byStatus.Store(status, o)
	return o
}
