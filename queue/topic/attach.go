package topic

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Attachments changes a definition to a list of topics and returns which attachments go and which are new. Topics that stay keep theirs.
func Attachments(def *catalog.Group, topics []*Topic) (gone, added []catalog.Attachment) {
	old := def.Topics
	def.Topics = nil
	for _, t := range topics {
		i := slices.IndexFunc(old, func(a catalog.Attachment) bool { return a.ID == t.Def.ID })
		if i >= 0 {
			def.Topics = append(def.Topics, old[i])
			continue
		}
		a := catalog.Attachment{Topic: t.Def.Name, ID: t.Def.ID, Epoch: epoch(def.Attached), Start: def.Config.Start, Parts: len(t.Partitions)}
		def.Attached++
		def.Topics = append(def.Topics, a)
		added = append(added, a)
	}
	for _, a := range old {
		if !slices.ContainsFunc(def.Topics, func(b catalog.Attachment) bool { return a.ID == b.ID }) {
			gone = append(gone, a)
		}
	}
	return gone, added
}

// epoch returns the first epoch of the nth attachment's windows: resets raise it from there, and never reach the next one's.
func epoch(nth uint32) uint32 { return nth << 16 }

// InOrder compares partitions of topics that a group reads, by when their topics were attached.
func InOrder(def *catalog.Group, a, b *partition.Partition) int {
	rank := func(p *partition.Partition) int {
		return slices.IndexFunc(def.Topics, func(at catalog.Attachment) bool { return at.Topic == p.Topic })
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Index, b.Index))
}

// StartOf returns where an attachment begins on a partition. Errors: store.ErrCorrupt, the store's.
func StartOf(ctx context.Context, p *partition.Partition, a catalog.Attachment) (record.Offset, error) {
	if p.Index >= a.Parts { // added later
		start, _ := p.Bounds()
		return start, nil
	}
	return StartAt(ctx, p, a.Start)
}

// StartAt returns the offset that a group's start stands for on a partition. Errors: store.ErrCorrupt, the store's.
func StartAt(ctx context.Context, p *partition.Partition, text string) (record.Offset, error) {
	start, end := p.Bounds()
	at, err := catalog.ParseStart(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("start %q: %w", text, store.ErrCorrupt)
	case at.Latest:
		return end, nil
	case !at.At.IsZero():
		return p.OffsetForTime(ctx, at.At)
	default:
		return start, nil
	}
}
