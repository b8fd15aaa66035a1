package clienttest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/clienttest"
)

// A test of a worker: publish what it gets, drain, and look at what became of it.
func Example() {
	_ = func(t *testing.T) {
		s := clienttest.New(t)
		if err := s.Publish(t.Context(), "emails", client.JSON("ada@example.org")); err != nil {
			t.Fatal(err)
		}
		s.Drain("mailer", sendMail, client.Topics("emails"))
		if g, err := s.Group(t.Context(), "mailer"); err != nil || g.Totals.DeadLetters != 0 {
			t.Errorf("%d dead letters, %v", g.Totals.DeadLetters, err)
		}
	}
}

func sendMail(_ context.Context, r *client.Record) error {
	if len(r.Value) == 0 {
		return client.Reject(errors.New("nobody to send it to"))
	}
	return nil
}
