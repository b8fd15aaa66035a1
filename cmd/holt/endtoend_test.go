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

// TestPipelineEndToEnd: a handler's records are published with its ack, each once, and not when it fails; a settle that
// publishes is repeated under its key without effect.
func TestPipelineEndToEnd(t *testing.T) {
	const orders, failing = 60, 5
	c, err := client.New(serveInMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	change := api.GroupChange{Topics: []string{"orders"}, Backoff: &api.BackoffChange{Initial: new(api.Duration(0))}}
	if _, err := c.PutTopic(t.Context(), "orders", api.TopicChange{Partitions: new(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutGroup(t.Context(), "billing", change, client.IfNew()); err != nil {
		t.Fatal(err)
	}
	for i := range orders {
		if err := c.Publish(t.Context(), "orders", client.Text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	done := 0
	err = c.Work(ctx, "billing", func(_ context.Context, r *client.Record) error {
		mu.Lock()
		defer mu.Unlock()
		if err := r.Publish("invoices", client.Bytes(r.Value), client.Partition(0)); err != nil {
			return err
		}
		if r.Attempt == 1 && r.Offset%failing == 0 {
			return errors.New("not yet")
		}
		if done++; done == orders {
			cancel()
		}
		return nil
	}, client.Concurrency(4), client.OnError(func(err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for r, err := range c.Records(t.Context(), "invoices", 0, client.ReadOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[string(r.Value)]++
	}
	for i := range orders {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("order %d has %d invoices", i, n)
		}
	}
}

// TestSettleAndPublishEndToEnd: the same request key gets the first answer again; without it nothing more is done.
func TestSettleAndPublishEndToEnd(t *testing.T) {
	c, err := client.New(serveInMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, text := range []string{"a", "b"} {
		if err := c.Publish(t.Context(), "orders", client.Text(text), client.Partition(0)); err != nil {
			t.Fatal(err)
		}
	}
	records, err := c.Lease(t.Context(), "billing", client.LeaseOptions{Topics: []string{"orders"}})
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	n, err := client.NewRecord(client.Text("invoice"))
	if err != nil {
		t.Fatal(err)
	}
	s := api.SettleRequest{
		Ack: []string{records[0].Receipt}, Request: "once",
		Publish: []api.TopicRecords{{Topic: "invoices", Records: []api.NewRecord{n}}},
	}
	first, err := c.SettleAndPublish(t.Context(), "billing", s)
	if err != nil || first.Settled != 1 || len(first.Records) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := c.SettleAndPublish(t.Context(), "billing", s)
	if err != nil || again.Records[0][0] != first.Records[0][0] {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	s.Request = ""
	if _, err := c.SettleAndPublish(t.Context(), "billing", s); !errors.Is(err, client.ErrAlreadySettled) {
		t.Errorf("with a key of its own: %v", err)
	}
	settled, records, err := c.SettleAndLease(t.Context(), "billing", api.SettleRequest{Ack: []string{records[0].Receipt}}, client.LeaseOptions{})
	if err != nil || settled.Settled != 1 || len(records) != 1 || string(records[0].Value) != "b" {
		t.Errorf("settle and lease: %+v, %v, %v", settled, records, err)
	}
}
