package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

// These show that a lease with its ack costs the same whatever else there is: backlog, partitions, parked calls, groups.
// One worker, one record at a time, the store in memory.

func cycle(b *testing.B, br *queue.Broker, n int) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		leaseAndAck(b, br, 1)
	}
}

func BenchmarkFlatBacklog(b *testing.B) {
	for _, backlog := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("records=", backlog), func(b *testing.B) {
			br := openBench(b, "memory", 1)
			fill(b, br, backlog+b.N)
			cycle(b, br, b.N)
		})
	}
}

func BenchmarkFlatPartitions(b *testing.B) {
	for _, partitions := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("partitions=", partitions), func(b *testing.B) {
			br := openBench(b, "memory", partitions)
			for range b.N/1000 + 1 {
				fill(b, br, 1000) // each request goes to one partition
			}
			fill(b, br, b.N/4)
			cycle(b, br, b.N)
		})
	}
}

func BenchmarkFlatWaiters(b *testing.B) {
	for _, waiters := range []int{0, 100, 9_000} {
		b.Run(fmt.Sprint("parked=", waiters), func(b *testing.B) {
			br := openBench(b, "memory", 4)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{}, waiters)
			// They wait for another topic of the same group, where nothing comes.
			if _, _, err := br.Publish(ctx, "quiet", []queue.Message{{Value: []byte("x")}}, 0); err != nil {
				b.Fatal(err)
			}
			drain(b, br, "quiet")
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
			fill(b, br, b.N)
			cycle(b, br, b.N)
			b.StopTimer()
			cancel()
			for range waiters {
				<-done
			}
		})
	}
}

func drain(b *testing.B, br *queue.Broker, topic string) {
	b.Helper()
	ds, _, err := br.Lease(context.Background(), "g", queue.LeaseRequest{Max: 10, Topics: []string{topic}})
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range ds {
		if _, err := br.Settle(context.Background(), "g", []queue.Action{{Receipt: d.Receipt, Verb: queue.Ack}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFlatGroups(b *testing.B) {
	for _, groups := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("groups=", groups), func(b *testing.B) {
			br := openBench(b, "memory", 1)
			for i := range groups - 1 {
				_, _, err := br.PutGroup(context.Background(), fmt.Sprint("idle", i), queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
					c.Topics = []string{"t"}
					return c, nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				fill(b, br, 1)
				leaseAndAck(b, br, 1)
			}
		})
	}
}

// BenchmarkFlatExtend moves the deadline of one lease before a backlog.
func BenchmarkFlatExtend(b *testing.B) {
	overBacklogs(b, func(b *testing.B, br *queue.Broker) {
		ds, _, err := br.Lease(context.Background(), "g", queue.LeaseRequest{Max: 1})
		if err != nil || len(ds) != 1 {
			b.Fatal(len(ds), err)
		}
		b.ResetTimer()
		for range b.N {
			if _, err := br.Settle(context.Background(), "g", []queue.Action{{Receipt: ds[0].Receipt, Verb: queue.Extend}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFlatDetail asks for a group's detail before a backlog of which a thousand records are leased.
func BenchmarkFlatDetail(b *testing.B) {
	overBacklogs(b, func(b *testing.B, br *queue.Broker) {
		if ds, _, err := br.Lease(context.Background(), "g", queue.LeaseRequest{Max: 1000, Length: time.Hour}); err != nil || len(ds) == 0 {
			b.Fatal(len(ds), err)
		}
		b.ResetTimer()
		for range b.N {
			if info, err := br.Group(context.Background(), "g"); err != nil || info.Totals.Leased == 0 {
				b.Fatal(info, err)
			}
		}
	})
}

func overBacklogs(b *testing.B, run func(b *testing.B, br *queue.Broker)) {
	for _, backlog := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("records=", backlog), func(b *testing.B) {
			br := openBench(b, "memory", 1)
			fill(b, br, backlog)
			b.ReportAllocs()
			run(b, br)
		})
	}
}
