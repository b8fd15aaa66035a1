package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/client/clienttest"
)

// diary collects what handlers saw.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) sorted() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.lines)
	return strings.Join(d.lines, "; ")
}

// dead are the errors of a group's open dead letters.
func dead(t *testing.T, s *clienttest.Server, group string) string {
	t.Helper()
	var out []string
	for l, err := range s.DeadLetters(t.Context(), group, api.LetterFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s after %d: %s", l.Reason, l.Attempts, l.Error))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func quick(t *testing.T, s *clienttest.Server, group string, attempts int) {
	t.Helper()
	if _, err := s.PutGroup(t.Context(), group, map[string]any{"max_attempts": attempts, "backoff": map[string]any{"steps": []string{"1ms"}}}); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, s *clienttest.Server, topic string, v client.Value, opts ...client.RecordOption) {
	t.Helper()
	if err := s.Publish(t.Context(), topic, v, opts...); err != nil {
		t.Fatal(err)
	}
}

func TestMuxByHeader(t *testing.T) {
	s := clienttest.New(t)
	quick(t, s, "mailer", 2)
	kind := func(k string) client.RecordOption { return client.Header("type", k) }
	publish(t, s, "emails", client.JSON(map[string]any{"name": "Ada"}), kind("welcome"))
	publish(t, s, "emails", client.JSON(map[string]any{"amount": 7}), kind("receipt"))
	publish(t, s, "emails", client.JSON(map[string]any{"name": 7}), kind("welcome"))
	publish(t, s, "emails", client.Text("raw"), kind("plain"))
	publish(t, s, "emails", client.JSON(1), kind("unheard of"))
	var d diary
	m := client.NewMux("type")
	client.Handle(m, "welcome", func(_ context.Context, r *client.Record, v struct{ Name string }) error {
		d.note("welcome %s, attempt %d", v.Name, r.Attempt)
		return nil
	})
	client.Handle(m, "receipt", func(_ context.Context, r *client.Record, v *struct{ Amount int }) error {
		d.note("receipt %d", v.Amount)
		return nil
	})
	m.Handle("plain", func(_ context.Context, r *client.Record) error { d.note("plain %s", r.Value); return nil })
	s.Drain("mailer", m.Serve, client.Topics("emails"))
	if got := d.sorted(); got != "plain raw; receipt 7; welcome Ada, attempt 1" {
		t.Error(got)
	}
	got := dead(t, s, "mailer")
	if !strings.Contains(got, `max_attempts after 2: this worker has no handler for type "unheard of"`) || !strings.Contains(got, "rejected after 1: decode a value of 10 bytes into struct { Name string }: ") {
		t.Error(got)
	}
}

func TestMuxByTopic(t *testing.T) {
	s := clienttest.New(t)
	publish(t, s, "orders", client.Text("o"))
	publish(t, s, "refunds", client.Text("r"))
	var d diary
	m := client.NewMux("")
	m.Handle("orders", func(_ context.Context, r *client.Record) error { d.note("order"); return nil })
	m.Otherwise(func(_ context.Context, r *client.Record) error { d.note("other: %s", r.Topic); return nil })
	s.Drain("books", m.Serve, client.Topics("orders", "refunds"))
	if got := d.sorted(); got != "order; other: refunds" {
		t.Error(got)
	}
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, `two handlers for the kind "orders"`) {
			t.Error(p)
		}
	}()
	m.Handle("orders", nil)
	m.Handle("orders", nil)
}

// Middleware stands around the handler, the first outermost; it sees results and panics, and what it returns counts.
func TestMiddleware(t *testing.T) {
	s := clienttest.New(t)
	quick(t, s, "g", 1)
	for _, text := range []string{"fine", "bad", "panic"} {
		publish(t, s, "t", client.Text(text))
	}
	var d diary
	watch := func(name string) client.Middleware {
		return func(next client.Handler) client.Handler {
			return func(ctx context.Context, r *client.Record) (err error) {
				defer func() {
					p := recover()
					d.note("%s %s: %v %v", r.Value, name, err, p)
					if p != nil {
						panic(p)
					}
				}()
				return next(context.WithValue(ctx, key{}, fmt.Sprint(ctx.Value(key{}), name)), r)
			}
		}
	}
	giveUp := func(next client.Handler) client.Handler {
		return func(ctx context.Context, r *client.Record) error {
			if err := next(ctx, r); err != nil {
				return client.Reject(fmt.Errorf("inside %v: %w", ctx.Value(key{}), err))
			}
			return nil
		}
	}
	s.Drain("g", func(_ context.Context, r *client.Record) error {
		switch string(r.Value) {
		case "bad":
			return errors.New("no")
		case "panic":
			panic("ouch")
		}
		return nil
	}, client.Topics("t"), client.Use(watch("A"), watch("B")), client.Use(giveUp))
	want := "bad A: inside <nil>AB: no <nil>; bad B: inside <nil>AB: no <nil>; fine A: <nil> <nil>; fine B: <nil> <nil>; panic A: <nil> ouch; panic B: <nil> ouch"
	if got := d.sorted(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := dead(t, s, "g"); got != "max_attempts after 1: panic: ouch; rejected after 1: inside <nil>AB: no" {
		t.Error(got)
	}
}

type key struct{}

// A loop over leases gives back what it has not reached: at once there for others, and not counted.
func TestLeases(t *testing.T) {
	s := clienttest.New(t)
	for i := range 5 {
		publish(t, s, "t", client.Text(fmt.Sprint(i)), client.Partition(0))
	}
	var seen []string
	options := client.LeaseOptions{Max: 3, Topics: []string{"t"}}
	for r, err := range s.Leases(t.Context(), "g", options) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprintf("%s/%d/%d", r.Value, r.Attempt, r.Deliveries))
		if err := s.Ack(t.Context(), "g", r.Receipt); err != nil {
			t.Fatal(err)
		}
		if len(seen) == 4 { // of the second call, which brought two
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for r, err := range s.Leases(ctx, "g", options) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprintf("%s/%d/%d", r.Value, r.Attempt, r.Deliveries))
		cancel() // the record is the loop's, the end is none of its errors
	}
	if got := fmt.Sprint(seen); got != "[0/1/1 1/1/1 2/1/1 3/1/1 4/1/2]" {
		t.Error(got)
	}
	for _, err := range s.Leases(t.Context(), "nobody", client.LeaseOptions{}) {
		if !errors.Is(err, client.ErrGroupNotFound) {
			t.Error(err)
		}
	}
}

// The Go of the how-to is that of the examples, which compile.
func TestHowToIsCompiled(t *testing.T) {
	var examples string
	for _, file := range []string{"example_worker_test.go", "clienttest/example_test.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples += string(b)
	}
	page, err := os.ReadFile("../docs/howto/go-worker.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 5 {
		t.Errorf("%d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		if code, _, _ := strings.Cut(b, "```"); !strings.Contains(examples, code) {
			t.Errorf("no example has\n%s", code)
		}
	}
}
