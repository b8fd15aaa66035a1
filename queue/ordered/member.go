package ordered

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/record"
)

// Limits of a member's session.
const (
	DefaultSession = 30 * time.Second
	MinSession     = time.Second
	MaxSession     = time.Hour
)

// Heartbeat returns how often a member should be heard of that has a session of that length: ten times within it.
func Heartbeat(session time.Duration) time.Duration { return session / 10 }

// Assigned is one partition that a member reads, and where it is to go on: what is committed, else where the group begins.
type Assigned struct {
	Place
	Offset record.Offset
}

// JoinRequest is what a member asks for when it joins.
type JoinRequest struct {
	Member  string        // its name; the caller makes one for who has none
	Topics  []string      // empty: all that the group reads
	Session time.Duration // MinSession to MaxSession
}

// Joined is what a member gets.
type Joined struct {
	Member     string
	Epoch      int64
	Assignment []Assigned
	Heartbeat  time.Duration
}

// Join takes a member in, or replaces the one of its name, which is fenced: the new one keeps what the old one had. Errors: ErrTooManyMembers, ErrClosed,
// store.ErrUnknown, the context's.
func (g *Group) Join(ctx context.Context, req JoinRequest) (Joined, error) {
	g.mu.Lock()
	j, t, err := g.join(req)
	g.mu.Unlock()
	if err != nil {
		return Joined{}, err
	}
	return j, g.durable(ctx, t)
}

func (g *Group) join(req JoinRequest) (Joined, commit.Ticket, error) {
	if err := g.closedError(); err != nil {
		return Joined{}, commit.Ticket{}, err
	}
	var topics []uint64
	if len(req.Topics) > 0 {
		topics = []uint64{}
		for _, a := range g.def.Topics {
			if slices.Contains(req.Topics, a.Topic) {
				topics = append(topics, a.ID)
			}
		}
	}
	epoch, err := g.roster.Join(g.env.Now(), roster.Join{Member: req.Member, Topics: topics, Session: req.Session.Milliseconds()})
	if err != nil {
		return Joined{}, commit.Ticket{}, fmt.Errorf("group %s: %w", g.name, err)
	}
	g.changed()
	for c := range g.calls[req.Member] { // of the one that was replaced
		c.wake()
	}
	v, _ := g.roster.View(req.Member, epoch) // it has just joined
	return Joined{Member: req.Member, Epoch: epoch, Assignment: g.assigned(v.Keep), Heartbeat: Heartbeat(req.Session)}, g.last, nil
}

// assigned describes partitions; the lock is held.
func (g *Group) assigned(logs []roster.Log) []Assigned {
	out := make([]Assigned, 0, len(logs))
	for _, l := range logs {
		if p := g.byLog[l]; p != nil {
			out = append(out, Assigned{p.place(), p.next()})
		}
	}
	return out
}

// places names partitions; the lock is held.
func (g *Group) places(logs []roster.Log) []Place {
	out := make([]Place, 0, len(logs))
	for _, l := range logs {
		if p := g.byLog[l]; p != nil {
			out = append(out, p.place())
		}
	}
	return out
}

// Leave takes a member out, with epoch 0 whichever it has; what it had goes to the others at once. Errors: ErrMemberNotFound, ErrFenced, ErrClosed, store.ErrUnknown, the context's.
func (g *Group) Leave(ctx context.Context, member string, epoch int64) error {
	g.mu.Lock()
	err := g.closedError()
	if epoch == 0 {
		epoch = g.roster.Epoch(member)
	}
	if err == nil {
		err = g.ofMember(g.roster.Leave(member, epoch))
	}
	if err == nil {
		g.changed()
	}
	t := g.last
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.durable(ctx, t)
}

func (g *Group) ofMember(err error) error {
	if err != nil {
		return fmt.Errorf("group %s: %w", g.name, err)
	}
	return nil
}

// sort puts the positions in order: by attachment, then by partition. The lock is held.
func (g *Group) sort() {
	at := map[uint64]int{}
	for i, a := range g.def.Topics {
		at[a.ID] = i
	}
	slices.SortStableFunc(g.positions, func(a, b *position) int {
		return cmp.Or(cmp.Compare(at[a.topicID], at[b.topicID]), cmp.Compare(a.part.Index, b.part.Index))
	})
}
