package httpapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// maxSeries is how many topics, and how many groups, one scrape shows, by name; holt_scrape_left_out says that there are more.
const maxSeries = 10_000

// maxHistograms is how many of these groups, the first by name, show their histograms, which take some 45 series each.
const maxHistograms = 500

// infoCollector shows what the broker tells of topics, groups and its store. A scrape goes once through the list of groups and once through that of
// topics, a page at a time, and shows what came within scrapeTimeout of each. What it costs is the broker's work for those pages: a look at each partition of each
// topic and of each group that is behind, and a record read of those whose first one is another than at the last scrape and may be the oldest.
type infoCollector struct {
	broker     Broker
	topics     []topicMetric
	groups     []groupMetric
	histograms []groupHistogram
	disk, free *prometheus.Desc
	low        *prometheus.Desc
	leftOut    *prometheus.Desc
}

// topicMetric is one number of each topic.
type topicMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(t *queue.TopicInfo) float64
}

// groupMetric is one number of each group at a time.
type groupMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(g *queue.GroupInfo, now time.Time) float64
}

// groupHistogram is one histogram of each group.
type groupHistogram struct {
	desc *prometheus.Desc
	of   func(m *queue.GroupMeasures) queue.Histogram
}

func newInfoCollector(b Broker) *infoCollector {
	return &infoCollector{
		broker: b, topics: topicMetrics(), groups: append(groupGauges(), groupCounters()...), histograms: groupHistograms(),
		disk:    prometheus.NewDesc("holt_store_disk_bytes", "Bytes of storage that the store takes.", nil, nil),
		free:    prometheus.NewDesc("holt_store_free_bytes", "Bytes that are free where the store lives.", nil, nil),
		low:     prometheus.NewDesc("holt_store_low", "1 while free space is below the minimum: publishes get 507.", nil, nil),
		leftOut: prometheus.NewDesc("holt_scrape_left_out", "1 if there are more topics or groups than one scrape shows, or has the time to.", []string{"noun"}, nil),
	}
}

func topicMetrics() []topicMetric {
	topic := func(kind prometheus.ValueType, name, help string, of func(*queue.TopicInfo) float64) topicMetric {
		return topicMetric{prometheus.NewDesc("holt_topic_"+name, help, []string{"topic"}, nil), kind, of}
	}
	return []topicMetric{
		topic(prometheus.CounterValue, "records_published_total", "Records published to the topic since the server started; redelivered and dead-lettered ones are not counted.",
			func(t *queue.TopicInfo) float64 { return float64(t.Published.Records) }),
		topic(prometheus.CounterValue, "bytes_published_total", "Bytes of their keys and values.", func(t *queue.TopicInfo) float64 { return float64(t.Published.Bytes) }),
		topic(prometheus.GaugeValue, "stored_bytes", "Bytes of the records that the topic holds.", storedBytes),
		topic(prometheus.GaugeValue, "scheduled", "Delayed records that are not due yet.", func(t *queue.TopicInfo) float64 { return float64(t.Scheduled) }),
	}
}

func storedBytes(t *queue.TopicInfo) float64 {
	n := int64(0)
	for _, p := range t.Partitions {
		n += p.Bytes
	}
	return float64(n)
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
		gauge("members", "Members of an ordered group, and workers of a share group that hold leases or were seen in the last 30 s, by the names they gave.", presentMembers),
		gauge("paused", "1 while the group is paused.", func(g *queue.GroupInfo, _ time.Time) float64 { return truth(g.Config.Paused) }),
		gauge("oldest_unsettled_age_seconds", "Age of the oldest record the group has not settled; 0 when there is none.", func(g *queue.GroupInfo, now time.Time) float64 {
			return age(g.OldestUnsettled, now)
		}),
		gauge("oldest_available_age_seconds", "Age of the oldest record that can be handed out; 0 when there is none.", func(g *queue.GroupInfo, now time.Time) float64 {
			return age(g.OldestAvailable, now)
		}),
	}
}

func presentMembers(g *queue.GroupInfo, now time.Time) float64 {
	n := 0
	for _, m := range g.Members {
		if g.Kind == catalog.KindOrdered || api.Present(m.Leases, m.LastSeen, now) {
			n++
		}
	}
	return float64(n)
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
		counter("dropped", "Records given up without a dead letter, and those over their ttl.", func(c *queue.GroupCounters) uint64 { return c.Dropped }),
		counter("unread", "Records the group came to that could not be read.", func(c *queue.GroupCounters) uint64 { return c.Unread }),
		counter("redelivered", "Records handed out again.", func(c *queue.GroupCounters) uint64 { return c.Redelivered }),
	}
}

func groupHistograms() []groupHistogram {
	histogram := func(name, help string, of func(*queue.GroupMeasures) queue.Histogram) groupHistogram {
		return groupHistogram{prometheus.NewDesc("holt_group_"+name, help+" Since the server started.", []string{"group"}, nil), of}
	}
	return []groupHistogram{
		histogram("queue_seconds", "Time from a record's append to its first hand-out.", func(m *queue.GroupMeasures) queue.Histogram { return m.Queue }),
		histogram("handle_seconds", "Time from a hand-out to its ack, nack or reject.", func(m *queue.GroupMeasures) queue.Histogram { return m.Handle }),
		histogram("attempts", "Attempts that records took until they were acked or given up.", func(m *queue.GroupMeasures) queue.Histogram { return m.Attempts }),
	}
}

// metric shows a histogram; one that a group's kind does not have is nil.
func (h groupHistogram) metric(group string, m *queue.GroupMeasures) prometheus.Metric {
	s := h.of(m)
	if len(s.Counts) == 0 {
		return nil
	}
	buckets, n := make(map[float64]uint64, len(s.Bounds)), uint64(0)
	for i, bound := range s.Bounds {
		n += s.Counts[i]
		buckets[bound] = n
	}
	return prometheus.MustNewConstHistogram(h.desc, n+s.Counts[len(s.Bounds)], s.Sum, buckets, group)
}

// age is how long a time is ago; 0 if it is none, or has yet to come.
func age(at, now time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(0, now.Sub(at).Seconds())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *infoCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.topics {
		ch <- m.desc
	}
	for _, m := range c.groups {
		ch <- m.desc
	}
	for _, h := range c.histograms {
		ch <- h.desc
	}
	ch <- c.disk
	ch <- c.free
	ch <- c.low
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
	ch <- prometheus.MustNewConstMetric(c.low, prometheus.GaugeValue, truth(health.Low))
	now, measured := time.Now(), 0
	collect(ch, c.leftOut, "groups", c.broker.GroupOverviews, func(g queue.GroupInfo) string {
		for _, m := range c.groups {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(&g, now), g.Name)
		}
		if measured++; measured <= maxHistograms {
			c.measures(ch, &g)
		}
		return g.Name
	})
	collect(ch, c.leftOut, "topics", c.broker.TopicSummaries, func(t queue.TopicInfo) string {
		for _, m := range c.topics {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(&t), t.Name)
		}
		return t.Name
	})
}

// measures shows the histograms of one group.
func (c *infoCollector) measures(ch chan<- prometheus.Metric, g *queue.GroupInfo) {
	for _, h := range c.histograms {
		if m := h.metric(g.Name, &g.Measures); m != nil {
			ch <- m
		}
	}
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
