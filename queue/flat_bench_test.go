package queue_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

// These show that a lease, its ack, an extend and a group's detail cost the same whatever else there is: backlog, partitions, parked calls, groups.
// One worker, one record at a time, the store in memory or what HOLT_BENCH_ENGINE names.

func flatEngine() string { return cmp.Or(os.Getenv("HOLT_BENCH_ENGINE"), "memory") }

// flat measures the operations on a broker, whose topic it fills with what they take.
func flat(b *testing.B, br *queue.Broker) {
	b.Run("lease+ack", func(b *testing.B) {
		fill(b, br, b.N)
		cycle(b, br)
	})
	b.Run("extend", func(b *testing.B) {
		held := hold(b, br, 1)
		b.ResetTimer()
		for range b.N {
			settleAll(b, br, held, queue.Extend)
		}
		b.StopTimer()
		settleAll(b, br, held, queue.Release)
	})
	b.Run("detail", func(b *testing.B) { detail(b, br, br.Group) })
	b.Run("summary", func(b *testing.B) { detail(b, br, br.GroupSummary) })
}

// detail measures what a description of the group takes while it has leases.
func detail(b *testing.B, br *queue.Broker, describe func(context.Context, string) (queue.GroupInfo, error)) {
	held := hold(b, br, 1000)
	b.ResetTimer()
	for range b.N {
		if info, err := describe(context.Background(), "g"); err != nil || info.Totals.Leased == 0 {
			b.Fatal(info, err)
		}
	}
	b.StopTimer()
	settleAll(b, br, held, queue.Release)
}

// cycle leases and acks b.N records one after the other, and reports the two apart.
func cycle(b *testing.B, br *queue.Broker) {
	b.ReportAllocs()
	b.ResetTimer()
	var leases time.Duration
	for range b.N {
		began := time.Now()
		ds := hold(b, br, 1)
		leases += time.Since(began)
		settleAll(b, br, ds, queue.Ack)
	}
	n := float64(b.N)
	b.ReportMetric(float64(leases)/n, "lease-ns/op")
	b.ReportMetric(float64(b.Elapsed()-leases)/n, "ack-ns/op")
}

// hold leases at most so many records.
func hold(b *testing.B, br *queue.Broker, most int) []queue.Delivery {
	ds, _, err := br.Lease(context.Background(), "g", queue.LeaseRequest{Max: most, Length: time.Hour})
	if err != nil || len(ds) == 0 {
		b.Fatal(len(ds), err)
	}
	return ds
}

func settleAll(b *testing.B, br *queue.Broker, ds []queue.Delivery, verb queue.Verb) {
	actions := make([]queue.Action, len(ds))
	for i, d := range ds {
		actions[i] = queue.Action{Receipt: d.Receipt, Verb: verb}
	}
	if _, err := br.Settle(context.Background(), "g", actions); err != nil {
		b.Fatal(err)
	}
}

// backlogs are those that benchmarks compare; HOLT_BENCH_RECORDS adds one.
func backlogs(b *testing.B) []int {
	all := []int{1_000, 100_000, 1_000_000}
	if text := os.Getenv("HOLT_BENCH_RECORDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

func BenchmarkFlatBacklog(b *testing.B) {
	for _, backlog := range backlogs(b) {
		b.Run(fmt.Sprint("records=", backlog), func(b *testing.B) {
			br := openBench(b, flatEngine(), 1)
			fill(b, br, backlog)
			flat(b, br)
		})
	}
}

// BenchmarkBacklogMemory reports the heap of a broker and its store that were opened with a backlog, of which the group leased and gave back a thousand records: on
// Badger, where the heap holds none.
func BenchmarkBacklogMemory(b *testing.B) {
	for _, backlog := range backlogs(b) {
		b.Run(fmt.Sprint("records=", backlog), func(b *testing.B) {
			dir := b.TempDir()
			br, end := openBenchOn(b, badgerIn(b, dir), 1)
			fill(b, br, backlog)
			end()
			before := heapBytes()
			br, end = openBenchOn(b, badgerIn(b, dir), 1)
			settleAll(b, br, hold(b, br, 1000), queue.Release)
			b.ReportMetric(float64(heapBytes()-before)/1024, "KiB")
			end()
		})
	}
}

// heapBytes is what the heap holds.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkFlatPartitions(b *testing.B) {
	for _, partitions := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("partitions=", partitions), func(b *testing.B) {
			br := openBench(b, flatEngine(), partitions)
			for range 2000 {
				fill(b, br, 10) // each request goes to one partition
			}
			flat(b, br)
		})
	}
}

func BenchmarkFlatWaiters(b *testing.B) {
	for _, waiters := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint("parked=", waiters), func(b *testing.B) {
			br := openBench(b, flatEngine(), 4)
			defer park(b, br, waiters)()
			fill(b, br, 1000)
			flat(b, br)
		})
	}
}

// park has so many calls wait for records of a topic where none come, until the function it gives is called.
func park(b *testing.B, br *queue.Broker, waiters int) (unpark func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if _, _, err := br.Publish(ctx, "quiet", []queue.Message{{Value: []byte("x")}}, 0); err != nil {
		b.Fatal(err)
	}
	ds, _, err := br.Lease(ctx, "g", queue.LeaseRequest{Max: 1, Topics: []string{"quiet"}})
	if err != nil {
		b.Fatal(err)
	}
	settleAll(b, br, ds, queue.Ack)
	done := make(chan struct{}, waiters)
	for range waiters {
		go func() {
			_, _, _ = br.Lease(ctx, "g", queue.LeaseRequest{Max: 1, Wait: time.Minute, Topics: []string{"quiet"}})
			done <- struct{}{}
		}()
	}
	for info, err := br.Group(ctx, "g"); info.Waiters < waiters; info, err = br.Group(ctx, "g") {
		if err != nil {
			b.Fatal(err)
		}
	}
	return func() {
		cancel()
		for range waiters {
			<-done
		}
	}
}

func BenchmarkFlatGroups(b *testing.B) {
	for _, groups := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("groups=", groups), func(b *testing.B) {
			br := openBench(b, flatEngine(), 1)
			for i := range groups - 1 {
				_, _, err := br.PutGroup(context.Background(), fmt.Sprint("idle", i), queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
					c.Topics = []string{"t"}
					return c, nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			fill(b, br, 1000)
			flat(b, br)
			b.Run("publish+lease+ack", func(b *testing.B) {
				for range b.N {
					fill(b, br, 1)
					leaseAndAck(b, br, 1)
				}
			})
		})
	}
}

// BenchmarkFlatLimit publishes to topics with max_backlog, which asks a group how far behind it is.
func BenchmarkFlatLimit(b *testing.B) {
	for _, partitions := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("partitions=", partitions), func(b *testing.B) {
			br := openBench(b, flatEngine(), partitions)
			_, _, err := br.PutTopic(context.Background(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
				c.MaxBacklogRecords = 1 << 40
				return c, nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for range b.N {
				fill(b, br, 1)
			}
		})
	}
}
