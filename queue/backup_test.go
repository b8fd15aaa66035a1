package queue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// copyable is a store whose copies are made by run.
type copyable struct {
	*memory.Store
	run func(ctx context.Context, w io.Writer) error
}

func (c copyable) Snapshot(context.Context) (store.Snapshot, error) { return moment{c.run}, nil }

// moment is one of a copyable store.
type moment struct {
	run func(ctx context.Context, w io.Writer) error
}

func (moment) Info() store.Backup { return store.Backup{Opens: 1, Sequence: 7} }
func (moment) Close()             {}

func (m moment) Copy(ctx context.Context, w io.Writer, _ int64) (store.Backup, error) {
	return m.Info(), m.run(ctx, w)
}

// ofCopyable opens a broker on a store whose copies are made by run.
func ofCopyable(t *testing.T, run func(ctx context.Context, w io.Writer) error) *queue.Broker {
	t.Helper()
	b, err := queue.Open(t.Context(), copyable{memory.New(memory.Config{}), run}, queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBackupRefusals(t *testing.T) {
	var b *queue.Broker
	begin := func(store.Backup) io.Writer { return new(bytes.Buffer) }
	b = ofCopyable(t, func(ctx context.Context, _ io.Writer) error {
		if _, err := b.Backup(ctx, backup.Place{}, begin); !errors.Is(err, queue.ErrRateLimited) {
			t.Errorf("beside another: %v", err)
		}
		return nil
	})
	if info, err := b.Backup(t.Context(), backup.Place{}, begin); err != nil || info.Tag() != "1-7" {
		t.Errorf("a backup of %s: %v", info.Tag(), err)
	}
	_, err := b.Backup(t.Context(), backup.Place{Moment: "1-7", Offset: 3}, begin)
	if !errors.Is(err, queue.ErrBackupGone) || errors.Is(err, queue.ErrPrecondition) {
		t.Errorf("of a moment that is gone: %v", err)
	}
	inBubble(t, func(h *house) {
		if _, err := h.Backup(t.Context(), backup.Place{}, begin); !errors.Is(err, queue.ErrInvalidRequest) {
			t.Errorf("of an engine that cannot be copied: %v", err)
		}
	})
}

func TestStopEndsABackup(t *testing.T) {
	var b *queue.Broker
	b = ofCopyable(t, func(ctx context.Context, _ io.Writer) error {
		b.Stop()
		<-ctx.Done()
		return ctx.Err()
	})
	begin := func(store.Backup) io.Writer { return new(bytes.Buffer) }
	for _, when := range []string{"under way", "afterwards"} {
		if _, err := b.Backup(t.Context(), backup.Place{}, begin); !errors.Is(err, queue.ErrShuttingDown) {
			t.Errorf("%s: %v", when, err)
		}
	}
}
