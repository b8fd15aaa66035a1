package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is a work-queue stream on files, synced at every write, with a pull consumer whose acks are confirmed.
type jetStream struct {
	process
	conns []*nats.Conn
	js    []jetstream.JetStream
	from  []jetstream.Consumer
}

func (j *jetStream) Start(ctx context.Context, dir string, clients int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	conf := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: 127.0.0.1:%d\njetstream { store_dir: %q, sync_interval: always }\n", port, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	if err := j.start("./nats-server", "-c", conf); err != nil {
		return err
	}
	if err := dialable(ctx, port); err != nil {
		return err
	}
	for i := range clients {
		conn, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		j.conns = append(j.conns, conn)
		js, err := jetstream.New(conn)
		if err != nil {
			return err
		}
		j.js = append(j.js, js)
		if i == 0 {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{
				Name: "jobs", Subjects: []string{"jobs"}, Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy,
			})
			if err != nil {
				return err
			}
		}
		c, err := js.CreateOrUpdateConsumer(ctx, "jobs", jetstream.ConsumerConfig{
			Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 10_000,
		})
		if err != nil {
			return err
		}
		j.from = append(j.from, c)
	}
	return nil
}

func (j *jetStream) Publish(ctx context.Context, client int, values [][]byte) error {
	if len(values) == 1 {
		_, err := j.js[client].Publish(ctx, "jobs", values[0])
		return err
	}
	acks := make([]jetstream.PubAckFuture, len(values))
	for i, v := range values {
		var err error
		if acks[i], err = j.js[client].PublishAsync("jobs", v); err != nil {
			return err
		}
	}
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (j *jetStream) Work(ctx context.Context, client, max int) (n int, err error) {
	batch, err := j.from[client].Fetch(max, jetstream.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(ctx); err != nil {
			return n, err
		}
		n++
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
		return n, err
	}
	return n, nil
}

func (j *jetStream) Stop() {
	for _, c := range j.conns {
		c.Close()
	}
	j.stop()
}
