package queue

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// RestoreForgets names the definitions that a restored store goes without: the secret of the receipts. A copy may lack hand-outs that the original made,
// and give their offsets to other records; with a secret of its own no receipt of the original means anything to it, and its own never repeat one.
var RestoreForgets = []string{share.ReceiptKeyName}

// Backup writes a copy of the whole store, as it is at one moment between the call and the first byte: everything that a call before it was told is
// done, and of what comes beside it a part or nothing. One that broke off can be gone on with for backup.KeepFor; begin is told of its moment, and says where to write.
// It ends early when the server stops. Errors: ErrRateLimited (one is under way), ErrBackupGone (the moment is not kept any more),
// ErrInvalidRequest (the engine cannot, or the place is behind the end), ErrUnavailable, ErrShuttingDown, ErrCorrupt, the writer's, the context's.
func (b *Broker) Backup(ctx context.Context, at backup.Place, begin func(store.Backup) io.Writer) (store.Backup, error) {
	if err := b.Ready(); err != nil {
		return store.Backup{}, err
	}
	s, ok := b.store.(store.Backer)
	if !ok {
		return store.Backup{}, fmt.Errorf("%w: the engine %s cannot be copied while it is at work", ErrInvalidRequest, b.store.Health().Engine)
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
	info, err := b.backups.Copy(ctx, s, at, begin)
	switch {
	case errors.Is(err, backup.ErrBusy):
		err = fmt.Errorf("%w: %w", ErrRateLimited, err)
	case errors.Is(err, store.ErrInvalid):
		err = fmt.Errorf("%w: %w", ErrInvalidRequest, err)
	case err != nil && context.Cause(ctx) == ErrShuttingDown:
		err = ErrShuttingDown
	case errors.Is(err, store.ErrDead), errors.Is(err, store.ErrClosed):
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return info, err
}
