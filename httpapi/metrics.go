package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holtmq/holt/queue"
)

// metrics are the server's, in a registry of their own.
type metrics struct {
	requests *prometheus.HistogramVec
	handler  http.Handler
}

// requestBuckets are in seconds: answers that wait for a commit only are fast, long polls last up to a minute.
var requestBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(b Broker) (*metrics, error) {
	info := b.Info()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "holt_build_info", Help: "1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": info.Version, "engine": info.Engine},
	})
	build.Set(1)
	m := &metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "holt_http_request_seconds", Help: "Time to answer, waiting of long polls included.", Buckets: requestBuckets,
	}, []string{"route", "code"})}
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		build, m.requests, newInfoCollector(b),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true})
	return m, nil
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

// maxSeries is how many topics, and how many groups, one scrape shows, by name; holt_scrape_left_out says that there are more.
const maxSeries = 10_000

// infoCollector shows what the broker tells of topics and groups.
type infoCollector struct {
	broker                                    Broker
	topicRecords                              *prometheus.Desc
	lag, available, leased, deferred, letters *prometheus.Desc
	unsettledAge, leftOut                     *prometheus.Desc
}

func newInfoCollector(b Broker) *infoCollector {
	group := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("holt_group_"+name, help, []string{"group"}, nil)
	}
	return &infoCollector{
		broker:       b,
		topicRecords: prometheus.NewDesc("holt_topic_records_published_total", "Records appended to the topic since it was made, dead letters and due records too.", []string{"topic"}, nil),
		lag:          group("lag", "Records the group has not settled, leased ones too."),
		available:    group("available", "Records that can be handed out."),
		leased:       group("leased", "Records that are held."),
		deferred:     group("deferred", "Records that wait for a backoff."),
		letters:      group("dead_letters", "Open dead letters."),
		unsettledAge: group("oldest_unsettled_age_seconds", "Age of the oldest record the group has not settled; 0 when there is none."),
		leftOut:      prometheus.NewDesc("holt_scrape_left_out", "1 if there are more topics or groups than one scrape shows.", []string{"noun"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *infoCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.topicRecords, c.lag, c.available, c.leased, c.deferred, c.letters, c.unsettledAge, c.leftOut} {
		ch <- d
	}
}

// scrapeTimeout bounds what one scrape asks of the broker.
const scrapeTimeout = 10 * time.Second

// Collect implements prometheus.Collector.
func (c *infoCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	collect(ctx, ch, c.leftOut, "topics", c.broker.Topics, func(t queue.TopicInfo) string {
		records := int64(0)
		for _, p := range t.Partitions {
			records += int64(p.End)
		}
		ch <- prometheus.MustNewConstMetric(c.topicRecords, prometheus.CounterValue, float64(records), t.Name)
		return t.Name
	})
	now := time.Now()
	collect(ctx, ch, c.leftOut, "groups", c.broker.Groups, func(g queue.GroupInfo) string {
		c.group(ch, g, now)
		return g.Name
	})
}

func (c *infoCollector) group(ch chan<- prometheus.Metric, g queue.GroupInfo, now time.Time) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, g.Name)
	}
	gauge(c.lag, float64(g.Totals.Lag))
	gauge(c.available, float64(g.Totals.Available))
	gauge(c.leased, float64(g.Totals.Leased))
	gauge(c.deferred, float64(g.Totals.Deferred))
	gauge(c.letters, float64(g.Totals.DeadLetters))
	oldest := now
	for _, p := range g.Partitions {
		if !p.OldestUnsettled.IsZero() && p.OldestUnsettled.Before(oldest) {
			oldest = p.OldestUnsettled
		}
	}
	gauge(c.unsettledAge, now.Sub(oldest).Seconds())
}

// collect goes through a list page by page, up to maxSeries items; show shows one and returns its name.
func collect[T any](ctx context.Context, ch chan<- prometheus.Metric, leftOut *prometheus.Desc, noun string, list func(context.Context, string, int) ([]T, error), show func(T) string) {
	after, more := "", 0.0
	for n := 0; ; {
		items, err := list(ctx, after, maxList)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(leftOut, fmt.Errorf("list %s: %w", noun, err))
			return
		}
		for _, item := range items {
			if n++; n > maxSeries {
				more = 1
				break
			}
			after = show(item)
		}
		if len(items) < maxList || more > 0 {
			break
		}
	}
	ch <- prometheus.MustNewConstMetric(leftOut, prometheus.GaugeValue, more, noun)
}
