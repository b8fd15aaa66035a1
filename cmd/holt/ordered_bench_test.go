package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/badger"
)

// orderedRecords is how many records BenchmarkOrdered reads; HOLT_BENCH_RECORDS changes it.
const orderedRecords = 1_000_000

// streamBench is a topic of 100-byte records in Badger.
type streamBench struct {
	b       *testing.B
	st      store.Store
	broker  *queue.Broker
	server  *httptest.Server
	records int
	buffer  []byte // of answers
	readers int
}

const benchPartitions = 4

func newStreamBench(b *testing.B) *streamBench {
	n := orderedRecords
	if text := os.Getenv("HOLT_BENCH_RECORDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	s := &streamBench{b: b, records: n}
	st, err := badger.Open(b.Context(), badger.Config{Dir: b.TempDir(), MinFree: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	s.st = st
	b.Cleanup(func() { st.Close() })
	s.open()
	if _, _, err := s.broker.PutTopic(b.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = benchPartitions
		return c, nil
	}); err != nil {
		b.Fatal(err)
	}
	s.fill(n)
	return s
}

func (s *streamBench) open() {
	var err error
	if s.broker, err = queue.Open(s.b.Context(), s.st, queue.Config{}); err != nil {
		s.b.Fatal(err)
	}
	h, err := httpapi.New(s.broker, httpapi.Config{})
	if err != nil {
		s.b.Fatal(err)
	}
	s.server = httptest.NewServer(h)
}

func (s *streamBench) close() {
	s.broker.Stop()
	s.server.Close()
	if err := s.broker.Close(); err != nil {
		s.b.Fatal(err)
	}
}

func (s *streamBench) fill(n int) {
	var wg sync.WaitGroup
	for p := range benchPartitions {
		wg.Go(func() {
			value := make([]byte, 100)
			for left := n / benchPartitions; left > 0; left -= 1000 {
				msgs := make([]queue.Message, min(left, 1000))
				for i := range msgs {
					msgs[i] = queue.Message{Value: value, Partition: &p}
				}
				if _, _, err := s.broker.Publish(s.b.Context(), "t", msgs, 0); err != nil {
					s.b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// raw reads all partitions from the store, one behind the other, a MiB at a time.
func (s *streamBench) raw() (records int, took time.Duration) {
	text, _, err := s.st.Meta().Get(s.b.Context(), "t/t")
	if err != nil {
		s.b.Fatal(err)
	}
	var def struct {
		Partitions []struct {
			Log store.LogID `json:"log"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal(text, &def); err != nil || len(def.Partitions) != benchPartitions {
		s.b.Fatalf("%s: %v", text, err)
	}
	for _, p := range def.Partitions {
		log, err := s.st.Open(s.b.Context(), p.Log)
		if err != nil {
			s.b.Fatal(err)
		}
		at, end, _ := log.Bounds()
		began := time.Now()
		for at < end {
			batches, err := log.Read(s.b.Context(), at, 1<<20)
			if err != nil {
				s.b.Fatal(err)
			}
			at = batches[len(batches)-1].Last + 1
		}
		took += time.Since(began)
		records += int(end)
	}
	return records, took
}

// readBatches reads the whole topic over HTTP as a new ordered group, in stored batches, which nobody decodes.
func (s *streamBench) readBatches(group string) (records int) {
	c := s.client()
	j, err := c.Join(s.b.Context(), group, client.JoinOptions{Topics: []string{"t"}})
	if err != nil {
		s.b.Fatal(err)
	}
	at := map[int]uint64{}
	for {
		body := fmt.Appendf(nil, `{"member":%q,"epoch":%d,"max_bytes":4194304,"owned":[`, j.Member, j.Epoch)
		for p := range benchPartitions {
			if p > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, `{"topic":"t","partition":%d,"offset":%d}`, p, at[p])
		}
		body = append(body, "]}"...)
		n := s.pollBatches(group, body, at)
		if records += n; n == 0 {
			break
		}
	}
	if err := c.Leave(s.b.Context(), group, j.Member, 0); err != nil {
		s.b.Fatal(err)
	}
	return records
}

// pollBatches makes a poll and moves at past what came.
func (s *streamBench) pollBatches(group string, body []byte, at map[int]uint64) (records int) {
	req, err := http.NewRequestWithContext(s.b.Context(), http.MethodPost, s.server.URL+"/v1/groups/"+group+"/poll", bytes.NewReader(body))
	if err != nil {
		s.b.Fatal(err)
	}
	req.Header.Set("Accept", api.MediaBatches)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.b.Fatal(err)
	}
	defer res.Body.Close()
	if int64(cap(s.buffer)) < res.ContentLength {
		s.buffer = make([]byte, res.ContentLength)
	}
	b := s.buffer[:res.ContentLength]
	if _, err := io.ReadFull(res.Body, b); err != nil || res.StatusCode != http.StatusOK {
		s.b.Fatalf("%s: %v: %s", res.Status, err, b)
	}
	b = b[4+binary.BigEndian.Uint32(b):]
	for len(b) > 0 {
		b = b[2+binary.BigEndian.Uint16(b):]
		p, n := int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[12:]))
		b = b[16:]
		for rest := b[:n]; len(rest) > 0; {
			last := binary.BigEndian.Uint64(rest) + uint64(binary.BigEndian.Uint32(rest[23:]))
			records += int(binary.BigEndian.Uint32(rest[57:]))
			at[p] = last + 1
			rest = rest[12+binary.BigEndian.Uint32(rest[8:]):]
		}
		b = b[n:]
	}
	return records
}

func (s *streamBench) client() *client.Client {
	c, err := client.New(s.server.URL)
	if err != nil {
		s.b.Fatal(err)
	}
	s.b.Cleanup(c.Close)
	return c
}

// BenchmarkOrdered reads a topic of 100-byte records in Badger: as the store gives it, as an ordered group over HTTP in stored batches, and with each record
// decoded and handed to a handler by client.Consume. Rates in records a second, the best of five turns each; the ratio is the second by the first.
func BenchmarkOrdered(b *testing.B) {
	s := newStreamBench(b)
	s.close()
	s.raw() // once, so that all of them find the files in memory
	var raw, batches, consumed float64
	round := 0
	for b.Loop() {
		for range 5 {
			round++
			n, took := s.raw()
			raw = max(raw, float64(n)/took.Seconds())
			s.open()
			began := time.Now()
			if got := s.readBatches(fmt.Sprint("batches", round)); got != n {
				b.Fatalf("%d records of %d", got, n)
			}
			batches = max(batches, float64(n)/time.Since(began).Seconds())
			began = time.Now()
			count := 0
			err := s.client().Consume(b.Context(), fmt.Sprint("consume", round), func(context.Context, *client.Record) error { count++; return nil },
				client.FromTopics("t"), client.MaxRecords(10_000), client.UntilEnd())
			if err != nil || count != n {
				b.Fatalf("%d records of %d: %v", count, n, err)
			}
			consumed = max(consumed, float64(n)/time.Since(began).Seconds())
			s.close()
		}
	}
	b.ReportMetric(raw, "raw/s")
	b.ReportMetric(batches, "batches/s")
	b.ReportMetric(consumed, "consumed/s")
	b.ReportMetric(batches/raw, "ratio")
}

// BenchmarkShareBesideOrdered: 16 workers of a share group lease and ack for a while, alone and then beside an ordered group that reads the topic again and again as fast as it
// can. Rates in records a second.
func BenchmarkShareBesideOrdered(b *testing.B) {
	s := newStreamBench(b)
	defer s.close()
	const while = 1500 * time.Millisecond
	for b.Loop() {
		var alone, beside, read float64
		const turns = 4
		for i := range turns { // by turns: what else the machine does is in both
			alone += s.work(fmt.Sprint("alone", i), while) / turns
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { read += s.readAgain(stop) / turns })
			beside += s.work(fmt.Sprint("beside", i), while) / turns
			close(stop)
			wg.Wait()
		}
		b.ReportMetric(alone, "alone/s")
		b.ReportMetric(beside, "beside/s")
		b.ReportMetric(beside/alone, "ratio")
		b.ReportMetric(read, "read/s")
	}
}

// readAgain reads the topic again and again, and returns how many records a second.
func (s *streamBench) readAgain(stop <-chan struct{}) float64 {
	began, read := time.Now(), 0
	for {
		select {
		case <-stop:
			return float64(read) / time.Since(began).Seconds()
		default:
			s.readers++
			read += s.readBatches(fmt.Sprint("reader", s.readers))
		}
	}
}

// work leases and acks with 16 workers for a while and returns how many records a second.
func (s *streamBench) work(group string, while time.Duration) float64 {
	c := s.client()
	if _, err := c.PutGroup(s.b.Context(), group, map[string]any{"topics": []string{"t"}}); err != nil {
		s.b.Fatal(err)
	}
	var mu sync.Mutex
	total := 0
	end := time.Now().Add(while)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			done := 0
			var last []string
			for time.Now().Before(end) {
				_, records, err := c.SettleAndLease(s.b.Context(), group, api.SettleRequest{Ack: last}, client.LeaseOptions{Max: 50})
				if err != nil {
					s.b.Error(err)
					return
				}
				done += len(last)
				last = last[:0]
				for _, r := range records {
					last = append(last, r.Receipt)
				}
			}
			mu.Lock()
			total += done
			mu.Unlock()
		})
	}
	wg.Wait()
	return float64(total) / while.Seconds()
}
