package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// TestClientEndToEnd: what many publishers publish, many handlers get, each record once but for those that fail the
// first time, and the server counts as the client does.
func TestClientEndToEnd(t *testing.T) {
	const publishers, each, failing = 16, 50, 7
	c, err := client.New(serveInMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	change := api.GroupChange{Topics: []string{"orders"}, Backoff: &api.BackoffChange{Initial: new(api.Duration(0))}}
	if _, err := c.PutTopic(t.Context(), "orders", api.TopicChange{Partitions: new(3)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutGroup(t.Context(), "billing", change, client.IfNew()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	tries := map[string]int{}
	done := 0
	worked := make(chan error, 1)
	go func() {
		worked <- c.Work(ctx, "billing", func(_ context.Context, r *client.Record) error {
			mu.Lock()
			defer mu.Unlock()
			value := string(r.Value)
			tries[value]++
			if len(tries)%failing == 0 && tries[value] == 1 {
				return errors.New("not yet")
			}
			if done++; done == publishers*each {
				cancel()
			}
			return nil
		}, client.Concurrency(16), client.Prefetch(16), client.OnError(func(err error) { t.Error(err) }))
	}()
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				if err := c.Publish(t.Context(), "orders", client.Text(fmt.Sprintf("%d/%d", p, i)), client.Key(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := <-worked; err != nil {
		t.Fatal(err)
	}
	if len(tries) != publishers*each {
		t.Errorf("%d records came, want %d", len(tries), publishers*each)
	}
	for value, n := range tries {
		if n > 2 {
			t.Errorf("%s came %d times", value, n)
		}
	}
	g, err := c.Group(t.Context(), "billing")
	if err != nil || g.Totals != (api.GroupTotals{}) {
		t.Errorf("left over: %+v, %v", g.Totals, err)
	}
}
