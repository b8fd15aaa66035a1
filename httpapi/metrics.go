package httpapi

import (
	"context"
	"errors"
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

func newMetrics(b Broker, commits *Commits) (*metrics, error) {
	info := b.Info()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "holt_build_info", Help: "1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": info.Version, "engine": info.Engine},
	})
	build.Set(1)
	m := &metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "holt_http_request_seconds", Help: "Time to answer, waiting of long polls included.", Buckets: requestBuckets,
	}, []string{"route", "code"})}
	all := []prometheus.Collector{
		build, m.requests, newInfoCollector(b),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if commits != nil {
		all = append(all, commits.seconds, commits.records)
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

// Commits measures the commits of a store: its Observe is for queue.Config.ObserveCommit, itself for Config.Commits.
type Commits struct{ seconds, records prometheus.Histogram }

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

// infoCollector shows what the broker tells of topics, groups and its store. A scrape goes once through the list of groups and once through that of
// topics, a page at a time, and shows what came within scrapeTimeout of each. What it costs is the broker's work for those pages: for the age of a
// group's oldest record it reads one record of each partition that is behind, and for each topic it looks for its groups among all.
type infoCollector struct {
	broker     Broker
	topics     []topicMetric
	groups     []groupMetric
	disk, free *prometheus.Desc
	leftOut    *prometheus.Desc
}

// topicMetric is one number of each topic.
type topicMetric struct {
	desc *prometheus.Desc
	of   func(t *queue.TopicInfo) float64
}

// groupMetric is one number of each group at a time.
type groupMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(g *queue.GroupInfo, now time.Time) float64
}

func newInfoCollector(b Broker) *infoCollector {
	return &infoCollector{
		broker: b, topics: topicMetrics(), groups: append(groupGauges(), groupCounters()...),
		disk:    prometheus.NewDesc("holt_store_disk_bytes", "Bytes of storage that the store takes.", nil, nil),
		free:    prometheus.NewDesc("holt_store_free_bytes", "Bytes that are free where the store lives.", nil, nil),
		leftOut: prometheus.NewDesc("holt_scrape_left_out", "1 if there are more topics or groups than one scrape shows, or has the time to.", []string{"noun"}, nil),
	}
}

func topicMetrics() []topicMetric {
	topic := func(name, help string, of func(*queue.TopicInfo) float64) topicMetric {
		return topicMetric{prometheus.NewDesc("holt_topic_"+name, help, []string{"topic"}, nil), of}
	}
	return []topicMetric{
		topic("records_published_total", "Records published to the topic since the server started; redelivered and dead-lettered ones are not counted.",
			func(t *queue.TopicInfo) float64 { return float64(t.Published.Records) }),
		topic("bytes_published_total", "Bytes of their keys and values.", func(t *queue.TopicInfo) float64 { return float64(t.Published.Bytes) }),
	}
}

func groupGauges() []groupMetric {
	gauge := func(name, help string, of func(*queue.GroupInfo, time.Time) float64) groupMetric {
		return groupMetric{prometheus.NewDesc("holt_group_"+name, help, []string{"group"}, nil), prometheus.GaugeValue, of}
	}
	total := func(name, help string, of func(queue.GroupTotals) int64) groupMetric {
		return gauge(name, help, func(g *queue.GroupInfo, _ time.Time) float64 { return float64(of(g.Totals)) })
	}
	return []groupMetric{
		total("lag", "Records the group has not settled, leased ones too.", func(t queue.GroupTotals) int64 { return t.Lag }),
		total("available", "Records that can be handed out.", func(t queue.GroupTotals) int64 { return t.Available }),
		total("leased", "Records that are held.", func(t queue.GroupTotals) int64 { return t.Leased }),
		total("deferred", "Records that wait for a backoff.", func(t queue.GroupTotals) int64 { return t.Deferred }),
		total("dead_letters", "Open dead letters.", func(t queue.GroupTotals) int64 { return t.DeadLetters }),
		gauge("waiters", "Leases that are parked.", func(g *queue.GroupInfo, _ time.Time) float64 { return float64(g.Waiters) }),
		gauge("oldest_unsettled_age_seconds", "Age of the oldest record the group has not settled; 0 when there is none.", unsettledAge),
	}
}

func groupCounters() []groupMetric {
	counter := func(name, help string, of func(*queue.GroupCounters) uint64) groupMetric {
		return groupMetric{
			prometheus.NewDesc("holt_group_"+name+"_total", help+" Since the server started.", []string{"group"}, nil), prometheus.CounterValue,
			func(g *queue.GroupInfo, _ time.Time) float64 { return float64(of(&g.Counters)) },
		}
	}
	return []groupMetric{
		counter("leased", "Records handed out.", func(c *queue.GroupCounters) uint64 { return c.Leased }),
		counter("acked", "Leases that ended with an ack.", func(c *queue.GroupCounters) uint64 { return c.Acked }),
		counter("nacked", "Leases that ended with a nack.", func(c *queue.GroupCounters) uint64 { return c.Nacked }),
		counter("released", "Leases that were given back uncounted.", func(c *queue.GroupCounters) uint64 { return c.Released }),
		counter("rejected", "Leases that ended with a reject.", func(c *queue.GroupCounters) uint64 { return c.Rejected }),
		counter("extended", "Leases whose deadline was moved.", func(c *queue.GroupCounters) uint64 { return c.Extended }),
		counter("expired", "Leases that ran past their deadline.", func(c *queue.GroupCounters) uint64 { return c.Expired }),
		counter("dead_lettered", "Records that became dead letters.", func(c *queue.GroupCounters) uint64 { return c.DeadLettered }),
		counter("redelivered", "Records handed out again.", func(c *queue.GroupCounters) uint64 { return c.Redelivered }),
	}
}

func unsettledAge(g *queue.GroupInfo, now time.Time) float64 {
	oldest := now
	for _, p := range g.Partitions {
		if !p.OldestUnsettled.IsZero() && p.OldestUnsettled.Before(oldest) {
			oldest = p.OldestUnsettled
		}
	}
	return now.Sub(oldest).Seconds()
}

// Describe implements prometheus.Collector.
func (c *infoCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.topics {
		ch <- m.desc
	}
	for _, m := range c.groups {
		ch <- m.desc
	}
	ch <- c.disk
	ch <- c.free
	ch <- c.leftOut
}

// scrapeTimeout bounds the time for each of the lists of a scrape.
const scrapeTimeout = 4 * time.Second

// Collect implements prometheus.Collector.
func (c *infoCollector) Collect(ch chan<- prometheus.Metric) {
	health := c.broker.Health()
	for desc, bytes := range map[*prometheus.Desc]int64{c.disk: health.Used, c.free: health.Free} {
		if bytes >= 0 { // else not known
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(bytes))
		}
	}
	now := time.Now()
	collect(ch, c.leftOut, "groups", c.broker.Groups, func(g queue.GroupInfo) string {
		for _, m := range c.groups {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(&g, now), g.Name)
		}
		return g.Name
	})
	collect(ch, c.leftOut, "topics", c.broker.Topics, func(t queue.TopicInfo) string {
		for _, m := range c.topics {
			ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, m.of(&t), t.Name)
		}
		return t.Name
	})
}

// scrapePage is how many topics or groups a scrape asks for at once.
const scrapePage = 250

// collect goes through a list page by page, up to maxSeries items; show shows one and returns its name.
func collect[T any](ch chan<- prometheus.Metric, leftOut *prometheus.Desc, noun string, list func(context.Context, string, int) ([]T, error), show func(T) string) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	after, more := "", 0.0
	for n := 0; ; {
		items, err := list(ctx, after, scrapePage)
		if errors.Is(err, context.DeadlineExceeded) {
			more = 1
			break
		}
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
		if len(items) < scrapePage || more > 0 {
			break
		}
	}
	ch <- prometheus.MustNewConstMetric(leftOut, prometheus.GaugeValue, more, noun)
}
