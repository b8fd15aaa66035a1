package ordered

import (
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Committed is one committed offset: the next one to read.
type Committed struct {
	Place
	Offset   record.Offset
	Metadata string
}

// Commit takes offsets, all or none; a sign of life, too. Offsets may go back. Errors: ErrMemberNotFound, ErrFenced, *FencedError, *RangeError, ErrClosed,
// store.ErrUnknown, the context's.
func (g *Group) Commit(ctx context.Context, member string, epoch int64, offsets []Committed) error {
	g.mu.Lock()
	t, err := g.commit(member, epoch, offsets)
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.durable(ctx, t)
}

func (g *Group) commit(member string, epoch int64, offsets []Committed) (commit.Ticket, error) {
	err := g.closedError()
	if err == nil {
		err = g.ofMember(g.roster.Seen(g.env.Now(), member, epoch))
	}
	if err == nil {
		err = g.admit(member, epoch, offsets)
	}
	if err != nil {
		return commit.Ticket{}, err
	}
	var unit commit.Unit
	for _, o := range offsets {
		p := g.byPlace[o.Place]
		p.committed, p.metadata = o.Offset, o.Metadata
		unit = append(unit, commit.Part{Log: p.part.ID, Entries: p.entries(p.appendCommit(nil))})
		g.recount(p)
	}
	g.enqueue(unit)
	return g.last, nil
}

// enqueue journals what is to become durable together. Only of more logs than a unit takes (store.MaxUnitEdits) can a crash leave a part. The lock is held.
func (g *Group) enqueue(parts commit.Unit) {
	for unit := range slices.Chunk(parts, store.MaxUnitEdits) {
		g.last = g.env.Committer.Enqueue(unit)
	}
}

// admit refuses a commit that names what is not the member's, or is past an end; the lock is held.
func (g *Group) admit(member string, epoch int64, offsets []Committed) error {
	var failed []Place
	for _, o := range offsets {
		if p := g.byPlace[o.Place]; p == nil || !g.roster.Holds(member, epoch, p.log()) {
			failed = append(failed, o.Place)
		}
	}
	if len(failed) > 0 {
		return g.ofMember(&FencedError{member, failed})
	}
	for _, o := range offsets {
		if start, end := g.byPlace[o.Place].part.Bounds(); o.Offset > end {
			return g.ofMember(&RangeError{o.Place, o.Offset, start, end})
		}
	}
	return nil
}

// Offsets returns what is committed, in order of topics and partitions, once it is durable. Errors: ErrClosed, store.ErrUnknown, the context's.
func (g *Group) Offsets(ctx context.Context) ([]Committed, error) {
	g.mu.Lock()
	err := g.closedError()
	out := []Committed{}
	for _, p := range g.positions {
		if p.committed != none {
			out = append(out, Committed{p.place(), p.committed, p.metadata})
		}
	}
	t := g.last
	g.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return out, g.durable(ctx, t)
}

// Move is a reset of one partition.
type Move struct {
	Place
	From, To record.Offset
}

// Reset sets committed offsets, all or none. With members it is ErrRebalancing, unless fence throws them out, which happens together with it. target returns where a
// partition goes, or false for one that stays; it is called without the lock. With dry nothing changes. Errors: also ErrClosed, target's, store.ErrUnknown, the context's.
func (g *Group) Reset(ctx context.Context, fence, dry bool, target func(Progress) (record.Offset, bool, error)) ([]Move, error) {
	moves := []Move{}
	for _, p := range g.progress() {
		to, moved, err := target(p)
		if err != nil {
			return nil, err
		}
		if moved {
			moves = append(moves, Move{Place{p.Partition.Topic, p.Partition.Index}, p.Next, to})
		}
	}
	if dry {
		return moves, nil
	}
	g.mu.Lock()
	t, err := g.reset(fence, moves)
	g.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return moves, g.durable(ctx, t)
}

func (g *Group) reset(fence bool, moves []Move) (commit.Ticket, error) {
	if err := g.closedError(); err != nil {
		return commit.Ticket{}, err
	}
	if n := g.roster.Len(); n > 0 && !fence {
		return commit.Ticket{}, fmt.Errorf("group %s: %d members read: %w", g.name, n, ErrRebalancing)
	}
	var unit commit.Unit
	g.roster.Fence()
	if deltas := g.roster.TakeDeltas(); len(deltas) > 0 {
		unit = append(unit, g.journal.Part(deltas...))
	}
	for _, m := range moves {
		p := g.byPlace[m.Place]
		if p == nil { // detached meanwhile
			continue
		}
		p.committed, p.metadata = m.To, ""
		unit = append(unit, commit.Part{Log: p.part.ID, Entries: p.entries(p.appendCommit(nil))})
		g.recount(p)
	}
	g.enqueue(unit)
	g.changed()
	g.wakeAll()
	return g.last, nil
}
