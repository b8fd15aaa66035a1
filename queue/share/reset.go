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

// Reset moves start offsets: records from there on come afresh, running leases are lost, what is skipped counts as settled. Errors: ErrDying,
// store.ErrUnknown.
func (g *Group) Reset(ctx context.Context, moves []Move) error {
	g.buryDying() // what was given up keeps its dead letter
	g.mu.Lock()
	if slices.ContainsFunc(moves, g.losesLetters) {
		g.mu.Unlock()
		return fmt.Errorf("group %s: %w", g.name, ErrDying)
	}
	for _, m := range moves {
		w := g.byLog[m.Partition.ID]
		if w == nil {
			continue
		}
		g.inflight -= w.machine.Counts().Leased
		w.machine.Reset(lease.Offset(m.To))
		g.attempts.forget(w.part.ID)
		edit, _ := w.edit()
		unit := append(commit.Unit{edit}, g.closeLetters(place{w.part.ID, lease.Offset(m.To)})...)
		g.free(w, g.env.Committer.Enqueue(unit))
		g.lanes.add(w)
	}
	g.changed()
	g.serve()
	g.mu.Unlock()
	return g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
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
