package retain

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

const (
	// MaxPassKeys is how many keys one pass of compaction has in memory, of one partition at a time: about 20 MB. With more new keys it takes several passes.
	MaxPassKeys = 256 << 10

	smallBytes = 1 << 20   // up to which a partition is compacted whenever there is something to gain
	mergeBytes = 64 << 10  // of batches in a row that become one when they are rewritten
	maxSpan    = 1 << 30   // offsets that a run covers, a single batch aside
	cold       = time.Hour // after which a partition is compacted however little is new
	heldEvery  = time.Minute
)

// compact takes out of a compacted partition what a newer record of its key supersedes, what is over its time (tombstones, records without key), and so puts
// small batches together. It is due when half as much is new as is clean.
func (k *Keeper) compact(ctx context.Context, t *Topic, p *partition.Partition, pc *pace) error {
	ix := t.Index(p)
	if ix == nil {
		return nil
	}
	s, err := ix.Flush(ctx)
	if err != nil {
		return gone(err)
	}
	now := k.Now()
	if !due(t, p, s, pc, now) {
		return nil
	}
	pc.last = now
	c := compaction{k: k, t: t, p: p, ix: ix, now: now, held: s.Held, end: s.Indexed, kept: map[keys.Hash]bool{}}
	if err := c.learn(ctx, s.Clean); err != nil {
		return gone(err)
	}
	start, _ := p.Bounds()
	for at := start; at < c.end; {
		if k.Host.Low() {
			return nil // what is not done is found again
		}
		if at, err = c.step(ctx, max(at, p.PastGap(at))); err != nil {
			return gone(err)
		}
	}
	if err := c.flush(ctx); err != nil {
		return gone(err)
	}
	c.next.Clean = c.end
	if err := ix.Cleaned(ctx, c.next); err != nil {
		return gone(err)
	}
	return k.skipFront(ctx, t, p)
}

// gone makes nothing of the error of an index that was closed meanwhile.
func gone(err error) error {
	if errors.Is(err, keys.ErrGone) {
		return nil
	}
	return err
}

// due tells whether a pass is worth it.
func due(t *Topic, p *partition.Partition, s keys.State, pc *pace, now time.Time) bool {
	fresh := p.BytesFrom(s.Clean) - p.BytesFrom(s.Indexed)
	clean := p.Bytes() - p.BytesFrom(s.Clean)
	since := now.Sub(pc.last)
	age := TombstoneAge
	if a := t.Config.Retention.Age; a > 0 {
		age = min(age, a)
	}
	return s.Indexed > s.Clean && (fresh*2 >= clean || fresh+clean <= smallBytes || since >= cold) ||
		s.Held > 0 && since >= heldEvery ||
		s.Oldest > 0 && since >= heldEvery && now.Sub(time.UnixMilli(s.Oldest)) >= age
}

// skipFront moves the start past what was taken out in front.
func (k *Keeper) skipFront(ctx context.Context, t *Topic, p *partition.Partition) error {
	start, end := p.Bounds()
	to := end
	if first, err := p.First(ctx, start); err == nil {
		to = first.Offset
	} else if !errors.Is(err, record.ErrNotFound) {
		return err
	}
	if to <= start {
		return nil
	}
	give, err := k.Host.TakeTurn(ctx)
	if err != nil {
		return err
	}
	defer give()
	return k.advance(ctx, t, p, to)
}

// compaction is one pass over a partition.
type compaction struct {
	k      *Keeper
	t      *Topic
	p      *partition.Partition
	ix     *keys.Index
	now    time.Time
	newest map[keys.Hash]record.Offset // of what is new
	held   record.Offset               // below it the index is asked, too
	end    record.Offset
	next   keys.State

	run  run
	old  [][]byte // the batches of run
	dead []death
	kept map[keys.Hash]bool // keys of which a superseded record stays: so does their tombstone. MaxPassKeys of them stand for all
}

// death is a record that may go; last says that it is a tombstone, and the newest of its key.
type death struct {
	keys.Entry
	last bool
}

// learn finds the newest record of each key from an offset on. When there are too many keys the pass ends earlier.
func (c *compaction) learn(ctx context.Context, from record.Offset) error {
	c.newest = map[keys.Hash]record.Offset{}
	start, _ := c.p.Bounds()
	for at := max(from, start); at < c.end; {
		batches, err := c.p.Stored(ctx, at, readBytes)
		if err != nil {
			return err
		}
		for i := range batches {
			if batches[i].Base >= c.end {
				return nil
			}
			if len(c.newest) >= MaxPassKeys {
				c.end = batches[i].Base
				return nil
			}
			if err := each(&batches[i], func(r *record.Reader) error {
				if key := r.Key(); key != nil && r.Offset() < c.end {
					c.newest[keys.Sum(key)] = r.Offset()
				}
				return nil
			}); err != nil {
				return err
			}
			at = batches[i].Last + 1
		}
	}
	return nil
}

// each calls fn for the records of a batch.
func each(b *store.Batch, fn func(*record.Reader) error) error {
	if len(b.Bytes) == 0 {
		return nil
	}
	r, err := record.NewReader(b.Bytes)
	if err != nil {
		return err
	}
	for r.Next() {
		if err := fn(r); err != nil {
			return err
		}
	}
	return r.Err()
}

// step looks at some batches and returns where to go on.
func (c *compaction) step(ctx context.Context, at record.Offset) (record.Offset, error) {
	if at >= c.end {
		return at, nil
	}
	if c.t.Index(c.p) != c.ix { // the topic is compacted no more
		return at, keys.ErrGone
	}
	batches, err := c.p.Stored(ctx, at, readBytes)
	if err != nil {
		return at, err
	}
	for i := range batches {
		b := &batches[i]
		if b.Last >= c.end {
			return c.end, nil
		}
		if c.run.n > 0 && (c.run.Last+1 != b.Base || c.run.n == maxRun || c.run.was+int64(len(b.Bytes)) > mergeBytes || b.Last-c.run.Base >= maxSpan) {
			if err := c.flush(ctx); err != nil {
				return at, err
			}
		}
		if err := c.judge(ctx, b); err != nil {
			return at, err
		}
		at = b.Last + 1
	}
	return at, nil
}

// judge adds a batch to the run, and what may go of it to dead.
func (c *compaction) judge(ctx context.Context, b *store.Batch) error {
	c.run.add(b)
	if len(b.Bytes) == 0 {
		return nil
	}
	c.old = append(c.old, b.Bytes)
	return each(b, func(r *record.Reader) error {
		if r.Key() == nil {
			if age := c.t.Config.Retention.Age; age > 0 {
				c.expires(keys.Entry{At: r.Offset()}, r.Record().Timestamp, age, false)
			}
			return nil
		}
		e := keys.Entry{Hash: keys.Sum(r.Key()), At: r.Offset()}
		newer, ok := c.newest[e.Hash]
		if !ok && e.At < c.held {
			var err error
			if newer, ok, err = c.ix.Newest(ctx, e.Hash); err != nil {
				return err
			}
		}
		if ok && newer > e.At {
			c.dead = append(c.dead, death{e, false})
		} else if rec := r.Record(); rec.Value == nil {
			c.expires(e, rec.Timestamp, TombstoneAge, true)
		}
		return nil
	})
}

// expires adds a record to dead if it is over its time; until it has gone the state says that there is one.
func (c *compaction) expires(e keys.Entry, at time.Time, age time.Duration, newest bool) {
	if c.now.Sub(at) < age {
		if ms := at.UnixMilli(); c.next.Oldest == 0 || ms < c.next.Oldest {
			c.next.Oldest = ms
		}
		return
	}
	c.dead = append(c.dead, death{e, newest})
}

// flush rewrites the run if something in it is dead. Dead records that somebody has not settled stay until a later pass.
func (c *compaction) flush(ctx context.Context) error {
	r, old, dead := c.run, c.old, c.dead
	c.run, c.old, c.dead = run{}, nil, nil
	if len(dead) == 0 {
		return nil
	}
	var gone []keys.Entry // keys that are forgotten
	var damaged error
	plan := func(stay need) (*partition.Rewriting, func(record.Offset) bool) {
		goes := make(map[record.Offset]bool, len(dead))
		for _, e := range dead {
			if c.stays(e, stay) {
				c.next.Held = max(c.next.Held, e.At+1)
				continue
			}
			goes[e.At] = true
			if e.last {
				gone = append(gone, e.Entry)
			}
		}
		if len(goes) == 0 {
			return nil, nil
		}
		stays := func(at record.Offset) bool { return !goes[at] }
		w := &partition.Rewriting{Batch: r.Batch, Edge: r.edge, Was: r.was}
		var kept int
		w.Batch.Bytes, kept, damaged = record.Gather(r.Base, r.Last, old, func(rec record.Record) bool { return stays(rec.Offset) })
		if damaged != nil {
			return nil, nil
		}
		w.Kept = int64(kept)
		return w, stays
	}
	err := c.k.replaceWith(ctx, c.t, c.p, plan, r.Batch, func(rewrite func() error, w *partition.Rewriting) error {
		if len(gone) == 0 {
			return rewrite()
		}
		return c.ix.Without(ctx, gone, func(notes []store.Note) error { // the index forgets a key in the unit that takes its tombstone
			w.Notes = notes
			return rewrite()
		})
	})
	return cmp.Or(damaged, err)
}

// stays tells whether a record has to stay for now: somebody has not settled it, or it is a tombstone and a record before it stays, which would be the newest of
// its key without it. A pass meets the records of a key in their order.
func (c *compaction) stays(e death, stay need) bool {
	if stay.has(e.At) {
		if len(c.kept) < MaxPassKeys {
			c.kept[e.Hash] = true
		}
		return true
	}
	return e.last && (len(c.kept) >= MaxPassKeys || c.kept[e.Hash])
}
