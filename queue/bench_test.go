package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/badger"
	"github.com/holtmq/holt/queue/store/memory"
)

// engines are the stores that benchmarks run on.
var engines = map[string]func(b *testing.B) store.Store{
	"memory": func(b *testing.B) store.Store { return memory.New(memory.Config{}) },
	"badger": func(b *testing.B) store.Store { return badgerIn(b, b.TempDir()) },
}

func badgerIn(b *testing.B, dir string) store.Store {
	st, err := badger.Open(context.Background(), badger.Config{Dir: dir, MinFree: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// openBench opens a broker with one topic of some partitions that one group reads.
func openBench(b *testing.B, engine string, partitions int) *queue.Broker {
	br, end := openBenchOn(b, engines[engine](b), partitions)
	b.Cleanup(end)
	return br
}

// openBenchOn is openBench on a store, which end closes too.
func openBenchOn(b *testing.B, st store.Store, partitions int) (br *queue.Broker, end func()) {
	br, err := queue.Open(context.Background(), st, queue.Config{})
	if err != nil {
		b.Fatal(err)
	}
	end = func() {
		if err := br.Close(); err != nil {
			b.Error(err)
		}
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	}
	ctx := context.Background()
	_, _, err = br.PutTopic(ctx, "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = partitions
		return c, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	_, _, err = br.PutGroup(ctx, "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = []string{"t"}
		return c, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return br, end
}

func fill(b *testing.B, br *queue.Broker, n int) {
	value := make([]byte, 100)
	for n > 0 {
		msgs := make([]queue.Message, min(n, 1000))
		for i := range msgs {
			msgs[i].Value = value
		}
		if _, _, err := br.Publish(context.Background(), "t", msgs, 0); err != nil {
			b.Fatal(err)
		}
		n -= len(msgs)
	}
}

// BenchmarkLeaseAck: 64 workers lease and ack in closed loops, 4 partitions; ns per record.
func BenchmarkLeaseAck(b *testing.B) {
	for _, engine := range []string{"memory", "badger"} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/batch=%d", engine, batch), func(b *testing.B) {
				br := openBench(b, engine, 4)
				fill(b, br, b.N)
				b.ReportAllocs()
				var done atomic.Int64
				b.SetParallelism(32)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for n := 1; n > 0 && done.Load() < int64(b.N); { // until all are acked, or all are with others
						n = leaseAndAck(b, br, batch)
						done.Add(int64(n))
					}
					for pb.Next() {
					}
				})
				if done.Load() != int64(b.N) {
					b.Errorf("%d of %d records acked", done.Load(), b.N)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

func leaseAndAck(b *testing.B, br *queue.Broker, batch int) (records int) {
	ds, _, err := br.Lease(context.Background(), "g", queue.LeaseRequest{Max: batch})
	if err != nil {
		b.Error(err)
		return 0
	}
	if len(ds) == 0 {
		return 0
	}
	actions := make([]queue.Action, len(ds))
	for i, d := range ds {
		actions[i] = queue.Action{Receipt: d.Receipt, Verb: queue.Ack}
	}
	if _, err := br.Settle(context.Background(), "g", actions); err != nil {
		b.Error(err)
	}
	return len(ds)
}

// BenchmarkPublish: 64 producers in closed loops, records of 100 bytes; ns per record.
func BenchmarkPublish(b *testing.B) {
	for _, engine := range []string{"memory", "badger"} {
		for _, batch := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/batch=%d", engine, batch), func(b *testing.B) {
				br := openBench(b, engine, 4)
				value := make([]byte, 100)
				b.ReportAllocs()
				var done atomic.Int64
				b.SetParallelism(32)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for done.Add(int64(batch)) <= int64(b.N)+int64(batch) {
						msgs := make([]queue.Message, batch)
						for i := range msgs {
							msgs[i].Value = value
						}
						if _, _, err := br.Publish(context.Background(), "t", msgs, 0); err != nil {
							b.Error(err)
							return
						}
					}
					for pb.Next() {
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}
