package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

type email struct {
	To   string `json:"to"`
	Body string `json:"body"`
}

func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	msg := email{To: "ann@example.com", Body: "hello"}
	if err := c.Publish(ctx, "emails", client.JSON(msg), client.Key("cust-7")); err != nil {
		log.Fatal(err)
	}
	err = c.Work(ctx, "mailer", func(ctx context.Context, r *client.Record) error {
		var m email
		if err := r.JSON(&m); err != nil {
			return client.Reject(err) // no use in trying again
		}
		return send(ctx, m)
	}, client.Topics("emails"), client.Concurrency(16))
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Publish() {
	ctx := context.Background()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		log.Fatal(err)
	}
	// With an id, a publish of unknown outcome can be repeated: it is stored once.
	for {
		err := c.Publish(ctx, "orders", client.Text("42"), client.ID("order-42"), client.Delay(5*time.Minute))
		if !client.Temporary(err) {
			fmt.Println(err)
			return
		}
		time.Sleep(time.Second)
	}
}

func ExampleClient_SettleAndPublish() {
	ctx := context.Background()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		log.Fatal(err)
	}
	records, err := c.Lease(ctx, "billing", client.LeaseOptions{Max: 10, Wait: 20 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range records {
		invoice, err := client.NewRecord(client.JSON(map[string]string{"order": string(r.Value)}))
		if err != nil {
			log.Fatal(err)
		}
		// The ack and the invoice are committed together, or neither is.
		_, err = c.SettleAndPublish(ctx, "billing", api.SettleRequest{
			Ack:     []string{r.Receipt},
			Publish: []api.TopicRecords{{Topic: "invoices", Records: []api.NewRecord{invoice}}},
		})
		if errors.Is(err, client.ErrLeaseLost) {
			continue // somebody else has it
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func ExampleRecord_Publish() {
	ctx := context.Background()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		log.Fatal(err)
	}
	// A pipeline: each order becomes an invoice, once, however often workers and servers die on the way.
	err = c.Work(ctx, "billing", func(_ context.Context, r *client.Record) error {
		return r.Publish("invoices", client.JSON(map[string]string{"order": string(r.Value)}), client.KeyBytes(r.Key))
	}, client.Topics("orders"))
	if err != nil {
		log.Fatal(err)
	}
}

func send(context.Context, email) error { return nil }

func ExampleClient_Consume() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := client.New(client.DefaultServer)
	if err != nil {
		log.Fatal(err)
	}
	err = c.Consume(ctx, "billing", func(ctx context.Context, r *client.Record) error {
		fmt.Printf("%s/%d/%d: %s\n", r.Topic, r.Partition, r.Offset, r.Value)
		return nil // committed, together with what else this poll brought
	}, client.FromTopics("orders"), client.StaticMember("reader-1"), client.AtOnce(4))
	if err != nil {
		log.Fatal(err)
	}
}
