package retain

import (
	"cmp"
	"context"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

const (
	readBytes  = 1 << 20 // of batches read at a time
	maxRun     = 1000    // batches that one rewrite replaces
	maxRunSize = 64 << 20
)

// hollow takes what everybody has settled out of what is over, behind the records that have to stay. A batch with both is rewritten once half of it can go.
func (k *Keeper) hollow(ctx context.Context, t *Topic, p *partition.Partition, pc *pace) error {
	to, err := k.over(ctx, t, p, true)
	if err != nil {
		return err
	}
	return k.hollowTo(ctx, t, p, to, pc)
}

// hollowTo is hollow below an offset.
func (k *Keeper) hollowTo(ctx context.Context, t *Topic, p *partition.Partition, to record.Offset, pc *pace) (err error) {
	start, _ := p.Bounds()
	if to <= start {
		return nil
	}
	stay := needOf(t, p, start, to)
	if len(stay) == 0 {
		return nil // all of it is the trim's
	}
	if print := stay.print() ^ uint64(to)*31; print == pc.print {
		return nil
	} else {
		pc.print = print
	}
	h := hollowing{k: k, t: t, p: p}
	for at := start; at < to && err == nil && !k.Host.Low(); {
		if next := max(p.PastGap(at), stay.past(at)); next > at {
			at = next
			if !h.joins(at) {
				err = h.flush(ctx)
			}
			continue
		}
		at, err = h.step(ctx, at, to, stay)
	}
	if err == nil {
		err = h.flush(ctx)
	}
	if err != nil || k.Host.Low() { // not all was done
		pc.print = 0
	}
	return err
}

// hollowing is a walk over a partition; run are batches in a row of which nothing stays.
type hollowing struct {
	k   *Keeper
	t   *Topic
	p   *partition.Partition
	run run
}

// run is a row of batches to be replaced by one.
type run struct {
	store.Batch               // what takes their place
	edge        record.Offset // the last of the first one
	n           int           // batches
	was         int64         // bytes of them
}

func (r *run) add(b *store.Batch) {
	if r.n == 0 {
		r.Base, r.edge = b.Base, b.Last
	}
	r.Last, r.MaxTime = b.Last, b.MaxTime
	r.n++
	r.was += int64(len(b.Bytes))
}

func (h *hollowing) joins(at record.Offset) bool { return h.run.n > 0 && h.run.Last+1 == at }

// step looks at the batches from the one that covers at on, and returns where to go on.
func (h *hollowing) step(ctx context.Context, at, to record.Offset, stay need) (record.Offset, error) {
	batches, err := h.p.Stored(ctx, at, readBytes)
	if d, known := store.DamageAt(err, at); known { // what cannot be read stays
		return d.Last + 1, h.flush(ctx)
	}
	if err != nil {
		return at, err
	}
	for i := range batches {
		b := &batches[i]
		switch {
		case b.Last >= to:
			return to, nil
		case !stay.any(b.Base, b.Last+1):
			if h.run.n > 0 && (!h.joins(b.Base) || h.run.n == maxRun || h.run.was > maxRunSize) {
				err = h.flush(ctx)
			}
			h.run.add(b)
		default:
			if err = h.flush(ctx); err == nil {
				err = h.part(ctx, b, stay)
			}
		}
		if err != nil {
			return at, err
		}
		at = b.Last + 1
	}
	if len(batches) == 0 {
		return to, nil
	}
	return at, nil
}

// flush takes the run out.
func (h *hollowing) flush(ctx context.Context) error {
	r := h.run
	h.run = run{}
	if r.was == 0 {
		return nil
	}
	return h.k.replace(ctx, h.t, h.p, func(stay need) (*partition.Rewriting, func(record.Offset) bool) {
		if len(stay) > 0 { // a reset came between
			return nil, nil
		}
		return &partition.Rewriting{Batch: r.Batch, Edge: r.edge, Was: r.was}, func(record.Offset) bool { return false }
	}, r.Batch)
}

// part takes out of a batch what need not stay, if that is half of it.
func (h *hollowing) part(ctx context.Context, b *store.Batch, stay need) error {
	if len(b.Bytes) == 0 {
		return nil
	}
	info, err := record.Peek(b.Bytes)
	if err != nil {
		return err
	}
	if left := kept(b.Base, info.Last, stay); left > int64(info.Count)/2 {
		return nil
	}
	var damaged error
	err = h.k.replace(ctx, h.t, h.p, func(stay need) (*partition.Rewriting, func(record.Offset) bool) {
		r := &partition.Rewriting{Batch: *b, Edge: b.Last, Was: int64(len(b.Bytes))}
		r.Batch.Bytes, damaged = record.Rewrite(b.Bytes, func(rec record.Record) bool {
			if !stay.has(rec.Offset) {
				return false
			}
			r.Kept++
			return true
		})
		if r.Kept == 0 {
			r.Batch.Bytes = nil
		}
		if damaged != nil || r.Kept == int64(info.Count) {
			return nil, nil
		}
		return r, stay.has
	}, *b)
	return cmp.Or(err, damaged)
}

// kept returns how many offsets of a batch have to stay.
func kept(base, last record.Offset, stay need) (n int64) {
	for _, r := range stay.from(base) {
		from, to := max(record.Offset(r.From), base), min(record.Offset(r.To), last+1)
		if from >= to {
			break
		}
		n += int64(to - from)
	}
	return n
}

// replace rewrites the range of a batch as plan says, who hears what has to stay of it now; nil leaves it. stays names the records that are left.
func (k *Keeper) replace(ctx context.Context, t *Topic, p *partition.Partition, plan func(stay need) (r *partition.Rewriting, stays func(record.Offset) bool), b store.Batch) error {
	return k.replaceWith(ctx, t, p, plan, b, func(rewrite func() error, _ *partition.Rewriting) error { return rewrite() })
}

// replaceWith is replace with something to do around the rewrite itself.
func (k *Keeper) replaceWith(ctx context.Context, t *Topic, p *partition.Partition, plan func(stay need) (r *partition.Rewriting, stays func(record.Offset) bool), b store.Batch,
	around func(rewrite func() error, r *partition.Rewriting) error) error {
	give, err := k.Host.TakeTurn(ctx)
	if err != nil {
		return err
	}
	defer give()
	r, stays := plan(needOf(t, p, b.Base, b.Last+1))
	if r == nil {
		return nil
	}
	return around(func() error {
		ok, err := p.Rewrite(ctx, k.Committer, *r)
		if err != nil || !ok {
			return err
		}
		for _, g := range t.Readers() {
			g.Lost(p, b.Base, b.Last+1, stays)
		}
		t.thinned(p)
		return nil
	}, r)
}
