package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/client/clienttest"
)

// letters are a group's open dead letters.
func letters(t *testing.T, s *clienttest.Server, group string) (out []api.Letter) {
	t.Helper()
	for l, err := range s.DeadLetters(t.Context(), group, api.LetterFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// Failures, backoff, the dead letter and what the handler published are those of a real server.
func TestDrain(t *testing.T) {
	s := clienttest.New(t)
	ctx := t.Context()
	if _, err := s.PutGroup(ctx, "totals", map[string]any{"max_attempts": 3, "backoff": map[string]any{"steps": []string{"1ms"}}}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"1", "2", "bad"} {
		if err := s.Publish(ctx, "numbers", client.Text(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PutTopic(ctx, "doubled", nil); err != nil {
		t.Fatal(err)
	}
	attempts := make(chan int, 10)
	s.Drain("totals", func(_ context.Context, r *client.Record) error {
		var n int
		if _, err := fmt.Sscan(string(r.Value), &n); err != nil {
			attempts <- r.Attempt
			return fmt.Errorf("%q is no number", r.Value)
		}
		return r.Publish("doubled", client.Text(fmt.Sprint(2*n)))
	}, client.Topics("numbers"), client.Concurrency(2))
	var doubled []string
	for _, r := range s.Records("doubled") {
		doubled = append(doubled, string(r.Value))
	}
	slices.Sort(doubled)
	if fmt.Sprint(doubled) != "[2 4]" {
		t.Errorf("published %q", doubled)
	}
	close(attempts)
	var tried []int
	for a := range attempts {
		tried = append(tried, a)
	}
	dead := letters(t, s, "totals")
	if fmt.Sprint(tried) != "[1 2 3]" || len(dead) != 1 || dead[0].Attempts != 3 || dead[0].Error != `"bad" is no number` {
		t.Errorf("tried %v, dead %+v", tried, dead)
	}
}

// In a bubble a backoff of hours takes no time.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clienttest.New(t)
		if err := s.Publish(t.Context(), "reports", client.Text("x")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.Drain("readers", func(_ context.Context, r *client.Record) error {
			if r.Attempt == 1 {
				return client.RetryAfter(errors.New("the archive is closed at night"), 9*time.Hour)
			}
			return nil
		}, client.Topics("reports"))
		if took := time.Since(began); took < 9*time.Hour {
			t.Errorf("done after %s", took)
		}
	})
}

// A client of the test's own reaches the same server, whatever address it was given.
func TestHTTPClient(t *testing.T) {
	s := clienttest.New(t)
	other, err := client.New("http://holt.example:1", client.WithHTTPClient(s.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Publish(t.Context(), "emails", client.Text("x")); err != nil {
		t.Fatal(err)
	}
	if got := s.Records("emails"); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}
