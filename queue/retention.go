package queue

import (
	"context"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/retain"
)

// DefaultRetainEvery is how often retention looks at the topics.
const DefaultRetainEvery = retain.Every

// retention is the broker as retention sees it; it implements retain.Host.
type retention struct{ b *Broker }

// startRetention applies retention and compaction until the broker closes. What takes records from the front never waits for what rewrites.
func (b *Broker) startRetention() {
	k := retain.New(retain.Config{Host: retention{b}, Committer: b.committer, Logger: b.log, Every: b.cfg.RetainEvery, Now: b.openings.Now})
	b.background.Go(func() { k.Trim(b.ctx) })
	b.background.Go(func() { k.Thin(b.ctx) })
}

func (r retention) Names() []string {
	var out []string
	for _, def := range r.b.catalog.Topics("", catalog.Everything) {
		out = append(out, def.Name)
	}
	return out
}

func (r retention) Retained(name string) (retain.Topic, bool) {
	t, err := r.b.topics.Get(name)
	if err != nil {
		return retain.Topic{}, false
	}
	out := retain.Topic{
		Config: t.Def.Config, Partitions: t.Partitions,
		Index: func(p *partition.Partition) *keys.Index { return r.b.indexes.Of(p) },
	}
	if t.Delayed != nil {
		out.Delayed = t.Delayed
	}
	out.Readers = func() (all []retain.Reader) {
		for _, g := range r.b.groups.Readers(t.Def.ID) {
			all = append(all, g)
		}
		return all
	}
	out.Followers = func() (all []retain.Follower) {
		for _, g := range r.b.groups.OrderedReaders(t.Def.ID) {
			all = append(all, g)
		}
		return all
	}
	out.Holders = func() (all []retain.Holder) {
		for _, g := range r.b.groups.Shares() {
			all = append(all, g)
		}
		return all
	}
	return out, true
}

func (r retention) Edited() (all []retain.Kept) {
	for _, g := range r.b.groups.Shares() {
		if e := g.Edits(r.b.ctx); e != nil {
			all = append(all, e)
		}
	}
	return all
}

func (r retention) TakeTurn(ctx context.Context) (give func(), err error) {
	return r.b.definitions.TakePositions(ctx)
}

func (r retention) Low() bool { return r.b.store.Health().Low }
