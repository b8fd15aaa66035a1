package backup

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// KeepFor is how long the moment of a copy that broke off is kept.
const KeepFor = 5 * time.Minute

// Errors of Copy.
var (
	ErrBusy = errors.New("another backup is under way")
	ErrGone = errors.New("the moment of this backup is not kept any more")
)

// Place is where a copy is to go on: its moment, as store.Backup.Tag names it, and the bytes of it that are there. The zero Place is the beginning of a new one.
type Place struct {
	Moment string
	Offset int64
}

// Keeper takes copies of one store.
type Keeper struct {
	mu     sync.Mutex
	closed bool
	kept   store.Snapshot // of the copy under way, or of one that broke off; nil: none
	users  int            // copies of it under way
	whole  bool           // one of them was whole
	timer  *time.Timer    // lets go of it, once nobody uses it
}

// maxUsers bounds the copies of one moment that are under way: one that broke off without the server's knowing, and the one that goes on with it.
const maxUsers = 2

// Copy writes a copy, or what is missing of one behind a place; begin is told of its moment before anything is written, and returns where to.
// Errors: ErrBusy, ErrGone, those of store.Backer and store.Snapshot.
func (k *Keeper) Copy(ctx context.Context, s store.Backer, at Place, begin func(store.Backup) io.Writer) (store.Backup, error) {
	p, err := k.take(ctx, s, at.Moment)
	if err != nil {
		return store.Backup{}, err
	}
	info, err := p.Copy(ctx, begin(p.Info()), at.Offset)
	k.done(err == nil)
	return info, err
}

// take returns the moment that is kept, or a new one.
func (k *Keeper) take(ctx context.Context, s store.Backer, moment string) (store.Snapshot, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, store.ErrClosed
	case moment != "" && (k.kept == nil || k.kept.Info().Tag() != moment):
		return nil, ErrGone
	case k.users == maxUsers, k.users > 0 && moment == "":
		return nil, ErrBusy
	case moment == "":
		k.forget()
		p, err := s.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		k.kept, k.whole = p, false
	case k.users == 0:
		k.timer.Stop()
	}
	k.users++
	return k.kept, nil
}

// done keeps the moment of copies that all broke off.
func (k *Keeper) done(whole bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users--
	k.whole = k.whole || whole
	switch p := k.kept; {
	case k.users > 0:
	case k.whole || k.closed:
		k.forget()
	default:
		k.timer = time.AfterFunc(KeepFor, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.kept == p && k.users == 0 {
				k.forget()
			}
		})
	}
}

// forget lets go of a moment that nobody uses. The caller holds mu.
func (k *Keeper) forget() {
	if k.timer != nil {
		k.timer.Stop()
	}
	if k.kept != nil {
		k.kept.Close()
		k.kept = nil
	}
}

// Close lets go of what is kept. Copies under way end by their contexts.
func (k *Keeper) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.users == 0 {
		k.forget()
	}
}
