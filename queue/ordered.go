package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/share"
)

// Names of the types of ordered groups that callers of the broker need.
type (
	JoinRequest    = ordered.JoinRequest
	Joined         = ordered.Joined
	PollRequest    = ordered.PollRequest
	PollAnswer     = ordered.Answer
	OwnedPartition = ordered.Owned
	Committed      = ordered.Committed
	Stretch        = ordered.Stretch

	AssignedPartition = ordered.Assigned
	TopicPartition    = ordered.Place
	FencedError       = ordered.FencedError
)

// Sentinels of ordered groups.
var (
	ErrMemberNotFound = ordered.ErrMemberNotFound
	ErrFenced         = ordered.ErrFenced
	ErrRebalancing    = ordered.ErrRebalancing
)

// NoOffset is the offset of an OwnedPartition that is read from where the group goes on.
const NoOffset = ordered.None

func (b *Broker) orderedEnv(shared *share.Env) *ordered.Env {
	return &ordered.Env{
		Committer: b.committer, System: b.system, Now: shared.Clock.Now, Time: shared.Clock.Time, Logger: b.log,
		Waiting: shared.Waiting, MaxWaiting: share.MaxWaiting, MaxBytes: b.cfg.Limits.MaxBytes, Stop: b.stop,
	}
}

// Join takes a member into an ordered group, or replaces the one of its name. Topics of the request are attached if they exist and are not yet; without the group, it
// and they are made with defaults, and created names them. Errors: ErrGroupNotFound, ErrKindMismatch, ErrTopicNotFound, ErrInvalidName, ErrInvalidRequest,
// ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) Join(ctx context.Context, name string, req JoinRequest) (j Joined, created []string, err error) {
	if err := b.Ready(); err != nil {
		return j, nil, err
	}
	if req.Session == 0 {
		req.Session = ordered.DefaultSession
	}
	if req.Member == "" {
		req.Member = "member-" + strings.ToLower(rand.Text()[:16])
	}
	if err := b.cfg.Limits.Join(req); err != nil {
		return j, nil, err
	}
	g, err := b.groups.Ordered(name)
	if err != nil || !g.Definition().Reads(req.Topics) {
		if created, err = b.definitions.GroupFor(ctx, name, catalog.KindOrdered, req.Topics); err != nil {
			return j, nil, err
		}
		if g, err = b.groups.Ordered(name); err != nil {
			return j, nil, err
		}
	}
	j, err = g.Join(ctx, req)
	return j, created, b.ofOrdered(name, err)
}

// Poll returns records of what a member of an ordered group holds, waiting as long as the request says. Errors: ErrGroupNotFound, ErrKindMismatch, ErrMemberNotFound,
// ErrFenced, ErrInvalidRequest, ErrCorrupt, ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) Poll(ctx context.Context, name string, req PollRequest) (PollAnswer, error) {
	if err := b.Ready(); err != nil {
		return PollAnswer{}, err
	}
	g, err := b.groups.Ordered(name)
	if err != nil {
		return PollAnswer{}, err
	}
	if err := b.cfg.Limits.Poll(req); err != nil {
		return PollAnswer{}, err
	}
	a, err := g.Poll(ctx, req)
	return a, b.ofOrdered(name, err)
}

// Heartbeat keeps a member's session and tells what it holds. owned says what it works on; nil changes nothing. Errors: as for Poll.
func (b *Broker) Heartbeat(ctx context.Context, name, member string, epoch int64, owned []OwnedPartition) (PollAnswer, error) {
	g, err := b.groups.Ordered(name)
	if err != nil {
		return PollAnswer{}, err
	}
	if err := b.cfg.Limits.Owned(owned); err != nil {
		return PollAnswer{}, err
	}
	a, err := g.Beat(ctx, member, epoch, owned)
	return a, b.ofOrdered(name, err)
}

// CommitOffsets commits offsets of a member's partitions, all or none. Errors: ErrGroupNotFound, ErrKindMismatch, ErrMemberNotFound, ErrFenced, *FencedError, *RangeError,
// ErrInvalidRequest, ErrUnknown.
func (b *Broker) CommitOffsets(ctx context.Context, name, member string, epoch int64, offsets []Committed) error {
	g, err := b.groups.Ordered(name)
	if err != nil {
		return err
	}
	if err := b.cfg.Limits.Offsets(offsets); err != nil {
		return err
	}
	return b.ofOrdered(name, g.Commit(ctx, member, epoch, offsets))
}

// Offsets returns what an ordered group has committed. Errors: ErrGroupNotFound, ErrKindMismatch, ErrUnknown.
func (b *Broker) Offsets(ctx context.Context, name string) ([]Committed, error) {
	g, err := b.groups.Ordered(name)
	if err != nil {
		return nil, err
	}
	out, err := g.Offsets(ctx)
	return out, b.ofOrdered(name, err)
}

// Leave takes a member out of an ordered group. Errors: ErrGroupNotFound, ErrKindMismatch, ErrMemberNotFound, ErrFenced, ErrUnknown.
func (b *Broker) Leave(ctx context.Context, name, member string, epoch int64) error {
	g, err := b.groups.Ordered(name)
	if err != nil {
		return err
	}
	return b.ofOrdered(name, g.Leave(ctx, member, epoch))
}

// ofOrdered turns errors of an ordered group into the broker's.
func (b *Broker) ofOrdered(name string, err error) error {
	var out *ordered.RangeError
	switch {
	case errors.As(err, &out):
		return fmt.Errorf("%w: %w", err, &RangeError{Start: out.Start, End: out.End})
	case errors.Is(err, ordered.ErrTooManyWaiting), errors.Is(err, ordered.ErrTooManyMembers):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, ordered.ErrClosed):
		return b.ofClosed(name, err)
	}
	return err
}
