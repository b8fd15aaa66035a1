package client_test

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holtmq/holt/client"
)

// Welcome and Receipt are what records of the two kinds hold.
type (
	Welcome struct {
		To   string `json:"to"`
		Name string `json:"name"`
	}
	Receipt struct {
		To     string `json:"to"`
		Amount int    `json:"amount"`
	}
)

func sendWelcome(ctx context.Context, r *client.Record, w Welcome) error {
	return deliver(ctx, w.To, "Hello "+w.Name)
}

func sendReceipt(ctx context.Context, r *client.Record, v Receipt) error {
	if v.Amount == 0 {
		return client.Reject(nil) // a dead letter at once: no further attempt makes sense
	}
	err := deliver(ctx, v.To, "You paid")
	if r.Attempt == 1 && err != nil {
		return client.RetryAfter(err, 5*time.Minute) // instead of the group's backoff
	}
	return err // nil acks, anything else retries after the backoff
}

func logged(next client.Handler) client.Handler {
	return func(ctx context.Context, r *client.Record) error {
		began := time.Now()
		err := next(ctx, r)
		slog.Info("handled", "topic", r.Topic, "offset", r.Offset, "attempt", r.Attempt, "took", time.Since(began), "error", err)
		return err
	}
}

func atMost(d time.Duration) client.Middleware {
	return func(next client.Handler) client.Handler {
		return func(ctx context.Context, r *client.Record) error {
			ctx, cancel := context.WithTimeout(ctx, d)
			defer cancel()
			return next(ctx, r)
		}
	}
}

// A worker with kinds of records, middleware, retries and an orderly end.
func Example_worker() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := client.New(client.DefaultServer, client.WithName("mailer/1.4"))
	if err != nil {
		slog.Error("bad address", "error", err)
		os.Exit(2)
	}
	defer c.Close()

	mux := client.NewMux("type") // by the header "type" of a record
	client.Handle(mux, "welcome", sendWelcome)
	client.Handle(mux, "receipt", sendReceipt)

	err = c.Work(ctx, "mailer", mux.Serve,
		client.Topics("emails"), client.Concurrency(16),
		client.Use(logged, atMost(30*time.Second)),
		client.Grace(20*time.Second), // after SIGTERM, for what is under way
		client.OnError(func(err error) { slog.Warn("coped with", "error", err) }),
	)
	if err != nil {
		slog.Error("the server refuses this worker", "error", err)
		os.Exit(1)
	}
}

// Leases is for a loop of one's own, without goroutines; Work extends leases and settles by itself.
func ExampleClient_Leases() {
	ctx := context.Background()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		slog.Error("bad address", "error", err)
		return
	}
	for r, err := range c.Leases(ctx, "mailer", client.LeaseOptions{Max: 10, Topics: []string{"emails"}}) {
		if err != nil {
			slog.Error("no more leases", "error", err)
			return
		}
		if err := deliver(ctx, string(r.Key), string(r.Value)); err != nil {
			err = c.Nack(ctx, "mailer", r.Receipt, err)
		} else {
			err = c.Ack(ctx, "mailer", r.Receipt)
		}
		if err != nil {
			slog.Warn("not settled: the record comes again when its lease is over", "error", err)
		}
	}
}

func deliver(context.Context, string, string) error { return nil }
