package dlq_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// crowd is a group with n letters of 50 error groups.
func crowd(tb testing.TB, n int) (*queue.Broker, *dlq.Service) {
	tb.Helper()
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	b, err := queue.Open(ctx, memory.New(memory.Config{}), queue.Config{})
	check(err)
	s := dlq.New(b, nil)
	tb.Cleanup(func() { s.Close(); _ = b.Close() })
	_, _, err = b.PutTopic(ctx, "jobs", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) { return c, nil })
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
	return b, s
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
	b, err := s.Summary(context.Background(), "g", letter.Filter{State: letter.Open}, letter.ByFingerprint)
	if err != nil || len(b) != 50 {
		tb.Fatal(len(b), err)
	}
}

// BenchmarkLetters looks at letters: docs/BENCHMARKS.md asks for less than 100 ms at 100,000.
func BenchmarkLetters(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		_, s := crowd(b, n)
		for name, look := range map[string]func(testing.TB, *dlq.Service){"page": page, "filter": filtered, "summary": summary} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					look(b, s)
				}
			})
		}
	}
}
