package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/store"
)

// Durable waits for everything enqueued so far. Errors: store.ErrUnknown, the context's.
func (c *Committer) Durable(ctx context.Context) error {
	return Unknown(c.Wait(ctx, c.Last()))
}

// Unknown says of a commit's error what its callers are told: store.ErrUnknown. The context's errors and nil stay what they are.
func Unknown(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnknown, err)
}
