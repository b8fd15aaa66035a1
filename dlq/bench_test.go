package dlq_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/badger"
	"github.com/holtmq/holt/queue/store/memory"
)

// crowd makes a group with n letters of 50 error groups.
func crowd(tb testing.TB, b *queue.Broker, n int) {
	tb.Helper()
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	_, _, err := b.PutTopic(ctx, "jobs", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) { return c, nil })
	check(err)
	_, _, err = b.PutGroup(ctx, "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = []string{"jobs"}
		return c, nil
	})
	check(err)
	for made := 0; made < n; {
		msgs := make([]queue.Message, min(1000, n-made))
		for i := range msgs {
			msgs[i].Value, msgs[i].Key = []byte(`{"customer":"somebody","amount":17.5}`), []byte(fmt.Sprint("customer-", i))
		}
		_, _, err := b.Publish(ctx, "jobs", msgs, 0)
		check(err)
		for got := 0; got < len(msgs); {
			ds, _, err := b.Lease(ctx, "g", queue.LeaseRequest{Max: 1000, Member: "w"})
			check(err)
			actions := make([]queue.Action, len(ds))
			for i, d := range ds {
				kind := (made + i) % 50
				actions[i] = queue.Action{Receipt: d.Receipt, Verb: queue.Reject, Error: &queue.WorkerError{
					Type: fmt.Sprintf("Kind%c%c", 'a'+kind/26, 'a'+kind%26), Message: fmt.Sprintf("customer %d: no answer within %d ms", made+i, i),
				}}
			}
			_, err = b.Settle(ctx, "g", actions)
			check(err)
			got += len(ds)
		}
		made += len(msgs)
	}
}

// serve opens a broker and its service on a store; end closes both.
func serve(tb testing.TB, st store.Store) (b *queue.Broker, s *dlq.Service, end func()) {
	tb.Helper()
	b, err := queue.Open(context.Background(), st, queue.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	s = dlq.New(b, nil)
	return b, s, func() {
		s.Close()
		if err := b.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

func page(tb testing.TB, s *dlq.Service) {
	p, err := s.List(context.Background(), "g", letter.Filter{State: letter.Open}, dlq.Mark{}, 100)
	if err != nil || len(p.Items) != 100 {
		tb.Fatal(len(p.Items), err)
	}
}

func filtered(tb testing.TB, s *dlq.Service) {
	p, err := s.List(context.Background(), "g", letter.Filter{State: letter.Open, Error: "customer 99"}, dlq.Mark{}, 100)
	if err != nil || p.Total == 0 {
		tb.Fatal(p.Total, err)
	}
}

func summary(tb testing.TB, s *dlq.Service) {
	b, _, err := s.Summary(context.Background(), "g", letter.Filter{State: letter.Open}, letter.ByFingerprint, 1000)
	if err != nil || len(b) != 50 {
		tb.Fatal(len(b), err)
	}
}

// byError counts texts of which no two are equal.
func byError(tb testing.TB, s *dlq.Service) {
	b, _, err := s.Summary(context.Background(), "g", letter.Filter{State: letter.Open}, letter.ByError, 1000)
	if err != nil || len(b) != 1000 {
		tb.Fatal(len(b), err)
	}
}

var looks = []struct {
	name string
	look func(testing.TB, *dlq.Service)
}{{"page", page}, {"filter", filtered}, {"summary", summary}, {"by-error", byError}}

// BenchmarkLetters looks at letters: docs/BENCHMARKS.md asks for less than 100 ms at 100,000.
func BenchmarkLetters(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		br, s, end := serve(b, memory.New(memory.Config{}))
		b.Cleanup(end)
		crowd(b, br, n)
		for _, l := range looks {
			b.Run(fmt.Sprintf("%s/%d", l.name, n), func(b *testing.B) {
				for b.Loop() {
					l.look(b, s)
				}
			})
		}
	}
}

// BenchmarkFirstLook looks at letters on Badger for the first time after a start, each time anew.
func BenchmarkFirstLook(b *testing.B) {
	st, err := badger.Open(context.Background(), badger.Config{Dir: b.TempDir(), MinFree: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	br, _, end := serve(b, st)
	crowd(b, br, 100_000)
	end()
	for _, l := range looks {
		b.Run(l.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				_, s, end := serve(b, st)
				b.StartTimer()
				l.look(b, s)
				b.StopTimer()
				end()
			}
		})
	}
}
