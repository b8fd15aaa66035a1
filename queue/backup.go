package queue

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// RestoreForgets names the definitions that a restored store goes without: the secret of the receipts. A copy may lack hand-outs that the original made,
// and give their offsets to other records; with a secret of its own no receipt of the original means anything to it, and its own never repeat one.
var RestoreForgets = []string{share.ReceiptKeyName}

// Backup writes a copy of the whole store to w, as it is at one moment between the call and the first byte: everything that a call before it was told is
// done, and of what comes beside it a part or nothing. It ends early when the server stops. Errors: ErrRateLimited (one is under way),
// ErrInvalidRequest (the engine cannot), ErrUnavailable, ErrShuttingDown, ErrCorrupt, w's, the context's.
func (b *Broker) Backup(ctx context.Context, w io.Writer) (store.Backup, error) {
	if err := b.Ready(); err != nil {
		return store.Backup{}, err
	}
	s, ok := b.store.(store.Backer)
	if !ok {
		return store.Backup{}, fmt.Errorf("%w: the engine %s cannot be copied while it is at work", ErrInvalidRequest, b.store.Health().Engine)
	}
	select {
	case b.copying <- struct{}{}:
		defer func() { <-b.copying }()
	default:
		return store.Backup{}, fmt.Errorf("%w: another backup is under way", ErrRateLimited)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-b.stop:
			cancel(ErrShuttingDown)
		case <-done:
		}
	}()
	info, err := s.Backup(ctx, w)
	switch {
	case err != nil && context.Cause(ctx) == ErrShuttingDown:
		err = ErrShuttingDown
	case errors.Is(err, store.ErrDead), errors.Is(err, store.ErrClosed):
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return info, err
}
