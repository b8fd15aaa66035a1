package group

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/topic"
)

// Restoring gathers what replays find of groups, of either kind.
type Restoring struct {
	set     *Set
	indexes *keys.Set
	shared  *share.Restoring
	ordered *ordered.Restoring
}

// Restore begins to bring groups back: the server's log, which is not open yet, finds rosters, Replay the rest; indexes get one for each compacted partition.
func (s *Set) Restore(groups []*catalog.Group, log *system.Log, indexes *keys.Set) *Restoring {
	return &Restoring{s, indexes, share.NewRestoring(groups), ordered.NewRestoring(groups, log)}
}

// Revive brings a restored group to life. The groups made before are at work already.
func (r *Restoring) Revive(def *catalog.Group) {
	s := r.set
	if def.Kind == catalog.KindOrdered {
		g := r.ordered.Group(s.streams, def)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ordered[def.Name] = g
		return
	}
	g := r.shared.Group(s.env, def)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared[def.Name] = g
}

// Replay restores what groups have on a topic's partitions; stray are journals that nobody owns any more.
func (r *Restoring) Replay(ctx context.Context, t *topic.Topic) (stray []commit.Unit, err error) {
	if err := t.Delayed.Replay(ctx); err != nil {
		return nil, err
	}
	for _, p := range t.Partitions {
		lost, err := r.replay(ctx, t, p)
		if err != nil {
			return nil, fmt.Errorf("replay %s/%d: %w", p.Topic, p.Index, err)
		}
		stray = append(stray, lost...)
	}
	return stray, nil
}

func (r *Restoring) replay(ctx context.Context, t *topic.Topic, p *partition.Partition) (stray []commit.Unit, err error) {
	shared, streams := r.shared.On(t, p), r.ordered.On(t, p)
	var ix *keys.Index
	if t.Def.Config.Cleanup == catalog.CleanupCompact {
		ix = r.indexes.Make(p)
	}
	journals, lost, err := t.Replay(ctx, p, func(name store.Journal) journal.Machine {
		if name == keys.Journal && ix != nil {
			return ix
		}
		if m := streams.Machine(name); m != nil {
			return m
		}
		return shared.Machine(name)
	})
	if err != nil {
		return nil, err
	}
	if ix != nil {
		ix.Recover(journals[keys.Journal])
	}
	for _, name := range lost {
		r.set.log.Debug("a journal of a group that is gone", "topic", p.Topic, "partition", p.Index, "journal", name)
		stray = append(stray, share.Stray(p, name))
	}
	return stray, errors.Join(shared.Done(ctx, journals), streams.Done(ctx, journals))
}
