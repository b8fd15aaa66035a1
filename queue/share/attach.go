package share

import (
	"context"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// Attachments changes a definition to a list of topics and returns which attachments go and which are new. Topics that stay keep theirs.
func Attachments(def *catalog.Group, topics []*topic.Topic) (gone, added []catalog.Attachment) {
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

// NewParts returns the windows-to-be of a new attachment to a topic.
func NewParts(ctx context.Context, t *topic.Topic, a catalog.Attachment) ([]Part, error) {
	out := make([]Part, 0, len(t.Partitions))
	for _, p := range t.Partitions {
		start, err := StartOf(ctx, p, a)
		if err != nil {
			return nil, err
		}
		out = append(out, Part{Partition: p, Epoch: a.Epoch, Start: start})
	}
	return out, nil
}

// StartOf returns where an attachment begins on a partition.
func StartOf(ctx context.Context, p *partition.Partition, a catalog.Attachment) (record.Offset, error) {
	start, end := p.Bounds()
	at, err := catalog.ParseStart(a.Start)
	switch {
	case err != nil:
		return 0, fmt.Errorf("start %q: %w", a.Start, store.ErrCorrupt)
	case p.Index >= a.Parts: // added later
		return start, nil
	case at.Latest:
		return end, nil
	case !at.At.IsZero():
		return p.OffsetForTime(ctx, at.At)
	default:
		return start, nil
	}
}

// Grown attaches the group to what a topic it reads has from partition n on, from the beginning.
func (g *Group) Grown(t *topic.Topic, n int) {
	def := g.Definition()
	var parts []Part
	for _, a := range def.Topics {
		if a.ID == t.Def.ID {
			for _, p := range t.Partitions[n:] {
				parts = append(parts, Part{Partition: p, Epoch: a.Epoch})
			}
		}
	}
	g.Attach(def, parts)
}
