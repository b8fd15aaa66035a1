package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holtmq/holt/client/api"
)

const (
	consumeMax    = 1000             // records a poll asks for
	commitEvery   = 5 * time.Second  // while handlers run: how often what is done is committed
	commitGrace   = 10 * time.Second // at the end: how long a commit is repeated
	leaveTry      = 2 * time.Second
	minConsumeGap = 100 * time.Millisecond
)

// Reader handles one record of a stream. nil goes on; an error ends Consume, and the record comes again to whoever reads its partition next.
//
// ctx is not the one given to Consume: a handler is never cut off by its end. It ends when the member is fenced or its session is over, with the cause
// ErrFenced or ErrMemberNotFound: the partition may be with somebody else by then.
type Reader func(ctx context.Context, r *Record) error

// ConsumeOption configures Consume.
type ConsumeOption func(*consumeOptions)

type consumeOptions struct {
	join     JoinOptions
	atOnce   int
	max      int
	untilEnd bool
	assigned func(ctx context.Context, partitions []api.AssignedPartition)
	revoked  func(ctx context.Context, partitions []api.Place)
	onError  func(error)
}

// FromTopics has Consume read these topics only. It makes the group, and attaches what is missing, when needed.
func FromTopics(topics ...string) ConsumeOption {
	return func(o *consumeOptions) { o.join.Topics = topics }
}

// StaticMember gives the member an id that it keeps over its restarts: who comes back within Session goes on with its partitions, and nobody else is
// disturbed. Then Consume does not leave the group at its end.
func StaticMember(id string) ConsumeOption { return func(o *consumeOptions) { o.join.Member = id } }

// Session is how long the member may be silent before its partitions go to others; default 30 s.
func Session(d time.Duration) ConsumeOption { return func(o *consumeOptions) { o.join.Session = d } }

// AtOnce is how many partitions are worked on at a time; default 1. Records of one partition are always handled one after the other.
func AtOnce(n int) ConsumeOption { return func(o *consumeOptions) { o.atOnce = n } }

// MaxRecords is how many records a poll asks for; default 1,000.
func MaxRecords(n int) ConsumeOption { return func(o *consumeOptions) { o.max = n } }

// UntilEnd has Consume end once the member has read all that there is of what it holds.
func UntilEnd() ConsumeOption { return func(o *consumeOptions) { o.untilEnd = true } }

// OnAssigned has f called with partitions that are new to the member, before their first record is handled. Heartbeats keep its session meanwhile.
func OnAssigned(f func(ctx context.Context, partitions []api.AssignedPartition)) ConsumeOption {
	return func(o *consumeOptions) { o.assigned = f }
}

// OnRevoked has f called with partitions that the member is to give up: their handlers have returned, and what they did is committed. The partitions go to others once f
// returned; heartbeats keep the session meanwhile. It is also called, with its context ended, when they are lost: then others may have them already, and what was done
// last may not be committed.
func OnRevoked(f func(ctx context.Context, partitions []api.Place)) ConsumeOption {
	return func(o *consumeOptions) { o.revoked = f }
}

// OnConsumeError has f told of what Consume copes with on its own: an unreachable server, a member that was fenced.
func OnConsumeError(f func(error)) ConsumeOption { return func(o *consumeOptions) { o.onError = f } }

// Consume reads an ordered group's records as one of its members, until ctx ends; then it waits for the handlers, commits what they did, leaves, and returns nil.
//
// Each record is handled after the one before it in its partition, and offsets are committed after their records were handled: what a crash leaves uncommitted comes
// again. The server shares the partitions out among the members. When the server is away Consume tries again for as long as ctx lasts; when the member is fenced,
// it joins again. It ends by itself when h returns an error, or the server refuses its calls (4xx); the error says why.
func (c *Client) Consume(ctx context.Context, group string, h Reader, opts ...ConsumeOption) error {
	o := consumeOptions{
		atOnce: 1, max: consumeMax, onError: func(error) {},
		assigned: func(context.Context, []api.AssignedPartition) {}, revoked: func(context.Context, []api.Place) {},
	}
	for _, f := range opts {
		f(&o)
	}
	if o.atOnce < 1 || o.max < 1 {
		return fmt.Errorf("consume: %d partitions at once and %d records a poll: at least 1 each", o.atOnce, o.max)
	}
	s := &consumer{consumeOptions: o, client: c, group: group, handler: h, ctx: ctx, static: o.join.Member != ""}
	return s.run()
}

// consumer is one Consume call.
type consumer struct {
	consumeOptions
	client  *Client
	group   string
	handler Reader
	static  bool
	ctx     context.Context // Consume's: its end begins the end

	epoch int64
	beat  time.Duration

	life context.Context // of one membership; ends when it is lost
	lose context.CancelCauseFunc

	mu    sync.Mutex
	parts map[api.Place]*part
	gone  []api.Place // lost, and OnRevoked has not been told yet
}

// run joins again and again, until the end.
func (s *consumer) run() error {
	for pause := newPause(); s.ctx.Err() == nil; {
		err := s.enter()
		if err == nil {
			err = s.readOn(pause)
			s.exit(err)
		}
		var failed *readerError
		switch {
		case errors.Is(err, errEnd):
			return nil
		case errors.As(err, &failed):
			return fmt.Errorf("consume %s: %w", s.group, failed.err)
		case s.ctx.Err() != nil && (err == nil || lost(err) || Temporary(err)):
			return nil
		case lost(err):
			s.onError(fmt.Errorf("consume %s: %w; joining again", s.group, err))
		case Temporary(err):
			s.onError(fmt.Errorf("join %s: %w", s.group, err))
		default:
			return fmt.Errorf("consume %s: %w", s.group, err)
		}
		pause.wait(s.ctx, err)
	}
	return nil
}

// readerError is an error of the handler: whatever it is, it ends Consume.
type readerError struct{ err error }

func (e *readerError) Error() string { return e.err.Error() }
func (e *readerError) Unwrap() error { return e.err }

// lost tells whether an error says that the member is one no more.
func lost(err error) bool { return errors.Is(err, ErrFenced) || errors.Is(err, ErrMemberNotFound) }

// enter joins.
func (s *consumer) enter() error {
	j, err := s.client.Join(s.ctx, s.group, s.join)
	if err != nil {
		return err
	}
	s.join.Member, s.epoch, s.beat = j.Member, j.Epoch, max(time.Duration(j.Heartbeat), minConsumeGap)
	s.life, s.lose = context.WithCancelCause(context.WithoutCancel(s.ctx))
	s.parts = map[api.Place]*part{}
	s.take(j.Assignment)
	return nil
}

// exit ends a membership: it gives everything back, or says that it is lost.
func (s *consumer) exit(err error) {
	defer s.lose(err)
	if !lost(err) || errors.As(err, new(*readerError)) {
		err = s.commitAll()
	}
	if lost(err) {
		s.lose(err)
	} else {
		s.giveUp((*part).isCommitted)
	}
	s.abandon(func(api.Place, *part) bool { return true })
	s.tellGone()
	if s.static || s.life.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), leaveTry)
	defer cancel()
	if err := s.client.Leave(ctx, s.group, s.join.Member, s.epoch); err != nil && !lost(err) {
		s.onError(fmt.Errorf("leave %s: %w", s.group, err))
	}
}

// readOn polls and handles until ctx ends (nil), a handler fails, or the member is lost.
func (s *consumer) readOn(pause *pause) error {
	wait := pollWait
	if s.untilEnd {
		wait = 0
	}
	for s.ctx.Err() == nil {
		p, err := s.client.Poll(s.ctx, s.group, PollOptions{Member: s.join.Member, Epoch: s.epoch, Owned: s.owned(), Max: s.max, Wait: wait})
		switch {
		case s.ctx.Err() != nil:
			return nil
		case err != nil && Temporary(err):
			s.onError(fmt.Errorf("poll %s: %w", s.group, err))
			pause.wait(s.ctx, err)
			continue
		case err != nil:
			return err
		}
		pause.reset()
		s.adopt(p)
		if err := s.handle(p); err != nil {
			return err
		}
		switch err := s.commit(s.life); {
		case err == nil:
		case Temporary(err):
			s.onError(fmt.Errorf("commit %s: %w", s.group, err))
			pause.wait(s.ctx, err)
		default:
			return err
		}
		s.giveUp(func(p *part) bool { return p.revoked && p.isCommitted() })
		s.tellGone()
		if s.untilEnd && len(p.Records)+len(p.Moved)+len(p.Revoke) == 0 {
			return errEnd
		}
	}
	return nil
}

// errEnd ends a Consume that is UntilEnd.
var errEnd = errors.New("the end is reached")

// handle runs the handlers over what a poll brought, partitions side by side, while heartbeats keep the session.
func (s *consumer) handle(p Polled) error {
	if len(p.Records) == 0 {
		s.advance(p.Next, nil)
		return nil
	}
	runs := map[api.Place][]*Record{}
	var order []api.Place
	for _, r := range p.Records {
		place := api.Place{Topic: r.Topic, Partition: r.Partition}
		if runs[place] == nil {
			order = append(order, place)
		}
		runs[place] = append(runs[place], r)
	}
	stop := s.keepAlive()
	slots := make(chan struct{}, s.atOnce)
	fails := make([]error, len(order))
	var wg sync.WaitGroup
	var failed sync.Once
	broken := make(chan struct{})
	for i, place := range order {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if fails[i] = s.handleAll(place, runs[place], broken); fails[i] != nil {
				failed.Do(func() { close(broken) })
			}
		})
	}
	wg.Wait()
	stop()
	s.advance(p.Next, runs)
	if s.life.Err() != nil {
		return context.Cause(s.life)
	}
	if err := errors.Join(fails...); err != nil {
		return &readerError{err}
	}
	return nil
}

// handleAll handles records of one partition, in order, until one fails, the partition is to be given up, or the end has begun.
func (s *consumer) handleAll(at api.Place, records []*Record, broken <-chan struct{}) error {
	for _, r := range records {
		select {
		case <-broken:
			return nil
		case <-s.ctx.Done():
			return nil
		case <-s.life.Done():
			return nil
		default:
		}
		if s.isRevoked(at) {
			return nil
		}
		if err := s.handleOne(r); err != nil {
			return fmt.Errorf("%s: %w", place(r), err)
		}
		s.mu.Lock()
		if p := s.parts[at]; p != nil {
			p.done = r.Offset + 1
		}
		s.mu.Unlock()
	}
	return nil
}

func (s *consumer) handleOne(r *Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(p)
		}
	}()
	return s.handler(s.life, r)
}

// keepAlive sends heartbeats, and now and then a commit, until it is stopped.
func (s *consumer) keepAlive() (stop func()) {
	ctx, cancel := context.WithCancel(s.life)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.beat)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			p, err := s.client.Heartbeat(ctx, s.group, s.join.Member, s.epoch, nil)
			if err == nil {
				s.revoke(p.Revoke)
				if time.Since(last) >= commitEvery {
					last = time.Now()
					err = s.commit(ctx)
				}
			}
			switch {
			case ctx.Err() != nil:
				return
			case lost(err):
				s.lose(err)
				return
			case err != nil:
				s.onError(fmt.Errorf("heartbeat %s: %w", s.group, err))
			}
		}
	}()
	return func() { cancel(); <-done }
}
