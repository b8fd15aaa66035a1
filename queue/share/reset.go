package share

import (
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Move is a reset of one partition.
type Move struct {
	Partition *partition.Partition
	From, To  record.Offset
}

// Reset moves start offsets: records from there on come afresh, running leases are lost, what is skipped counts as settled. Errors: ErrDying (some may be moved
// by then), store.ErrUnknown.
func (g *Group) Reset(ctx context.Context, moves []Move) error {
	g.buryKilled(ctx, g.losing(moves)) // what was given up keeps its dead letter
	if err := g.reset(moves); err != nil {
		return err
	}
	return g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

// reset resets one window after the other.
func (g *Group) reset(moves []Move) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.ContainsFunc(moves, g.losesLetters) {
		return fmt.Errorf("group %s: %w", g.name, ErrDying)
	}
	for _, m := range moves {
		if g.losesLetters(m) { // since the lock was given back
			return fmt.Errorf("group %s: %w", g.name, ErrDying)
		}
		if w := g.byLog[m.Partition.ID]; w != nil {
			g.resetOne(w, lease.Offset(m.To))
		}
		g.serve()
		g.letIn()
	}
	return nil
}

// resetOne resets a window and closes letters in one unit; the lock is held.
func (g *Group) resetOne(w *window, to lease.Offset) {
	w.machine.Reset(to)
	g.attempts.forget(w.part.ID)
	edit, _ := g.edit(w)
	g.thinned(w)
	unit := append(commit.Unit{edit}, g.closeLetters(place{w.part.ID, to})...)
	g.free(w, g.env.Committer.Enqueue(unit))
	g.lanes.add(w)
}

// maxLosing is how many dying records of a partition one reset waits for.
const maxLosing = 100_000

// losing lists the records that a reset would settle while their dead letters are not written.
func (g *Group) losing(moves []Move) (dying []expiry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range moves {
		if !g.losesLetters(m) {
			continue
		}
		w := g.byLog[m.Partition.ID]
		for _, d := range w.machine.Dying(nil, maxLosing) {
			if record.Offset(d.Offset) < m.To {
				dying = append(dying, expiry{w, d.Offset})
			}
		}
	}
	return dying
}

// losesLetters tells whether a reset would settle a record whose dead letter is not written; the lock is held.
func (g *Group) losesLetters(m Move) bool {
	w := g.byLog[m.Partition.ID]
	if w == nil || w.machine.Counts().Dying == 0 {
		return false
	}
	first := w.machine.Dying(nil, 1) // in order of offset
	return len(first) > 0 && record.Offset(first[0].Offset) < m.To
}
