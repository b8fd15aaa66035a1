package share

import (
	"context"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// NewParts returns the windows-to-be of a new attachment to a topic.
func NewParts(ctx context.Context, t *topic.Topic, a catalog.Attachment) ([]Part, error) {
	out := make([]Part, 0, len(t.Partitions))
	for _, p := range t.Partitions {
		start, err := topic.StartOf(ctx, p, a)
		if err != nil {
			return nil, err
		}
		out = append(out, Part{Partition: p, Epoch: a.Epoch, Start: start})
	}
	return out, nil
}

// Grown attaches the group to what a topic it reads has from partition n on, from the beginning.
func (g *Group) Grown(t *topic.Topic, n int) {
	def := g.Definition()
	a := def.Attachment(t.Def.ID)
	if a == nil {
		return
	}
	var parts []Part
	for _, p := range t.Partitions[n:] {
		parts = append(parts, Part{Partition: p, Epoch: a.Epoch})
	}
	g.Attach(def, parts)
}
