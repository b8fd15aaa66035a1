package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store/memory"
)

// benchRecord is a usual record: a key, a header, a small object.
const benchRecord = `{"key":"customer-4711","headers":{"trace-id":"4bf92f3577b34da6a3ce929d0e0e4736"},"value":{"order":4711,"items":[{"sku":"a-1","n":2},{"sku":"b-7","n":1}],"total":129.95,"note":"leave it at the door"}}`

func BenchmarkDecodePublish(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			body := []byte(`{"records":[` + strings.TrimSuffix(strings.Repeat(benchRecord+",", n), ",") + `]}`)
			a := &API{limits: *testLimits()}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				batch := a.batch()
				s := newScanner(body)
				batch.oneOrMany(s)
				if err := s.done(); err != nil {
					b.Fatal(err)
				}
				a.done(batch)
			}
		})
	}
}

func BenchmarkEncodeLease(b *testing.B) {
	const object = `{"order":4711,"items":[{"sku":"a-1","n":2},{"sku":"b-7","n":1}],"total":129.95,"note":"leave it at the door"}`
	b.Run("values=json", func(b *testing.B) { benchEncodeLease(b, object) })
	b.Run("values=text", func(b *testing.B) { benchEncodeLease(b, "order 4711: two of a-1, one of b-7; leave them at the door") })
}

func benchEncodeLease(b *testing.B, value string) {
	now := time.Now().UTC()
	for _, n := range []int{1, 100} {
		ds := make([]queue.Delivery, n)
		for i := range ds {
			ds[i] = queue.Delivery{
				Receipt: strings.Repeat("r", 72), Topic: "orders", Partition: 3, Attempt: 1, Deliveries: 1, ExpiresAt: now.Add(time.Minute), ExpiresIn: time.Minute,
				Record: queue.Record{
					Offset: queue.Offset(i), Timestamp: now, Key: []byte("customer-4711"), Headers: []record.Header{{Name: "trace-id", Value: []byte("4bf92f3577b34da6a3ce929d0e0e4736")}},
					Value: []byte(value),
				},
			}
		}
		b.Run(fmt.Sprint("records=", n), func(b *testing.B) {
			var e encoder
			b.ReportAllocs()
			for b.Loop() {
				e = encoder{b: e.b[:0]}
				e.leased(ds, nil, nil)
			}
			b.SetBytes(int64(len(e.b)))
		})
	}
}

func BenchmarkDecodeSettle(b *testing.B) {
	var receipts []string
	for i := range 100 {
		receipts = append(receipts, fmt.Sprintf("%072d", i))
	}
	body := []byte(`{"ack":["` + strings.Join(receipts, `","`) + `"]}`)
	limits := testLimits()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		s := newScanner(body)
		readSettle(s, limits)
		if err := s.done(); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// nothing is a broker that publishes into nothing: what is left is the cost of this package and of the router.
type nothing struct {
	Broker
	places []queue.Place
}

func (n *nothing) Publish(_ context.Context, _ string, msgs []queue.Message, _ time.Duration) ([]queue.Place, []string, error) {
	return n.places[:len(msgs)], nil, nil
}

func BenchmarkServePublish(b *testing.B) {
	broker, err := queue.Open(b.Context(), memory.New(memory.Config{}), queue.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	a, err := New(&nothing{broker, make([]queue.Place, 1)}, Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("POST", "http://localhost:4658/v1/topics/orders/records", nil)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(benchRecord))
	body := strings.NewReader(benchRecord)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(benchRecord)
		r.Body = struct {
			*strings.Reader
			nopCloser
		}{body, nopCloser{}}
		a.ServeHTTP(&discard{http.Header{}}, r)
	}
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// BenchmarkScrape tells what a scrape takes for each topic and group, and so whether the broker's lists are linear.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint("topics=", n), func(b *testing.B) {
			broker, err := queue.Open(b.Context(), memory.New(memory.Config{}), queue.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer broker.Close()
			for i := range n {
				name := fmt.Sprint("x", i)
				if _, _, err := broker.Lease(b.Context(), name, queue.LeaseRequest{Max: 1, Topics: []string{name}}); err != nil {
					b.Fatal(err)
				}
			}
			a, err := New(broker, Config{})
			if err != nil {
				b.Fatal(err)
			}
			r := httptest.NewRequest("GET", "http://localhost:4658/metrics", nil)
			for b.Loop() {
				a.ServeHTTP(&discard{http.Header{}}, r)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/topic")
		})
	}
}

// BenchmarkScrapePartitions tells what a scrape takes with so many partitions, of one group and ten topics at the most, of which each holds a record that the
// group has not settled ("behind"), or none does.
func BenchmarkScrapePartitions(b *testing.B) {
	for _, state := range []string{"behind", "idle"} {
		for _, n := range []int{1, 1000, 10_000} {
			b.Run(fmt.Sprint(state, "/partitions=", n), func(b *testing.B) { benchScrape(b, n, state == "behind") })
		}
	}
}

func benchScrape(b *testing.B, partitions int, behind bool) {
	broker, err := queue.Open(b.Context(), memory.New(memory.Config{}), queue.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	var topics []string
	for left := partitions; left > 0; left -= catalog.MaxPartitions {
		name := fmt.Sprint("t", len(topics))
		topics = append(topics, name)
		_, _, err := broker.PutTopic(b.Context(), name, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Partitions = min(left, catalog.MaxPartitions)
			return c, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		var msgs []queue.Message
		for p := range min(left, catalog.MaxPartitions) {
			msgs = append(msgs, queue.Message{Partition: new(p), Value: []byte("one of many")})
		}
		if !behind {
			continue
		}
		for part := range slices.Chunk(msgs, 100) {
			if _, _, err := broker.Publish(b.Context(), name, part, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	_, _, err = broker.PutGroup(b.Context(), "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = topics
		return c, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(broker, Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost:4658/metrics", nil)
	b.ReportAllocs()
	for b.Loop() {
		a.ServeHTTP(&discard{http.Header{}}, r)
	}
}
