package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/holtmq/holt/client/api"
)

const (
	pollWait     = 20 * time.Second        // how long a lease call waits for records
	answerSlack  = 10 * time.Second        // beyond it: the server is gone without a word
	settleTry    = 15 * time.Second        // one try of a settle
	rideWait     = settleTry - answerSlack // how long a lease call waits that carries settles: they are known as soon as by themselves
	settleGrace  = 30 * time.Second        // after the end: how long unanswered settles are repeated
	lastWords    = 250 * time.Millisecond  // for the answer to a lease call that was ended
	maxLease     = 1000                    // records a lease call asks for at most
	minExtension = time.Second
	firstPause   = 100 * time.Millisecond
	lastPause    = 10 * time.Second
)

// Handler does the work of one record. nil acks it; an error fails it and it comes again after the group's backoff;
// Reject, RetryAfter and Release say otherwise. A panic is an error with its stack.
//
// ctx is not the one given to Work: it goes on while Work drains. It ends when the lease is lost, with the cause
// ErrLeaseLost (then nothing is settled: the record is somebody else's), or when Grace is over.
//
// What r.Publish is given is committed together with the ack, or not at all.
type Handler func(ctx context.Context, r *Record) error

// WorkOption configures Work.
type WorkOption func(*workOptions)

type workOptions struct {
	topics      []string
	concurrency int
	prefetch    int
	lease       time.Duration
	member      string
	grace       time.Duration
	onError     func(error)
	middleware  []Middleware
}

// Topics has Work lease from these topics only. It makes the group, and attaches what is missing, when needed.
func Topics(topics ...string) WorkOption { return func(o *workOptions) { o.topics = topics } }

// Concurrency is how many handlers run at a time; default 1.
func Concurrency(n int) WorkOption { return func(o *workOptions) { o.concurrency = n } }

// Prefetch is how many records are leased beyond the free handlers; default 0.
func Prefetch(n int) WorkOption { return func(o *workOptions) { o.prefetch = n } }

// LeaseFor is the length of each lease and of its extensions; default the group's.
func LeaseFor(d time.Duration) WorkOption { return func(o *workOptions) { o.lease = d } }

// Member names the worker, for operators to read; default WithMember's, else host name and a random suffix.
func Member(name string) WorkOption { return func(o *workOptions) { o.member = name } }

// Grace is how long handlers may run on after Work's context ended; then theirs ends, too, with the same cause, and
// a handler that gives up because of it releases its record. Default 0: as long as they need.
func Grace(d time.Duration) WorkOption { return func(o *workOptions) { o.grace = d } }

// OnError has f told of what Work copes with on its own: an unreachable server, a lease that was lost. f is called
// from several goroutines.
func OnError(f func(error)) WorkOption { return func(o *workOptions) { o.onError = f } }

// Work leases records of group and has h handle them until ctx ends; then it stops leasing, gives back uncounted what
// was not started, waits for the handlers, settles their records and returns nil.
//
// It never holds more leases than Concurrency + Prefetch, and extends each at half of its remaining time. A settle that
// frees the slot that Work waits for goes with the next lease call, others share requests of their own. When the server
// is away it tries again, with backoff, for as long as ctx lasts; settles are repeated until they are
// answered. Work ends by itself only when the server refuses its calls (4xx); the error says why.
func (c *Client) Work(ctx context.Context, group string, h Handler, opts ...WorkOption) error {
	o := workOptions{concurrency: 1, member: c.member, onError: func(error) {}}
	for _, f := range opts {
		f(&o)
	}
	if o.concurrency < 1 || o.prefetch < 0 {
		return fmt.Errorf("work: concurrency %d and prefetch %d: at least 1 and 0", o.concurrency, o.prefetch)
	}
	if o.member == "" {
		o.member = ownName()
	}
	w := &worker{
		client: c, group: group, handler: Chain(h, o.middleware...), workOptions: o, ctx: ctx,
		held: make(chan struct{}, o.concurrency+o.prefetch), queue: make(chan task, o.concurrency+o.prefetch),
	}
	return w.run()
}

// worker is one Work call.
type worker struct {
	workOptions
	client  *Client
	group   string
	handler Handler

	ctx     context.Context // Work's: its end begins the drain
	held    chan struct{}   // a token per lease held or asked for
	queue   chan task       // leased, not started
	runners int             // goroutines that run handlers; Work's goroutine only
	wg      sync.WaitGroup  // a count per lease held
	request string          // key of the lease call without an answer; "" = none; Work's goroutine only
	rides   rides           // settles for the next lease call

	mu        sync.Mutex
	length    time.Duration // the longest lease seen: what an extension asks for
	unsettled int           // settles that were never answered
}

func (w *worker) run() error {
	err := w.leaseUntilEnd()
	w.lastPoll()
	w.giveBack()
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsettled > 0 {
		lost := fmt.Errorf("work %s: %w: %d settles without an answer, their records come again", w.group, ErrUnknown, w.unsettled)
		err = errors.Join(err, lost)
	}
	return err
}

// leaseUntilEnd leases for free slots until ctx ends (nil) or the server refuses.
func (w *worker) leaseUntilEnd() error {
	for pause := newPause(); w.ctx.Err() == nil; {
		n, settles := w.claim()
		if n == 0 {
			return nil
		}
		a := w.poll(n, settles)
		if !carry(settles, a.settled) {
			n -= len(settles) // their slots stay theirs until they are settled
		}
		w.free(n - len(a.records))
		for _, r := range a.records {
			w.start(r)
		}
		switch {
		case a.err == nil:
			pause.reset()
		case !Temporary(a.err):
			return fmt.Errorf("work %s: %w", w.group, a.err)
		case w.ctx.Err() == nil:
			w.onError(fmt.Errorf("lease: %w", a.err))
			pause.wait(w.ctx, a.err)
		}
	}
	return nil
}

// claim waits for a free slot, or for a settle that frees one, and takes all there are; 0: ctx ended.
func (w *worker) claim() (n int, settles []*settleCall) {
	wake := w.rides.open()
	select {
	case w.held <- struct{}{}:
		n = 1
	case <-wake:
	case <-w.ctx.Done():
	}
	settles = w.rides.close()
	if w.ctx.Err() != nil {
		carry(settles, nil)
		w.free(n)
		return 0, nil
	}
	n += len(settles)
	return n + w.claimFree(maxLease-n), settles
}

// claimFree takes the free slots, at most most.
func (w *worker) claimFree(most int) int {
	for n := range most {
		select {
		case w.held <- struct{}{}:
		default:
			return n
		}
	}
	return max(0, most)
}

func (w *worker) free(n int) {
	for range n {
		select {
		case <-w.held:
		default: // only when a server gave more than was asked for
		}
	}
}

// poll leases up to n records, after settles. Until a call is answered its request key stays in use: if the answer was
// lost on its way with leases in it, the next call gets them. When ctx ends meanwhile, the call is not just cut off, for
// the same reason: a second one with its key ends it and gets its leases.
func (w *worker) poll(n int, settles []*settleCall) leaseAnswer {
	if w.request == "" {
		w.request = "work-" + rand.Text()
	}
	o := w.leaseOptions(n)
	o.Wait = pollWait
	if len(settles) > 0 {
		o.Wait = rideWait
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(w.ctx), o.Wait+answerSlack, errNoAnswer)
	defer cancel()
	first := make(chan leaseAnswer, 1)
	go func() {
		records, settled, err := w.client.lease(ctx, w.group, o, together(settles))
		first <- leaseAnswer{records, settled, err}
	}()
	select {
	case a := <-first:
		w.answered(a.err)
		return a
	case <-w.ctx.Done():
	}
	second := w.again(n)
	if second.err != nil {
		cancel()
	}
	defer time.AfterFunc(lastWords, cancel).Stop() // it was ended and says what became of the settles
	a := <-first
	return leaseAnswer{records: merge(second.records, a.records), settled: a.settled}
}

// answered forgets the request key of a call that was answered for good.
func (w *worker) answered(err error) {
	if !Temporary(err) {
		w.request = ""
	}
}

// lastPoll gets back the leases of a call that was not answered before ctx ended.
func (w *worker) lastPoll() {
	if w.request == "" {
		return
	}
	for n := w.claimFree(maxLease); n > 0; n = 0 {
		a := w.again(n)
		w.free(n - len(a.records))
		for _, r := range a.records {
			w.start(r)
		}
	}
}

type leaseAnswer struct {
	records []*Record
	settled *api.SettleResponse // nil: it is not known what became of the settles
	err     error
}

// errNoAnswer is the cause of a call that was given up because the server said nothing for too long.
var errNoAnswer = errors.New("no answer in time")

func (w *worker) leaseOptions(n int) LeaseOptions {
	return LeaseOptions{Max: n, Lease: w.lease, Topics: w.topics, Member: w.member, Request: w.request}
}

// again repeats the unanswered call without waiting.
func (w *worker) again(n int) leaseAnswer {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(w.ctx), answerSlack, errNoAnswer)
	defer cancel()
	records, err := w.client.Lease(ctx, w.group, w.leaseOptions(n))
	w.answered(err)
	return leaseAnswer{records: records, err: err}
}

// merge joins two answers to one request key; the same receipt counts once.
func merge(a, b []*Record) []*Record {
	seen := make(map[string]bool, len(a))
	for _, r := range a {
		seen[r.Receipt] = true
	}
	for _, r := range b {
		if !seen[r.Receipt] {
			a = append(a, r)
		}
	}
	return a
}

// task is a record on its way from lease to settle.
type task struct {
	record *Record
	hold   *hold
}

// start queues a leased record for the handlers, first come first served.
func (w *worker) start(r *Record) {
	w.mu.Lock()
	w.length = max(w.length, r.length, minExtension)
	w.mu.Unlock()
	w.wg.Add(1)
	r.outbox = &outbox{}
	t := task{r, w.hold(r)}
	select {
	case w.queue <- t:
	default: // only when a server gave more than was asked for
		go w.finish(t, Release())
		return
	}
	if w.runners < w.concurrency {
		w.runners++
		go w.runTasks()
	}
}

// runTasks runs handlers, one after the other, until the queue is closed. Settling is not its business: with Prefetch
// the next handler starts meanwhile.
func (w *worker) runTasks() {
	for t := range w.queue {
		result := Release()
		if w.ctx.Err() == nil && t.hold.ctx.Err() == nil {
			result = w.handle(t.hold, t.record)
		}
		go w.finish(t, result)
	}
}

// giveBack releases what no handler has started, while handlers may still run.
func (w *worker) giveBack() {
	close(w.queue)
	for t := range w.queue {
		go w.finish(t, Release())
	}
}

// finish settles a task and frees its slot.
func (w *worker) finish(t task, result error) {
	defer w.wg.Done()
	s := settlement(t.record.Receipt, result)
	published := t.record.outbox.close()
	if lost := t.hold.stop(); lost != nil {
		w.onError(fmt.Errorf("%s: %w", place(t.record), lost))
		w.free(1)
		return
	}
	if result == nil && len(published) > 0 {
		s.Publish, s.Request = published, "work-"+rand.Text()
	}
	if carried, err := w.rides.with(s); carried { // and the slot went to the lease call
		if err != nil {
			w.onError(fmt.Errorf("settle %s: %w", place(t.record), err))
		}
		return
	}
	defer w.free(1)
	err := w.settle(t.record, s)
	if err == nil || gone(err) || len(s.Publish) == 0 {
		return
	}
	w.settle(t.record, settlement(t.record.Receipt, fmt.Errorf("publish: %w", err))) // what cannot be published is the record's failure
}

// settle settles r by s, again and again until the server answers; it returns the refusal. After ctx ended it gives up
// some day.
func (w *worker) settle(r *Record, s api.SettleRequest) error {
	var giveUp time.Time
	pause := newPause()
	for tries := 0; ; tries++ {
		err := w.trySettle(s)
		switch {
		case err == nil:
			return nil
		case !Temporary(err):
			w.onError(fmt.Errorf("settle %s: %w", place(r), err))
			return err
		}
		if tries == 0 {
			w.onError(fmt.Errorf("settle %s: %w; repeating it until it is answered", place(r), err))
		}
		if w.ctx.Err() != nil {
			if giveUp.IsZero() {
				giveUp = time.Now().Add(settleGrace)
			} else if time.Now().After(giveUp) {
				w.mu.Lock()
				w.unsettled++
				w.mu.Unlock()
				return nil
			}
		}
		pause.wait(context.Background(), err)
	}
}

func (w *worker) trySettle(s api.SettleRequest) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(w.ctx), settleTry, errNoAnswer)
	defer cancel()
	err := w.client.settleAll(ctx, w.group, s)
	if errors.Is(err, errNoAnswer) && !errors.Is(err, ErrUnknown) { // it was never sent, others' calls took all the time
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

func place(r *Record) string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

func ownName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return host + "-" + rand.Text()[:6]
}

// pause is the wait between tries: it doubles up to lastPause, with jitter, and is never less than the server asks.
type pause struct{ next time.Duration }

func newPause() *pause { return &pause{firstPause} }

func (p *pause) reset() { p.next = firstPause }

// wait sleeps, at most until ctx ends.
func (p *pause) wait(ctx context.Context, err error) {
	d := p.next/2 + mathrand.N(p.next)
	p.next = min(2*p.next, lastPause)
	var e *Error
	if errors.As(err, &e) {
		d = max(d, min(e.RetryAfter(), lastPause))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
