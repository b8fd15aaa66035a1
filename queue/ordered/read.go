package ordered

import (
	"context"
	"errors"
	"slices"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// readChunk is about how many bytes one step of a read takes from a partition.
const readChunk = 256 << 10

// harvest is what a poll has gathered so far.
type harvest struct {
	moved   []Move
	records []Delivery
	batches []Stretch
	count   int
	bytes   int64
}

func (h *harvest) empty() bool { return len(h.moved) == 0 && h.count == 0 }

// into puts into an answer what is of the partitions that it assigns.
func (h *harvest) into(a *Answer) {
	mine := make(map[Place]int, len(a.Assignment))
	for i, p := range a.Assignment {
		mine[p.Place] = i
	}
	lost := func(p Place) bool { _, held := mine[p]; return !held }
	a.Moved = slices.DeleteFunc(h.moved, func(m Move) bool { return lost(m.Place) })
	a.Records = slices.DeleteFunc(h.records, func(d Delivery) bool { return lost(d.Place) })
	a.Batches = slices.DeleteFunc(h.batches, func(s Stretch) bool { return lost(s.Place) })
	for _, m := range a.Moved {
		a.Assignment[mine[m.Place]].Offset = m.To
	}
}

// read gathers records for a poll. Each partition that has some gets its share of what the poll may carry; what is left over then goes to those that
// have more, in turn. Where the turn begins follows from where the member stands, so that the same poll gets the same records, and no partition is first
// for ever. A partition that cannot be read stops the poll only if there is nothing from the others.
func (g *Group) read(ctx context.Context, c *call, wants []want) (*harvest, error) {
	h := new(harvest)
	var pending []*want
	var failed error
	for i := range wants {
		w := &wants[i]
		if err := g.place(ctx, c, w, h); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if w.from < w.end {
			pending = append(pending, w)
		}
	}
	if len(pending) == 0 {
		return h, failed
	}
	maxBytes := c.req.Room.Allow(c.req.MaxBytes)
	c.req.Room.Take(maxBytes)
	defer func() { c.req.Room.Keep(h.bytes) }()
	n := turn(wants) % uint64(len(pending))
	pending = append(pending[n:], pending[:n]...)
	share := (c.req.Max + len(pending) - 1) / len(pending)
	for _, round := range [2]quota{{share, maxBytes / int64(len(pending))}, {c.req.Max, maxBytes}} {
		for _, w := range pending {
			if h.count >= c.req.Max || h.bytes >= maxBytes {
				return h, nil
			}
			err := w.take(ctx, c.req, quota{min(round.count, c.req.Max-h.count), min(round.bytes, maxBytes-h.bytes)}, h)
			if errors.Is(err, store.ErrTrimmed) { // retention was faster: it is moved next time, which is soon
				c.wake()
				w.from, err = w.end, nil
			}
			if err != nil {
				failed = errors.Join(failed, err)
				w.from = w.end // no more of this one
			}
		}
	}
	if failed != nil && h.empty() {
		return h, failed
	}
	if failed != nil && ctx.Err() == nil {
		g.env.Logger.Error("a partition cannot be read", "group", g.name, "member", c.req.Member, "error", failed)
	}
	return h, nil
}

// place makes sure that a read begins within what the partition holds, and moves it if it does not.
func (g *Group) place(ctx context.Context, c *call, w *want, h *harvest) error {
	start, end := w.pos.part.Bounds()
	w.end = end
	if w.from >= start && w.from <= end {
		return nil
	}
	to, err := topic.StartAt(ctx, w.pos.part, g.Definition().Config.Start)
	if err != nil {
		return err
	}
	h.moved = append(h.moved, Move{w.pos.place(), w.from, to})
	w.from = to
	c.owned[w.pos.log()] = to
	return nil
}

// turn is a number that differs whenever the places to read from do.
func turn(wants []want) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, w := range wants {
		for v, i := uint64(w.from), 0; i < 8; v, i = v>>8, i+1 {
			h = (h ^ v&255) * 1099511628211
		}
	}
	return h ^ h>>32
}

// quota is how much of one partition a round takes, about.
type quota struct {
	count int
	bytes int64
}

// take adds records of a partition to the harvest, and moves w.from on.
func (w *want) take(ctx context.Context, req *PollRequest, q quota, h *harvest) error {
	if w.from >= w.end {
		return nil
	}
	if req.Batches {
		return w.takeBatches(ctx, req, q, h)
	}
	taken, bytes, full := 0, int64(0), false
	place := w.pos.place()
	chunk := int(min(readChunk, max(q.bytes, 1)))
	err := w.pos.part.Stream(ctx, w.from, w.end, chunk, func(r *record.Reader) error {
		size := int64(r.Size())
		if taken >= q.count || h.count > 0 && bytes+size > q.bytes {
			full = true
			return partition.Stop()
		}
		rec := r.Record()
		rec.Headers = topic.Visible(rec.Headers)
		h.records = append(h.records, Delivery{place, rec})
		h.count++
		h.bytes += size
		taken++
		bytes += size
		w.from = r.Offset() + 1
		return nil
	})
	if err == nil && !full {
		w.from = w.end // what is left are holes
	}
	return err
}

// takeBatches is take for whole batches. One that would go over all that the poll may carry stays for the next, and is not looked at if it is as large as the last.
func (w *want) takeBatches(ctx context.Context, req *PollRequest, q quota, h *harvest) error {
	if h.count > 0 && q.bytes < w.size {
		return nil
	}
	got, err := w.pos.part.ReadWhole(ctx, w.from, w.end, q.count, q.bytes, req.Room)
	w.size = got.Size
	if h.count > 0 && len(got.Batches) == 1 && got.Bytes > q.bytes {
		return err
	}
	if len(got.Batches) > 0 {
		h.batches = append(h.batches, Stretch{Place: w.pos.place(), From: w.from, Batches: got.Batches})
	}
	h.count += got.Records
	h.bytes += got.Bytes
	w.from = got.Next
	return err
}
