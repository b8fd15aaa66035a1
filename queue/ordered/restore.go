package ordered

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/topic"
)

// Restoring gathers what replays find of ordered groups: rosters on the server's log, committed offsets on partitions.
type Restoring struct {
	groups  []*catalog.Group
	rosters map[uint64]*Members // by the group's id
	parts   map[uint64][]Part   // likewise
}

// NewRestoring returns one that knows which groups there are, and has the server's log keep their rosters.
func NewRestoring(groups []*catalog.Group, log *system.Log) *Restoring {
	r := &Restoring{rosters: map[uint64]*Members{}, parts: map[uint64][]Part{}}
	for _, g := range groups {
		if g.Kind == catalog.KindOrdered {
			r.groups = append(r.groups, g)
		}
	}
	log.KeepEach(RosterPrefix, func(j *system.Journal) system.Machine {
		id, err := strconv.ParseUint(strings.TrimPrefix(string(j.Name()), string(RosterPrefix)), 10, 64)
		if err != nil || !slices.ContainsFunc(r.groups, func(g *catalog.Group) bool { return g.ID == id }) {
			return nil
		}
		r.rosters[id] = NewMembers(j)
		return r.rosters[id]
	})
	return r
}

// OnPartition is what Restoring finds on one partition: Machine is called by the replay, Done after it.
type OnPartition struct {
	r       *Restoring
	topicID uint64
	part    *partition.Partition
	offsets map[store.Journal]*Offset
}

// On begins with a partition of a topic.
func (r *Restoring) On(t *topic.Topic, p *partition.Partition) *OnPartition {
	return &OnPartition{r, t.Def.ID, p, map[store.Journal]*Offset{}}
}

// Machine returns the machine of a group's journal, always the same for a name; nil if the journal is no living group's.
func (o *OnPartition) Machine(name store.Journal) journal.Machine {
	if m := o.offsets[name]; m != nil {
		return m
	}
	for _, g := range o.r.groups {
		if name == JournalName(g.ID) && g.Attachment(o.topicID) != nil {
			o.offsets[name] = NewOffset()
			return o.offsets[name]
		}
	}
	return nil
}

// Done takes what was replayed. Errors: the log's, store.ErrCorrupt.
func (o *OnPartition) Done(ctx context.Context, journals map[store.Journal]*journal.Journal) error {
	for _, g := range o.r.groups {
		a := g.Attachment(o.topicID)
		if a == nil {
			continue
		}
		start, err := topic.StartOf(ctx, o.part, *a) // for one that was made just before a crash
		if err != nil {
			return err
		}
		part := Part{Partition: o.part, TopicID: a.ID, Epoch: a.Epoch, Start: start}
		if j := journals[JournalName(g.ID)]; j != nil {
			part.Restored, part.Journal = o.offsets[j.Name()], j
		}
		o.r.parts[g.ID] = append(o.r.parts[g.ID], part)
	}
	return nil
}

// Group brings a restored group to life; the committer runs by now.
func (r *Restoring) Group(env *Env, def *catalog.Group) *Group {
	parts := r.parts[def.ID]
	slices.SortFunc(parts, func(x, y Part) int { return topic.InOrder(def, x.Partition, y.Partition) })
	return NewGroup(env, def, parts, r.rosters[def.ID])
}
