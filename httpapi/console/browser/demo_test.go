package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// demo is a shop's queue: orders, e-mails, thumbnails, with workers that fail as workers do.
type demo struct {
	*world
	rand *rand.Rand
}

// groupSetting is a group of the demo; failing is the share of attempts that fail.
type groupSetting struct {
	name    string
	topics  []string
	change  map[string]any
	workers int
	failing float64
	slow    time.Duration
}

var demoGroups = []groupSetting{
	{"mailer", []string{"emails"}, map[string]any{"max_attempts": 4, "backoff": map[string]any{"steps": []string{"2s", "5s", "20s"}}}, 4, .14, 30 * time.Millisecond},
	{"billing", []string{"orders"}, map[string]any{"ordering": "key", "max_attempts": 5, "lease": "45s"}, 3, .05, 15 * time.Millisecond},
	{"thumbnails", []string{"uploads"}, map[string]any{"lease": "2m", "max_attempts": 3, "backoff": map[string]any{"initial": "8s"}}, 2, .1, 180 * time.Millisecond},
	{"search-indexer", []string{"orders", "products"}, nil, 2, .01, 5 * time.Millisecond},
	{"analytics", []string{"orders", "emails", "uploads"}, nil, 1, 0, 2 * time.Millisecond},
	{"fraud-review", []string{"orders"}, map[string]any{"paused": true}, 0, 0, 0},
	{"webhook-fanout-to-partners-in-every-region-with-a-long-name", []string{"orders"}, map[string]any{"max_attempts": 3}, 1, .3, 60 * time.Millisecond},
}

var demoErrors = map[string][]api.WorkerError{
	"mailer": {
		{Type: "SMTPError", Message: "421 4.7.0 mx%d.example.net: try again later", Stack: "SMTPError: 421 4.7.0\n    at Connection.send (smtp.js:214)\n    at async Mailer.deliver (mailer.js:88)\n    at async worker (index.js:41)"},
		{Type: "TemplateError", Message: "template \"receipt\": customer %d has no field \"first_name\"", Stack: "Traceback (most recent call last):\n  File \"mailer/render.py\", line 57, in render\n    return env.get_template(name).render(**ctx)\n  File \"jinja2/environment.py\", line 1301, in render\n    self.environment.handle_exception()\njinja2.exceptions.UndefinedError: 'first_name' is undefined"},
		{Type: "AddressError", Message: "no such mailbox: customer-%d@example.invalid"},
	},
	"billing":    {{Type: "PaymentDeclined", Message: "card ending %04d was declined: insufficient funds"}, {Type: "Timeout", Message: "payment gateway did not answer within %d ms"}},
	"thumbnails": {{Type: "DecodeError", Message: "upload-%d.heic: unsupported colour space"}, {Message: "exit status 137"}},
	"webhook-fanout-to-partners-in-every-region-with-a-long-name": {{Type: "HTTPError", Message: "POST https://partner-%d.example/hooks: 503 Service Unavailable"}},
	"search-indexer": {{Type: "MappingError", Message: "field price of document %d: expected long, got string"}},
}

// setUp makes topics, groups and a backlog.
func (d *demo) setUp(ctx context.Context) error {
	for name, change := range map[string]any{
		"orders": map[string]any{"partitions": 6}, "emails": map[string]any{"partitions": 4}, "uploads": map[string]any{"partitions": 3, "priorities": 2},
		"products": map[string]any{"partitions": 2}, "audit-log": map[string]any{"partitions": 1, "retention": map[string]any{"age": "0s"}},
	} {
		if _, err := d.PutTopic(ctx, name, change); err != nil {
			return err
		}
	}
	for _, g := range demoGroups {
		change := map[string]any{"topics": g.topics}
		for k, v := range g.change {
			change[k] = v
		}
		if _, err := d.PutGroup(ctx, g.name, change); err != nil {
			return err
		}
	}
	for range 40 {
		if err := d.publish(ctx, 50); err != nil {
			return err
		}
	}
	for i := range 60 {
		delay := api.Duration(time.Duration(d.rand.IntN(d.rand.IntN(3600)+60)) * time.Second)
		_, err := d.PublishBatch(ctx, "emails", []api.NewRecord{{Delay: &delay, Value: api.Value{Value: fmt.Appendf(nil, `{"to":"customer-%d@example.org","template":"reminder"}`, i)}}}, client.PublishOptions{})
		if err != nil {
			return err
		}
	}
	for name, s := range map[string]map[string]any{
		"nightly-digest": {"cron": "30 2 * * *", "zone": "Europe/Paris", "topic": "emails", "record": map[string]any{"value": map[string]any{"template": "digest"}}},
		"reindex":        {"cron": "@hourly", "topic": "products", "record": map[string]any{"value": map[string]any{"reindex": true}}},
		"heartbeat":      {"cron": "*/5 * * * *", "topic": "audit-log", "record": map[string]any{"value": map[string]any{"actor": "scheduler"}}},
	} {
		if _, err := d.PutSchedule(ctx, name, s); err != nil {
			return err
		}
	}
	return nil
}

// publish adds n records over the topics.
func (d *demo) publish(ctx context.Context, n int) error {
	batches := map[string][]api.NewRecord{}
	for range n {
		topic, r := d.record()
		batches[topic] = append(batches[topic], r)
	}
	for topic, b := range batches {
		if _, err := d.PublishBatch(ctx, topic, b, client.PublishOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) record() (topic string, r api.NewRecord) {
	n := d.rand.IntN(900) + 100
	key := fmt.Sprintf("customer-%d", n)
	var v any
	switch p := d.rand.IntN(100); {
	case p < 45:
		topic, v = "orders", map[string]any{"order": json.Number(fmt.Sprint(9007199254740000 + int64(d.rand.IntN(1e6)))), "customer": n, "total": json.Number(fmt.Sprintf("%d.%02d", d.rand.IntN(400), d.rand.IntN(100))), "currency": "EUR", "items": []map[string]any{{"sku": fmt.Sprintf("SKU-%04d", d.rand.IntN(9999)), "quantity": 1 + d.rand.IntN(3)}}}
	case p < 75:
		topic, v = "emails", map[string]any{"to": fmt.Sprintf("customer-%d@example.org", n), "template": []string{"receipt", "welcome", "reset-password"}[d.rand.IntN(3)], "customer": n}
	case p < 90:
		topic, v = "uploads", map[string]any{"file": fmt.Sprintf("upload-%d.heic", n), "width": 4032, "height": 3024, "bytes": 1_000_000 + d.rand.IntN(4_000_000)}
	case p < 96:
		topic, v = "products", map[string]any{"sku": fmt.Sprintf("SKU-%04d", d.rand.IntN(9999)), "price": d.rand.IntN(20000), "title": "Otter mug, " + []string{"small", "large", "blåbær", "ラッコ"}[d.rand.IntN(4)]}
	default:
		topic, v = "audit-log", map[string]any{"actor": key, "action": "login"}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return topic, api.NewRecord{Key: &key, Value: api.Value{Value: b}, Headers: map[string]string{"trace": fmt.Sprintf("%016x", d.rand.Uint64()), "source": "shop/2.14"}}
}

// run publishes and works until ctx is done.
func (d *demo) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			if d.publish(ctx, 8+d.rand.IntN(18)) != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	for _, g := range demoGroups {
		for i := range g.workers {
			all.Go(func() {
				d.work(ctx, g, fmt.Sprintf("%s-%d", strings.SplitN(g.name, "-", 2)[0], i+1), rand.New(rand.NewPCG(uint64(i), uint64(len(g.name)))))
			})
		}
	}
	for i := range 2 {
		all.Go(func() { d.follow(ctx, fmt.Sprintf("exporter-%d", i+1)) })
	}
	all.Wait()
}

// follow reads orders as a member of an ordered group.
func (d *demo) follow(ctx context.Context, member string) {
	_ = d.Consume(ctx, "audit-export", func(ctx context.Context, _ *client.Record) error {
		select {
		case <-ctx.Done():
		case <-time.After(12 * time.Millisecond):
		}
		return nil
	}, client.FromTopics("orders", "audit-log"), client.StaticMember(member))
}

// work leases and settles as one worker.
func (d *demo) work(ctx context.Context, g groupSetting, member string, r *rand.Rand) {
	for ctx.Err() == nil {
		records, err := d.Lease(ctx, g.name, client.LeaseOptions{Max: 6, Wait: 2 * time.Second, Member: member})
		if err != nil {
			return
		}
		for _, rec := range records {
			select {
			case <-ctx.Done():
				return
			case <-time.After(g.slow/2 + time.Duration(r.Int64N(int64(g.slow)+1))):
			}
			switch p := r.Float64(); {
			case p < g.failing && len(demoErrors[g.name]) > 0:
				e := demoErrors[g.name][r.IntN(len(demoErrors[g.name]))]
				if strings.Contains(e.Message, "%") {
					e.Message = fmt.Sprintf(e.Message, r.IntN(900)+100)
				}
				if r.IntN(6) == 0 {
					_ = d.Reject(ctx, g.name, rec.Receipt, &e)
				} else {
					_ = d.Nack(ctx, g.name, rec.Receipt, &e)
				}
			case p > .997:
				// forgotten: the lease will run out
			default:
				_ = d.Ack(ctx, g.name, rec.Receipt)
			}
		}
	}
}
