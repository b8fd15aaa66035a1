package group

import (
	"context"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// worker is a group at work, of either kind; P is what it has of a partition.
type worker[P any] interface {
	Definition() *catalog.Group
	Configure(def *catalog.Group)
	Attach(def *catalog.Group, parts []P)
	Detach(def *catalog.Group, logs []store.LogID, dropped bool)
}

// kind is what the set does for groups of one kind as for those of the other.
type kind[P any, G worker[P]] struct {
	set     *Set
	all     map[string]G // by name; guarded by set.mu
	newPart func(p *partition.Partition, a catalog.Attachment, start record.Offset) P
	start   func(def *catalog.Group, parts []P) G // brings a new group to life
}

func (s *Set) shareKind() kind[share.Part, *share.Group] {
	return kind[share.Part, *share.Group]{s, s.shared, share.NewPart, func(def *catalog.Group, parts []share.Part) *share.Group {
		return share.NewGroup(s.env, def, parts, nil, nil)
	}}
}

func (s *Set) orderedKind() kind[ordered.Part, *ordered.Group] {
	return kind[ordered.Part, *ordered.Group]{s, s.ordered, ordered.NewPart, func(def *catalog.Group, parts []ordered.Part) *ordered.Group {
		return ordered.NewGroup(s.streams, def, parts, nil)
	}}
}

// apply stores a definition whose attachments have changed so, and has its group follow.
func (k kind[P, G]) apply(ctx context.Context, def catalog.Group, gone, added []catalog.Attachment) error {
	parts, err := k.parts(ctx, added)
	if err != nil {
		return err
	}
	stored, err := k.set.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	k.set.mu.RLock()
	g, there := k.all[def.Name]
	k.set.mu.RUnlock()
	if !there {
		g = k.start(stored, parts)
		k.set.mu.Lock()
		k.all[def.Name] = g
		k.set.mu.Unlock()
		return nil
	}
	g.Detach(stored, k.set.logsOf(gone), false)
	g.Configure(stored)
	g.Attach(stored, parts)
	return nil
}

// parts returns what new attachments have of their topics' partitions.
func (k kind[P, G]) parts(ctx context.Context, added []catalog.Attachment) (parts []P, err error) {
	for _, a := range added {
		t, err := k.set.topics.Get(a.Topic)
		if err != nil {
			return nil, err
		}
		for _, p := range t.Partitions {
			start, err := topic.StartOf(ctx, p, a)
			if err != nil {
				return nil, err
			}
			parts = append(parts, k.newPart(p, a, start))
		}
	}
	return parts, nil
}

// grown attaches a group to what a topic that it reads has from partition n on, from the beginning.
func (k kind[P, G]) grown(g G, t *topic.Topic, n int) {
	def := g.Definition()
	a := def.Attachment(t.Def.ID)
	if a == nil {
		return
	}
	var parts []P
	for _, p := range t.Partitions[n:] {
		parts = append(parts, k.newPart(p, *a, 0))
	}
	g.Attach(def, parts)
}

// detach takes a topic that is being deleted off a group. Errors: the catalog's.
func (k kind[P, G]) detach(ctx context.Context, g G, t *topic.Topic) error {
	def := *g.Definition()
	def.Topics = slices.DeleteFunc(slices.Clone(def.Topics), func(a catalog.Attachment) bool { return a.ID == t.Def.ID })
	stored, err := k.set.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	g.Detach(stored, t.Logs(), true)
	return nil
}
