package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// holt is a share group of one topic with four partitions.
type holt struct {
	process
	c *client.Client
}

func (h *holt) Start(ctx context.Context, dir string, clients int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if err := h.start("./holt", "serve", "--data", dir, "--listen", address, "--min-free", "64MiB"); err != nil {
		return err
	}
	if err := dialable(ctx, port); err != nil {
		return err
	}
	if h.c, err = client.New("http://" + address); err != nil {
		return err
	}
	_, err = h.c.Lease(ctx, "workers", client.LeaseOptions{Topics: []string{"jobs"}, Max: 1}) // makes both
	return err
}

func (h *holt) Publish(ctx context.Context, _ int, values [][]byte) error {
	records := make([]api.NewRecord, len(values))
	for i, v := range values {
		records[i].Text = new(string(v))
	}
	_, err := h.c.PublishBatch(ctx, "jobs", records, client.PublishOptions{})
	return err
}

func (h *holt) Work(ctx context.Context, n, max int) (int, error) {
	records, err := h.c.Lease(ctx, "workers", client.LeaseOptions{Max: max, Wait: 200 * time.Millisecond})
	if err != nil || len(records) == 0 {
		return 0, err
	}
	receipts := make([]string, len(records))
	for i, r := range records {
		receipts[i] = r.Receipt
	}
	return len(records), h.c.Ack(ctx, "workers", receipts...)
}

func (h *holt) Stop() {
	if h.c != nil {
		h.c.Close()
	}
	h.stop()
}
