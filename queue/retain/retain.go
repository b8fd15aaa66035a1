package retain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Every is how often retention looks at the topics; at their bytes it looks often times as often, because they can grow by the disk's speed.
const Every = 10 * time.Second

const often = 10

// TombstoneAge is how long the newest record of a key stays in a compacted topic after its append, if it is a tombstone.
const TombstoneAge = 24 * time.Hour

// Reader is a group that reads a topic.
type Reader interface {
	// Needs returns the first offset that the group has not settled; false if it holds nothing back.
	Needs(p *partition.Partition) (record.Offset, bool)
	// Unsettled appends what the group has not settled of [from, to), if it holds records back, as at most limit ranges in order; at the limit everything behind counts.
	Unsettled(p *partition.Partition, from, to record.Offset, limit int, dst []lease.Range) []lease.Range
	// Trimmed tells that the partition begins later now.
	Trimmed(p *partition.Partition)
	// Lost tells that records of [from, to) are gone, but those that stays names.
	Lost(p *partition.Partition, from, to record.Offset, stays func(record.Offset) bool)
}

// Follower counts what it has still to read of a topic.
type Follower interface {
	// Thinned tells that records of the partition are gone.
	Thinned(p *partition.Partition)
}

// Holder has dead letters in partitions.
type Holder interface {
	// OpenLettersOn returns the offsets of those that have to stay, in order.
	OpenLettersOn(p *partition.Partition) []record.Offset
	// LettersTrimmed tells that the partition begins later now.
	LettersTrimmed(p *partition.Partition)
}

// Topic is a topic as it is at a moment.
type Topic struct {
	Config     catalog.TopicConfig
	Partitions []*partition.Partition
	Readers    func() []Reader // as of now: asked for with the turn held
	Followers  func() []Follower
	Holders    func() []Holder
	Index      func(*partition.Partition) *keys.Index // of a compacted topic; nil if it is not there
	Delayed    Kept                                   // nil = none
}

// thinned tells who counts what there is to read.
func (t *Topic) thinned(p *partition.Partition) {
	for _, f := range t.Followers() {
		f.Thinned(p)
	}
}

// Host is the broker.
type Host interface {
	// Names returns the names of all topics.
	Names() []string
	// Retained returns a topic; false if it is gone.
	Retained(name string) (Topic, bool)
	// Edited returns the logs of records that groups edited when they redrove them.
	Edited() []Kept
	// TakeTurn waits until nobody else moves starts of logs and groups; nobody does until give is called.
	TakeTurn(ctx context.Context) (give func(), err error)
	// Low tells that free space is short: nothing is rewritten.
	Low() bool
}

// Config sets a Keeper up.
type Config struct {
	Host      Host
	Committer *commit.Committer
	Logger    *slog.Logger
	Every     time.Duration    // 0 = Every
	Now       func() time.Time // the wall clock; nil = time.Now
}

// Keeper applies retention and compaction to all topics.
type Keeper struct {
	Config
	paces map[store.LogID]*pace // of the rewriting, which is one goroutine's
	turn  int                   // of it
}

// pace keeps the rewriting of a partition to a tenth of the time.
type pace struct {
	turn  int       // the last one that came to it
	rest  time.Time // not before
	print uint64    // of what the last turn found: the same again finds nothing more
	last  time.Time // the last compaction
}

// New returns a keeper at rest.
func New(c Config) *Keeper {
	if c.Every == 0 {
		c.Every = Every
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Keeper{Config: c, paces: map[store.LogID]*pace{}}
}

// Trim lets go of what is over from the front of all partitions, turn by turn until ctx ends.
func (k *Keeper) Trim(ctx context.Context) {
	turn := 0
	k.turns(ctx, k.Every/often, func() { turn++ }, func(ctx context.Context, t *Topic, p *partition.Partition) error {
		return k.trim(ctx, t, p, turn%often == 0)
	}, false, "retention cannot go on with a partition")
}

// Thin lets go of what is over from the middle of all partitions and logs of delayed and edited records, and compacts, turn by turn until ctx ends.
func (k *Keeper) Thin(ctx context.Context) {
	k.turns(ctx, k.Every, k.nextTurn, k.thin, true, "a partition cannot be rewritten")
}

// nextTurn forgets the partitions that the last turn did not come to: they are gone.
func (k *Keeper) nextTurn() {
	for id, pc := range k.paces {
		if pc.turn < k.turn {
			delete(k.paces, id)
		}
	}
	k.turn++
}

func (k *Keeper) turns(ctx context.Context, every time.Duration, begin func(), step func(context.Context, *Topic, *partition.Partition) error, delayed bool, problem string) {
	tick := time.NewTicker(max(1, every))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		k.Committer.Turn(problem)
		begin()
		for _, name := range k.Host.Names() {
			t, ok := k.Host.Retained(name)
			if !ok {
				continue
			}
			for _, p := range t.Partitions {
				k.tell(problem, p, step(ctx, &t, p))
				if ctx.Err() != nil {
					return
				}
			}
			if p := t.delayed(); delayed && p != nil {
				k.tell(problem, p, step(ctx, &t, p))
			}
		}
		if delayed {
			k.thinEdited(ctx, problem)
		}
	}
}

func (k *Keeper) thinEdited(ctx context.Context, problem string) {
	for _, e := range k.Host.Edited() {
		if ctx.Err() != nil {
			return
		}
		k.Committer.Turn("thin")
		k.tell(problem, e.Partition(), k.paced(e.Partition(), func(pc *pace) error { return k.hollowKept(ctx, e, pc) }))
	}
}

// tell logs the error of a step.
func (k *Keeper) tell(problem string, p *partition.Partition, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		k.Logger.Error(problem, "topic", p.Topic, "partition", p.Index, "error", err)
	}
}

// over returns the offset below which records are over bytes or, if that is asked for, age.
func (k *Keeper) over(ctx context.Context, t *Topic, p *partition.Partition, age bool) (record.Offset, error) {
	r := t.Config.Retention
	to, end := p.Bounds()
	if t.Config.Cleanup == catalog.CleanupCompact {
		return to, nil // what is over goes one by one
	}
	if r.Age > 0 && age {
		at, err := p.OffsetForTime(ctx, k.Now().Add(-r.Age))
		if err != nil {
			return 0, err
		}
		to = max(to, at)
	}
	if r.Bytes > 0 {
		to = max(to, p.OffsetForBytes(r.Bytes))
	}
	return min(to, end), nil
}

// trim moves a partition's start up to the first record that has to stay.
func (k *Keeper) trim(ctx context.Context, t *Topic, p *partition.Partition, age bool) error {
	k.Committer.Turn("trim")
	to, err := k.over(ctx, t, p, age)
	if err != nil {
		return err
	}
	if start, _ := p.Bounds(); to <= start {
		return nil
	}
	give, err := k.Host.TakeTurn(ctx)
	if err != nil {
		return err
	}
	defer give()
	if t.Config.Retention.KeepUnsettled {
		for _, g := range t.Readers() {
			if at, holds := g.Needs(p); holds {
				to = min(to, at)
			}
		}
	}
	for _, h := range t.Holders() {
		if open := h.OpenLettersOn(p); len(open) > 0 {
			to = min(to, open[0])
		}
	}
	return k.advance(ctx, t, p, to)
}

// advance moves a partition's start; the turn is held.
func (k *Keeper) advance(ctx context.Context, t *Topic, p *partition.Partition, to record.Offset) error {
	if start, _ := p.Bounds(); to <= start {
		return nil
	}
	p.Retain(k.Committer, to)
	for _, g := range t.Readers() {
		g.Trimmed(p)
	}
	t.thinned(p)
	for _, h := range t.Holders() {
		h.LettersTrimmed(p)
	}
	k.Logger.Debug("records are over their retention", "topic", p.Topic, "partition", p.Index, "start_offset", to)
	return k.Committer.Wait(ctx, k.Committer.Last())
}

// thin rewrites a partition if there is something to gain, and rests ten times as long as that took.
func (k *Keeper) thin(ctx context.Context, t *Topic, p *partition.Partition) error {
	k.Committer.Turn("thin")
	return k.paced(p, func(pc *pace) error {
		switch {
		case p == t.delayed():
			return k.hollowKept(ctx, t.Delayed, pc)
		case t.Config.Cleanup == catalog.CleanupCompact:
			return k.compact(ctx, t, p, pc)
		}
		return k.hollow(ctx, t, p, pc)
	})
}

// paced rewrites a partition unless it rests.
func (k *Keeper) paced(p *partition.Partition, rewrite func(*pace) error) error {
	pc := k.paces[p.ID]
	if pc == nil {
		pc = &pace{}
		k.paces[p.ID] = pc
	}
	pc.turn = k.turn
	began := time.Now()
	if began.Before(pc.rest) || k.Host.Low() {
		return nil
	}
	err := rewrite(pc)
	pc.rest = began.Add(10 * time.Since(began))
	return err
}
