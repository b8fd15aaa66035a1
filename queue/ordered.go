package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
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

func (b *Broker) orderedEnv() *ordered.Env {
	return &ordered.Env{
		Committer: b.committer, System: b.system, Now: b.env.Clock.Now, Logger: b.log,
		Waiting: b.env.Waiting, MaxWaiting: share.MaxWaiting, MaxBytes: b.cfg.Limits.MaxBytes, Stop: b.stop,
	}
}

// applyOrdered stores an ordered group's definition with put and brings it to life, or to what the definition says now.
func (b *Broker) applyOrdered(ctx context.Context, name string, gone, added []catalog.Attachment, put func() (*catalog.Group, error)) error {
	var parts []ordered.Part
	for _, a := range added {
		t, err := b.topics.Get(a.Topic)
		if err != nil {
			return err
		}
		more, err := ordered.NewParts(ctx, t, a)
		if err != nil {
			return err
		}
		parts = append(parts, more...)
	}
	stored, err := put()
	if err != nil {
		return err
	}
	g, err := b.orderedGroup(name)
	if err != nil {
		b.mu.Lock()
		b.ordered[name] = ordered.NewGroup(b.streams, stored, parts, nil)
		b.mu.Unlock()
		return nil
	}
	g.Detach(stored, b.logsOf(gone), false)
	g.Configure(stored)
	g.Attach(stored, parts)
	return nil
}

// orderedGroup returns an ordered group. Errors: ErrGroupNotFound, ErrKindMismatch.
func (b *Broker) orderedGroup(name string) (*ordered.Group, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if g := b.ordered[name]; g != nil {
		return g, nil
	}
	if b.groups[name] != nil {
		return nil, fmt.Errorf("group %s is of kind share, and this is a call for ordered groups: %w", name, ErrKindMismatch)
	}
	return nil, fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
}

// orderedReaders returns the ordered groups that read a topic, by name.
func (b *Broker) orderedReaders(topicID uint64) []*ordered.Group {
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.ordered))
	b.mu.RUnlock()
	out := slices.DeleteFunc(all, func(g *ordered.Group) bool { return g.Definition().Attachment(topicID) == nil })
	slices.SortFunc(out, func(x, y *ordered.Group) int { return cmp.Compare(x.Definition().Name, y.Definition().Name) })
	return out
}

// detachOrdered takes a topic that is being deleted off an ordered group; the catalog's turn is held.
func (b *Broker) detachOrdered(ctx context.Context, g *ordered.Group, t *topic.Topic) error {
	def := *g.Definition()
	def.Topics = slices.DeleteFunc(slices.Clone(def.Topics), func(a catalog.Attachment) bool { return a.ID == t.Def.ID })
	stored, err := b.catalog.PutGroup(ctx, def)
	if err == nil {
		g.Detach(stored, t.Logs(), true)
	}
	return err
}

// orderedTopicGroups describes what ordered groups have still to read of a topic. They hold nothing back.
func (b *Broker) orderedTopicGroups(ctx context.Context, t *topic.Topic) []TopicGroup {
	var out []TopicGroup
	for _, g := range b.orderedReaders(t.Def.ID) {
		tg := TopicGroup{Group: g.Definition().Name, Kind: catalog.KindOrdered}
		for _, p := range g.Progress(ctx) {
			if p.Partition.Topic == t.Def.Name {
				tg.Lag += p.Lag
			}
		}
		out = append(out, tg)
	}
	return out
}

// orderedInfo describes an ordered group.
func (b *Broker) orderedInfo(ctx context.Context, name string) (GroupInfo, error) {
	g, err := b.orderedGroup(name)
	if err != nil {
		return GroupInfo{}, err
	}
	def := g.Definition()
	info := GroupInfo{
		Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt,
		Tag: def.Tag(), Partitions: []GroupPartition{}, Members: []GroupMember{}, Waiters: g.Waiters(),
	}
	for _, p := range g.Progress(ctx) {
		info.Partitions = append(info.Partitions, GroupPartition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Next, End: p.End, LogEnd: p.End, Lag: p.Lag, Available: p.Lag, Member: p.Member,
		})
		info.Totals.Lag += p.Lag
	}
	info.Totals.Available = info.Totals.Lag
	for _, m := range g.Members() {
		info.Members = append(info.Members, GroupMember{
			Member: m.Name, LastSeen: m.LastSeen, Epoch: m.Epoch, Topics: m.Topics, Session: m.Session, Assignment: m.Holds,
		})
	}
	return info, nil
}

// deleteOrdered deletes an ordered group with its offsets; the catalog's turn is held.
func (b *Broker) deleteOrdered(ctx context.Context, def *catalog.Group, force bool) error {
	g, err := b.orderedGroup(def.Name)
	if err != nil {
		return err
	}
	if n := g.Len(); n > 0 && !force {
		return fmt.Errorf("group %s: it has %d members; have them leave or use force: %w", def.Name, n, ErrGroupInUse)
	}
	if err := b.catalog.DeleteGroup(ctx, def); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.ordered, def.Name)
	b.mu.Unlock()
	g.Detach(def, b.logsOf(def.Topics), false)
	g.Delete()
	return b.durable(ctx)
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
	g, err := b.orderedGroup(name)
	if err != nil || !attachedTo(g.Definition(), req.Topics) {
		if created, err = b.groupFor(ctx, name, catalog.KindOrdered, req.Topics); err != nil {
			return j, nil, err
		}
		if g, err = b.orderedGroup(name); err != nil {
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
	g, err := b.orderedGroup(name)
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
	g, err := b.orderedGroup(name)
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
	g, err := b.orderedGroup(name)
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
	g, err := b.orderedGroup(name)
	if err != nil {
		return nil, err
	}
	out, err := g.Offsets(ctx)
	return out, b.ofOrdered(name, err)
}

// Leave takes a member out of an ordered group. Errors: ErrGroupNotFound, ErrKindMismatch, ErrMemberNotFound, ErrFenced, ErrUnknown.
func (b *Broker) Leave(ctx context.Context, name, member string, epoch int64) error {
	g, err := b.orderedGroup(name)
	if err != nil {
		return err
	}
	return b.ofOrdered(name, g.Leave(ctx, member, epoch))
}

// resetOrdered is Reset for an ordered group; the turn of positions is held.
func (b *Broker) resetOrdered(ctx context.Context, name string, req ResetRequest) ([]ResetMove, error) {
	g, err := b.orderedGroup(name)
	if err != nil {
		return nil, err
	}
	if err := readsAll(g.Definition(), req.Topics); err != nil {
		return nil, err
	}
	if req.Partition != nil && !slices.ContainsFunc(g.Progress(ctx), func(p ordered.Progress) bool { return req.names(p.Partition) }) {
		return nil, fmt.Errorf("group %s reads no partition %d: %w", name, *req.Partition, ErrPartitionNotFound)
	}
	moves, err := g.Reset(ctx, req.Force, req.DryRun, func(p ordered.Progress) (Offset, bool, error) {
		if !req.names(p.Partition) {
			return 0, false, nil
		}
		to, err := req.To.Clamped(ctx, p.Partition)
		return to, true, err
	})
	if err != nil {
		return nil, b.ofOrdered(name, err)
	}
	out := make([]ResetMove, len(moves))
	for i, m := range moves {
		out[i] = ResetMove{Topic: m.Topic, Partition: m.Partition, From: m.From, To: m.To}
	}
	return out, nil
}

// ofOrdered turns errors of an ordered group into the broker's.
func (b *Broker) ofOrdered(name string, err error) error {
	var out *ordered.RangeError
	switch {
	case errors.As(err, &out):
		return fmt.Errorf("%w: %w", err, &RangeError{out.Start, out.End})
	case errors.Is(err, ordered.ErrTooManyWaiting), errors.Is(err, ordered.ErrTooManyMembers):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, ordered.ErrClosed):
		if b.Ready() != nil {
			return fmt.Errorf("%w: %w", ErrShuttingDown, err)
		}
		return fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
	}
	return err
}
