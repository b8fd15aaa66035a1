package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/holtmq/holt/client"
)

// evidence is all that the verdict and the report are made from.
type evidence struct {
	jobs      []job
	published map[string]int64
	leases    []leaseSeen
	paths     map[string]string // of receipts
	asked     map[string]bool   // receipts whose ack was sent
	acks      map[string]span   // receipts whose ack was answered 200
	trouble   int
	troubles  []string

	restart  span              // from before the server was killed to after it was ready again; zero: it was not killed
	leftover []string          // paths that were handed out when everything was settled
	digests  []digestSeen      // as the topic has them
	letters  []Letter          // as the topic has them
	direct   map[string]string // the true digests, of the files that can be read
	stalled  bool
}

// digestSeen is a result's record.
type digestSeen struct {
	path    string
	receipt string
	try     string
	sha256  string
}

// Letter is a dead letter.
type Letter struct {
	Path     string `json:"path"`
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	Error    string `json:"error"`
}

// readResults reads digests and dead letters from their topics.
func (d *demo) readResults(ctx context.Context, e *evidence) error {
	err := d.readTopic(ctx, digestsTopic, func(r *client.Record) error {
		var digest digestValue
		if err := r.JSON(&digest); err != nil {
			return err
		}
		e.digests = append(e.digests, digestSeen{
			string(r.Key), r.Headers[headerReceipt], r.Headers[headerTry], digest.SHA256,
		})
		return nil
	})
	if err != nil {
		return err
	}
	err = d.readTopic(ctx, lettersTopic, func(r *client.Record) error {
		var job job
		if err := r.JSON(&job); err != nil {
			return err
		}
		attempts, err := strconv.Atoi(r.Headers["holt-dl-attempts"])
		if err != nil {
			return fmt.Errorf("header holt-dl-attempts: %w", err)
		}
		e.letters = append(e.letters, Letter{job.Path, attempts, r.Headers["holt-dl-reason"], r.Headers["holt-dl-error"]})
		return nil
	})
	if errors.Is(err, client.ErrTopicNotFound) { // it is made at the first death
		return nil
	}
	return err
}

func (d *demo) readTopic(ctx context.Context, topic string, f func(*client.Record) error) error {
	t, err := d.client.Topic(ctx, topic)
	if err != nil {
		return err
	}
	for _, p := range t.Partitions {
		for r, err := range d.client.Records(ctx, topic, p.Partition, client.ReadOptions{}) {
			if err == nil {
				err = f(r)
			}
			if err != nil {
				return fmt.Errorf("read %s/%d: %w", topic, p.Partition, err)
			}
		}
	}
	return nil
}

// hashDirectly computes the true digests.
func (e *evidence) hashDirectly(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	e.direct = make(map[string]string, len(e.jobs))
	for _, j := range e.jobs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if digest, err := hashFile(root, j.Path); err == nil {
			e.direct[j.Path] = digest.SHA256
		}
	}
	return nil
}
