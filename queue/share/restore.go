package share

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// Restoring gathers what the replay of partitions finds of share groups: windows, letters, remembered answers.
type Restoring struct {
	groups  []*catalog.Group
	parts   map[uint64][]Part // by the group's id, as the others
	letters map[uint64][]*Letters
	answers map[uint64][]*Answers
}

// NewRestoring returns one that knows which groups there are.
func NewRestoring(groups []*catalog.Group) *Restoring {
	return &Restoring{groups, map[uint64][]Part{}, map[uint64][]*Letters{}, map[uint64][]*Answers{}}
}

// OnPartition is what Restoring finds on one partition: Machine is called by the replay, Done after it.
type OnPartition struct {
	r        *Restoring
	topicID  uint64
	part     *partition.Partition
	machines map[store.Journal]journal.Machine
}

// On begins with a partition of a topic.
func (r *Restoring) On(t *topic.Topic, p *partition.Partition) *OnPartition {
	return &OnPartition{r, t.Def.ID, p, map[store.Journal]journal.Machine{}}
}

// Machine returns the machine of a group's journal, always the same for a name; nil if the journal is no living group's.
func (o *OnPartition) Machine(name store.Journal) journal.Machine {
	if o.machines[name] == nil {
		if m := o.machine(name); m != nil {
			o.machines[name] = m
		}
	}
	return o.machines[name]
}

func (o *OnPartition) machine(name store.Journal) journal.Machine {
	_, id, _ := strings.Cut(string(name), "/")
	for _, g := range o.r.groups {
		if id != strconv.FormatUint(g.ID, 10) {
			continue
		}
		a := g.Attachment(o.topicID)
		switch {
		case name == LettersName(g.ID):
			return NewLetters(o.part)
		case a != nil && name == JournalName(g.ID):
			return NewRestored(MachineConfig(g), a.Epoch)
		case a != nil && name == AnswersName(g.ID):
			return NewAnswers(o.part.ID)
		}
	}
	return nil
}

// Done takes what was replayed. Errors: the log's, store.ErrCorrupt.
func (o *OnPartition) Done(ctx context.Context, journals map[store.Journal]*journal.Journal) error {
	for _, g := range o.r.groups {
		if j := journals[LettersName(g.ID)]; j != nil {
			l := o.machines[j.Name()].(*Letters)
			l.Recover(j)
			o.r.letters[g.ID] = append(o.r.letters[g.ID], l)
		}
		if j := journals[AnswersName(g.ID)]; j != nil {
			a := o.machines[j.Name()].(*Answers)
			if err := a.Recover(j); err != nil {
				return err
			}
			o.r.answers[g.ID] = append(o.r.answers[g.ID], a)
		}
		a := g.Attachment(o.topicID)
		if a == nil {
			continue
		}
		part := Part{Partition: o.part, Epoch: a.Epoch}
		if j := journals[JournalName(g.ID)]; j != nil {
			part.Restored, part.Journal = o.machines[j.Name()].(*Restored), j
		} else { // made just before a crash
			start, err := topic.StartOf(ctx, o.part, *a)
			if err != nil {
				return err
			}
			part.Start = start
		}
		o.r.parts[g.ID] = append(o.r.parts[g.ID], part)
	}
	return nil
}

// Group brings a restored group to life; the committer runs by now.
func (r *Restoring) Group(env *Env, def *catalog.Group) *Group {
	parts := r.parts[def.ID]
	slices.SortFunc(parts, func(x, y Part) int { return topic.InOrder(def, x.Partition, y.Partition) })
	return NewGroup(env, def, parts, r.letters[def.ID], r.answers[def.ID])
}

// Stray returns the unit that forgets a journal which nobody owns any more: of a group that was deleted or detached just before a crash.
func Stray(p *partition.Partition, name store.Journal) commit.Unit {
	return commit.Unit{Forget(p.ID, name)}
}
