package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// ResetRequest moves a group's start offsets.
type ResetRequest struct {
	To        partition.Position
	Topics    []string // nil = all the group reads
	Partition *int     // nil = all
	DryRun    bool
	Force     bool // an ordered group's members are fenced
}

// ResetMove is what a reset does, or would do, to one partition.
type ResetMove struct {
	Topic     string
	Partition int
	From, To  record.Offset
}

// Reset moves a group; the turn of positions is held: retention must not let go of what it goes back to. Of a share group, records from there on are delivered afresh, running leases are lost, and going forward what is
// skipped counts as settled. Targets are clamped to what exists. Errors: catalog.ErrGroupNotFound, catalog.ErrTopicNotFound, topic.ErrPartitionNotFound, those of the kind's own Reset.
func (s *Set) Reset(ctx context.Context, name string, req ResetRequest) ([]ResetMove, error) {
	g, err := s.Share(name)
	if errors.Is(err, catalog.ErrKindMismatch) {
		return s.resetOrdered(ctx, name, req)
	} else if err != nil {
		return nil, err
	}
	if err := readsAll(g.Definition(), req.Topics); err != nil {
		return nil, err
	}
	var moves []share.Move
	out := []ResetMove{}
	for _, p := range g.Progress() {
		if !req.names(p.Partition) {
			continue
		}
		to, err := req.To.Clamped(ctx, p.Partition)
		if err != nil {
			return nil, err
		}
		moves = append(moves, share.Move{Partition: p.Partition, From: p.Start, To: to})
		out = append(out, ResetMove{Topic: p.Partition.Topic, Partition: p.Partition.Index, From: p.Start, To: to})
	}
	if req.Partition != nil && len(out) == 0 {
		return nil, fmt.Errorf("group %s reads no partition %d: %w", name, *req.Partition, topic.ErrPartitionNotFound)
	}
	if req.DryRun {
		return out, nil
	}
	return out, g.Reset(ctx, moves)
}

// resetOrdered is Reset for an ordered group.
func (s *Set) resetOrdered(ctx context.Context, name string, req ResetRequest) ([]ResetMove, error) {
	g, err := s.Ordered(name)
	if err != nil {
		return nil, err
	}
	if err := readsAll(g.Definition(), req.Topics); err != nil {
		return nil, err
	}
	if req.Partition != nil && !slices.ContainsFunc(g.Progress(ctx), func(p ordered.Progress) bool { return req.names(p.Partition) }) {
		return nil, fmt.Errorf("group %s reads no partition %d: %w", name, *req.Partition, topic.ErrPartitionNotFound)
	}
	moves, err := g.Reset(ctx, req.Force, req.DryRun, func(p ordered.Progress) (record.Offset, bool, error) {
		if !req.names(p.Partition) {
			return 0, false, nil
		}
		to, err := req.To.Clamped(ctx, p.Partition)
		return to, true, err
	})
	if err != nil {
		return nil, err
	}
	out := make([]ResetMove, len(moves))
	for i, m := range moves {
		out[i] = ResetMove{Topic: m.Topic, Partition: m.Partition, From: m.From, To: m.To}
	}
	return out, nil
}

// readsAll refuses topics that a group does not read.
func readsAll(def *catalog.Group, topics []string) error {
	attached := def.Names()
	for _, t := range topics {
		if !slices.Contains(attached, t) {
			return fmt.Errorf("group %s does not read topic %s: %w", def.Name, t, catalog.ErrTopicNotFound)
		}
	}
	return nil
}

// names tells whether a reset is about a partition.
func (req *ResetRequest) names(p *partition.Partition) bool {
	return (len(req.Topics) == 0 || slices.Contains(req.Topics, p.Topic)) && (req.Partition == nil || *req.Partition == p.Index)
}
