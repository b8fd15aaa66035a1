package topic

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/dedupe"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Env is what all topics of a broker share.
type Env struct {
	Store      store.Store
	Cache      *partition.Cache
	Committer  *commit.Committer
	Logger     *slog.Logger
	Topics     *Set            // where a firing finds its topic as it is by then
	Background *sync.WaitGroup // of what runs until Ctx ends; waited for by whoever ends it
	Ctx        context.Context
	Wall       func() time.Time // the wall clock, which may jump; nil = time.Now
}

// Now returns what the wall clock says: the time of appends, due times and ids.
func (e *Env) Now() time.Time {
	if e.Wall != nil {
		return e.Wall()
	}
	return time.Now()
}

// background runs fn, whose name is what, until Ctx ends.
func (e *Env) background(what string, fn func()) {
	e.Background.Go(func() {
		e.Committer.Turn(what)
		fn()
	})
}

// Durable waits for everything enqueued so far. Errors: the commit's that failed, the context's.
func (e *Env) Durable(ctx context.Context) error {
	return e.Committer.Wait(ctx, e.Committer.Last())
}

// Topic is an open topic; it is replaced as a whole when its definition changes.
type Topic struct {
	Def        *catalog.Topic
	Partitions []*partition.Partition   // by index
	Lanes      [][]*partition.Partition // by priority
	Published  *Counters
	Backlog    *partition.Backlog
	Delayed    *Delayed

	ends *partition.Ends
	turn *atomic.Uint64 // spreads records without key
	ids  *dedupe.Table
}

// Counters count records and bytes of keys and values published since the process started, those not due yet aside.
type Counters struct{ Records, Bytes atomic.Uint64 }

// delayedIndex stands for the partition of delayed records in errors and logs.
const delayedIndex = -1

// Open opens the partitions that old, which may be nil, does not have. replay says that the caller calls Replay. Errors: the store's.
func Open(ctx context.Context, env *Env, def *catalog.Topic, old *Topic, replay bool) (*Topic, error) {
	t := &Topic{Def: def, Lanes: make([][]*partition.Partition, def.Config.Priorities), turn: new(atomic.Uint64), Published: new(Counters), ids: new(dedupe.Table), ends: new(partition.Ends), Backlog: partition.NewBacklog()}
	if old != nil {
		t.Partitions, t.turn, t.Published, t.ids, t.ends, t.Backlog = slices.Clone(old.Partitions), old.turn, old.Published, old.ids, old.ends, old.Backlog
		t.Delayed = old.Delayed
	}
	if t.Delayed == nil {
		p, err := partition.Open(ctx, env.Store, env.Cache, def.Delayed, def.Name, delayedIndex, 0)
		if err != nil {
			return nil, err
		}
		t.Delayed = newDelayed(env, p, def.ID)
		if !replay {
			if err := p.Recover(ctx, nil); err != nil {
				return nil, err
			}
		}
	}
	opened := len(t.Partitions)
	for i := opened; i < len(def.Partitions); i++ {
		p, err := partition.Open(ctx, env.Store, env.Cache, def.Partitions[i].Log, def.Name, i, def.Partitions[i].Lane)
		if err != nil {
			return nil, err
		}
		if !replay {
			if err := p.Recover(ctx, nil); err != nil {
				return nil, err
			}
		}
		t.Partitions = append(t.Partitions, p)
	}
	for _, p := range t.Partitions[opened:] { // now that all could be opened
		p.Join(t.Backlog, t.ends)
	}
	for _, p := range t.Partitions {
		t.Lanes[p.Lane] = append(t.Lanes[p.Lane], p)
	}
	return t, nil
}

// Replay restores what the topic itself has on one of its partitions; machine is asked for all other journals, as journal.Replay asks.
func (t *Topic) Replay(ctx context.Context, p *partition.Partition, machine func(store.Journal) journal.Machine) (journals map[store.Journal]*journal.Journal, stray []store.Journal, err error) {
	journals, stray, err = journal.Replay(ctx, p.Log(), func(name store.Journal) journal.Machine {
		switch name {
		case partition.SizeJournal:
			return p.Sizes()
		case partition.GapsJournal:
			return p.Gaps()
		}
		if m := t.ids.Replay(name, p.Index); m != nil {
			return m
		}
		return machine(name)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, j := range journals {
		t.ids.Recover(p.ID, j)
	}
	p.RecoverGaps(journals[partition.GapsJournal])
	return journals, stray, p.Recover(ctx, journals[partition.SizeJournal])
}

// Logs returns the ids of the partitions' logs.
func (t *Topic) Logs() []store.LogID {
	ids := make([]store.LogID, len(t.Partitions))
	for i, p := range t.Partitions {
		ids[i] = p.ID
	}
	return ids
}

// Close refuses records from now on; delayed ones are not appended any more.
func (t *Topic) Close() {
	for _, p := range t.Partitions {
		p.Close()
	}
	t.Delayed.Close()
}

// Drop gives the space of a deleted topic back. It blocks. Errors: the commit's.
func (t *Topic) Drop(ctx context.Context, c *commit.Committer) error {
	for _, p := range append(slices.Clone(t.Partitions), t.Delayed.part) {
		if err := c.Wait(ctx, p.Drop(c)); err != nil {
			return err
		}
	}
	return nil
}

// Partition returns one partition, or ErrPartitionNotFound.
func (t *Topic) Partition(index int) (*partition.Partition, error) {
	if index < 0 || index >= len(t.Partitions) {
		return nil, fmt.Errorf("partition %d: topic %s has %d: %w", index, t.Def.Name, len(t.Partitions), ErrPartitionNotFound)
	}
	return t.Partitions[index], nil
}

// Admits refuses a message that the topic does not take. Errors: ErrPartitionNotFound, ErrInvalidRequest, *Violation.
func (t *Topic) Admits(m *Message) error {
	var sticky []*partition.Partition
	if _, err := t.choose(m, &sticky); err != nil {
		return err
	}
	return t.CheckValues([]Message{*m})
}

// choose returns a message's partition.
func (t *Topic) choose(m *Message, sticky *[]*partition.Partition) (*partition.Partition, error) {
	if m.Partition != nil {
		return t.Partition(*m.Partition)
	}
	lane := 0
	if m.Priority != nil {
		lane = *m.Priority
	}
	if lane < 0 || lane >= len(t.Lanes) {
		return nil, fmt.Errorf("%w: priority %d: topic %s has priorities 0 to %d", ErrInvalidRequest, lane, t.Def.Name, len(t.Lanes)-1)
	}
	parts := t.Lanes[lane]
	if m.Key != nil {
		return parts[record.PartitionFor(m.Key, len(parts))], nil
	}
	if m.ID != "" { // a repeat goes the same way
		return parts[record.PartitionFor([]byte(m.ID), len(parts))], nil
	}
	if *sticky == nil {
		*sticky = make([]*partition.Partition, len(t.Lanes))
	}
	if (*sticky)[lane] == nil {
		(*sticky)[lane] = parts[t.turn.Add(1)%uint64(len(parts))]
	}
	return (*sticky)[lane], nil
}
