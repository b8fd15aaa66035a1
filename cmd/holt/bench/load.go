package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const (
	maxBytes    = 1 << 30 // of values a scenario publishes
	maxRequest  = 8 << 20 // bytes of the values of a request
	leaseWait   = 200 * time.Millisecond
	errorPause  = 50 * time.Millisecond // after an error that may be gone at the next try
	callLimit   = 30 * time.Second
	tellEvery   = 5 * time.Second // between lines of progress within a scenario
	minInflight = 10_000          // what a group allows without being asked
)

// Scenario is one kind of load.
type Scenario string

const (
	scenarioPublish Scenario = "publish"
	scenarioDrain   Scenario = "lease+ack"
	scenarioBoth    Scenario = "both"
)

// load makes load on topics and a group of its own.
type load struct {
	connect func() (*client.Client, error)
	say     func(format string, args ...any)
	setting Setting
	group   string
	topics  []string

	tick time.Duration

	published atomic.Int64 // records, of all scenarios
	acked     atomic.Int64
}

func (l *load) prepare(ctx context.Context, c *client.Client) error {
	for _, t := range l.topics {
		if _, err := c.PutTopic(ctx, t, api.TopicChange{Partitions: &l.setting.Partitions}, client.IfNew()); err != nil {
			return err
		}
	}
	change := api.GroupChange{Topics: l.topics, Ordering: &l.setting.Ordering}
	if n := l.setting.Workers * l.setting.Batch; n > minInflight {
		change.MaxInflight = &n
	}
	_, err := c.PutGroup(ctx, l.group, change, client.IfNew())
	return err
}

// remove deletes what prepare made, or a part of it.
func (l *load) remove(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	err := c.DeleteGroup(ctx, l.group, true)
	if errors.Is(err, client.ErrGroupNotFound) {
		err = nil
	}
	for _, t := range l.topics {
		if e := c.DeleteTopic(ctx, t, true); !errors.Is(e, client.ErrTopicNotFound) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// run makes the load of a scenario for at most limit.
func (l *load) run(ctx context.Context, scenario Scenario, limit time.Duration) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var failure error
	var clients []*worker
	var wg sync.WaitGroup
	deadline := time.Now().Add(limit)
	add := func(n int, work func(context.Context, *worker) error) error {
		for range n {
			c, err := l.newClient(deadline)
			if err != nil {
				return err
			}
			clients = append(clients, c)
			wg.Go(func() {
				defer c.client.Close()
				if err := work(ctx, c); err != nil {
					mu.Lock()
					failure = errors.Join(failure, err)
					mu.Unlock()
					cancel()
				}
			})
		}
		return nil
	}
	start := time.Now()
	var err error
	if scenario != scenarioDrain {
		err = add(l.setting.Producers, l.produce)
	}
	if scenario != scenarioPublish && err == nil {
		err = add(l.setting.Workers, func(ctx context.Context, c *worker) error { return l.work(ctx, c, scenario == scenarioDrain) })
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		l.tell(ctx, scenario, limit)
	}()
	wg.Wait()
	took := time.Since(start)
	interrupted := ctx.Err()
	cancel()
	<-told
	if err = errors.Join(err, failure); err != nil {
		return Result{}, err
	}
	if interrupted != nil {
		return Result{}, interrupted
	}
	return l.result(scenario, took, clients), nil
}

// tell says now and then how far a scenario is, until ctx ends.
func (l *load) tell(ctx context.Context, scenario Scenario, limit time.Duration) {
	tick := time.NewTicker(l.tick)
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-tick.C:
			l.say("%s: %.0f of %.0f s, %d records published, %d acked", scenario, time.Since(start).Seconds(), limit.Seconds(), l.published.Load(), l.acked.Load())
		case <-ctx.Done():
			return
		}
	}
}

// worker is one producer or worker, with connections of its own, as if it were a process of its own.
type worker struct {
	client   *client.Client
	deadline time.Time
	begun    bool
	publish  calls
	lease    calls
	settle   calls
}

func (l *load) newClient(deadline time.Time) (*worker, error) {
	c, err := l.connect()
	return &worker{client: c, deadline: deadline}, err
}

// again reports whether there is time for another call; there is for the first.
func (c *worker) again(ctx context.Context) bool {
	first := !c.begun
	c.begun = true
	return ctx.Err() == nil && (first || time.Now().Before(c.deadline))
}

// try measures one call of records. An error that another try cannot cure is returned.
func (c *worker) try(ctx context.Context, made *calls, call func(context.Context) (records int, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	start := time.Now()
	n, err := call(ctx)
	switch took := time.Since(start); {
	case err == nil && n == 0: // it waited for records, and none came
	case err == nil:
		made.add(took, n)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !client.Temporary(err):
		return err
	default:
		made.fail(err)
		select {
		case <-time.After(errorPause):
		case <-ctx.Done():
		}
	}
	return nil
}

// produce publishes batches until the time is over.
func (l *load) produce(ctx context.Context, c *worker) error {
	value := randomText(l.setting.Size)
	records := make([]api.NewRecord, l.setting.Batch)
	for i := range records {
		records[i].Text = &value
	}
	turn := mathrand.IntN(len(l.topics))
	for c.again(ctx) && l.published.Load()*int64(l.setting.Size) < maxBytes {
		if l.setting.Keys > 0 {
			for i := range records {
				records[i].Key = new(fmt.Sprintf("k%d", mathrand.IntN(l.setting.Keys)))
			}
		}
		turn++
		topic := l.topics[turn%len(l.topics)]
		err := c.try(ctx, &c.publish, func(ctx context.Context) (int, error) {
			out, err := c.client.PublishBatch(ctx, topic, records, client.PublishOptions{})
			l.published.Add(int64(len(out.Records)))
			return len(out.Records), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func randomText(n int) string {
	var s string
	for len(s) < n {
		s += rand.Text()
	}
	return s[:n]
}

// work leases and acks until the time is over or, when it drains, everything is acked.
func (l *load) work(ctx context.Context, c *worker, drain bool) error {
	var held []string
	for c.again(ctx) && !(drain && l.acked.Load() >= l.published.Load()) {
		var err error
		if l.setting.Ride && len(held) > 0 {
			held, err = l.settleAndLease(ctx, c, held)
		} else {
			held, err = l.leaseSome(ctx, c)
		}
		if err == nil && !l.setting.Ride {
			held, err = l.settleAll(ctx, c, held)
		}
		if err != nil {
			return err
		}
	}
	_, err := l.settleAll(ctx, c, held)
	return err
}

func (l *load) leaseSome(ctx context.Context, c *worker) (held []string, err error) {
	err = c.try(ctx, &c.lease, func(ctx context.Context) (int, error) {
		records, err := c.client.Lease(ctx, l.group, client.LeaseOptions{Max: l.setting.Batch, Wait: leaseWait})
		held = receipts(records)
		return len(records), err
	})
	return held, err
}

// settleAll acks what is held, and returns what still is.
func (l *load) settleAll(ctx context.Context, c *worker, held []string) ([]string, error) {
	if len(held) == 0 {
		return nil, nil
	}
	err := c.try(ctx, &c.settle, func(ctx context.Context) (int, error) {
		out, err := c.client.Settle(ctx, l.group, api.SettleRequest{Ack: held})
		l.settled(c, out)
		return out.Settled, err
	})
	return nil, err
}

// settleAndLease acks what is held and leases the next, in one call.
func (l *load) settleAndLease(ctx context.Context, c *worker, held []string) (next []string, err error) {
	err = c.try(ctx, &c.lease, func(ctx context.Context) (int, error) {
		o := client.LeaseOptions{Max: l.setting.Batch, Wait: leaseWait}
		out, records, err := c.client.SettleAndLease(ctx, l.group, api.SettleRequest{Ack: held}, o)
		l.settled(c, out)
		c.settle.records += int64(out.Settled)
		next = receipts(records)
		return len(records), err
	})
	return next, err
}

func (l *load) settled(c *worker, out api.SettleResponse) {
	l.acked.Add(int64(out.Settled))
	if err := client.FailedError(out); err != nil {
		c.settle.fail(err)
	}
}

func receipts(records []*client.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.Receipt
	}
	return out
}
