package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// hold keeps one lease alive: it extends it at half of its remaining time until it is stopped or the lease is lost.
type hold struct {
	w   *worker
	r   *Record
	ctx context.Context // the handler's: ends when the lease is lost

	cancel context.CancelCauseFunc

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	done    chan struct{} // closed when the extension in flight ended; nil: none
	quit    context.CancelFunc
	lost    error
}

func (w *worker) hold(r *Record) *hold {
	h := &hold{w: w, r: r}
	h.ctx, h.cancel = context.WithCancelCause(context.WithoutCancel(w.ctx))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(time.Until(r.ExpiresAt)/2, h.extend)
	return h
}

// stop ends the extending, waits for one in flight, and returns the loss of the lease, if it was lost.
func (h *hold) stop() error {
	h.mu.Lock()
	h.stopped = true
	h.timer.Stop()
	done := h.done
	if h.quit != nil {
		h.quit()
	}
	h.mu.Unlock()
	if done != nil {
		<-done
	}
	h.cancel(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// extend runs when half of the remaining time is over: it extends, and sets the timer for the next time.
func (h *hold) extend() {
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		return
	}
	done := make(chan struct{})
	defer close(done)
	h.done = done
	ctx, quit := context.WithTimeoutCause(context.WithoutCancel(h.w.ctx), settleTry, errNoAnswer)
	defer quit()
	h.quit = quit
	h.mu.Unlock()

	length := h.w.extension()
	sent := time.Now()
	err := h.w.client.Extend(ctx, h.w.group, h.r.Receipt, length)
	next := length / 2
	if err != nil {
		next = min(time.Second, length/8)
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped:
		return
	case err == nil:
	case gone(err):
		h.lost = err
		if !errors.Is(err, ErrLeaseLost) {
			h.lost = fmt.Errorf("%w: %w", ErrLeaseLost, err)
		}
		h.cancel(h.lost)
		return
	default:
		h.w.onError(fmt.Errorf("extend %s: %w", place(h.r), err))
	}
	h.timer.Reset(max(0, next-time.Since(sent)))
}

// extension is what to ask for: the length of the leases this worker was given.
func (w *worker) extension() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lease > 0 {
		return w.lease
	}
	return w.length
}

// gone: the lease is no longer this worker's. Anything else is tried again: a lease past its deadline is still good
// until its record is handed out anew, and the time a server is down does not count.
func gone(err error) bool {
	return errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrAlreadySettled) ||
		errors.Is(err, ErrInvalidReceipt) || errors.Is(err, ErrGroupNotFound)
}

// errExited is the result of a handler that called runtime.Goexit.
var errExited = errors.New("the handler ended its goroutine")

// handle runs the handler on its own goroutine, which it may end, and returns its result.
func (w *worker) handle(h *hold, r *Record) error {
	ctx := h.ctx
	if w.grace > 0 {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		defer w.afterGrace(func() { cancel(context.Cause(w.ctx)) })()
	}
	result := make(chan error, 1)
	go func() {
		err := errExited
		defer func() {
			if p := recover(); p != nil {
				err = recovered(p)
			}
			result <- err
		}()
		err = w.handler(ctx, r)
	}()
	err := <-result
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return Release() // it gave up because Grace was over
	}
	return err
}

// afterGrace has f called when Work's context ended and Grace is over; the function it returns takes that back.
func (w *worker) afterGrace(f func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	unwatch := context.AfterFunc(w.ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(w.grace, f)
	})
	return func() {
		unwatch()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
	}
}
