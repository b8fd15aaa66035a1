package share

import (
	"context"
	"errors"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// deliver reads the records of a parcel and makes their receipts. What cannot be read stays leased: it expires, and so
// rests before it is tried again.
func (g *Group) deliver(ctx context.Context, p parcel) ([]Delivery, error) {
	if err := g.env.Committer.Wait(ctx, p.after); err != nil {
		if ctx.Err() != nil {
			g.giveBack(p.grants)
		}
		return nil, g.result(err)
	}
	out := make([]Delivery, 0, len(p.grants))
	var b body
	for i := range p.grants {
		gr := &p.grants[i]
		rec, err := b.read(ctx, gr)
		if err != nil {
			if ctx.Err() != nil {
				g.giveBack(p.grants)
				return nil, ctx.Err()
			}
			g.unreadable(gr, err)
			continue
		}
		rec.Headers = Visible(rec.Headers)
		out = append(out, Delivery{
			Receipt: g.env.Receipts.encode(g.def.ID, gr.window.part.ID, gr.Claim),
			Topic:   gr.window.part.Topic, Partition: gr.window.part.Index, Record: rec,
			Attempt: gr.Attempt, Deliveries: int(gr.Delivery), ExpiresAt: g.env.Clock.Time(gr.Deadline),
		})
	}
	now := g.env.Clock.Now()
	for i := range out {
		out[i].ExpiresIn = out[i].ExpiresAt.Sub(g.env.Clock.Time(now))
	}
	return out, nil
}

// unreadable deals with a leased record whose body is not to be had: one that retention took meanwhile is settled, a damaged one is left to expire.
func (g *Group) unreadable(gr *grant, err error) {
	w := gr.window
	if errors.Is(err, store.ErrTrimmed) || errors.Is(err, record.ErrNotFound) {
		g.mu.Lock()
		defer g.mu.Unlock()
		before := w.machine.Counts().Leased
		w.machine.SettleAt(g.env.Clock.Now(), gr.Offset, lease.Ack)
		g.inflight += w.machine.Counts().Leased - before
		g.free(w, g.journal(w, 0))
		return
	}
	g.env.Logger.Error("a record cannot be read", "group", g.def.Name, "topic", w.part.Topic, "partition", w.part.Index, "offset", gr.Offset, "error", err)
}

// body reads records one after the other and keeps its place in a batch for the next one.
type body struct {
	window *window
	batch  store.Batch
	reader *record.Reader
}

func (b *body) read(ctx context.Context, gr *grant) (record.Record, error) {
	at := record.Offset(gr.Offset)
	if b.reader != nil && b.window == gr.window && at >= b.batch.Base && at <= b.batch.Last {
		if r, ok := b.forward(at); ok {
			return r, nil
		}
	}
	batches, err := gr.window.part.Batches(ctx, at, 0)
	if err != nil {
		return record.Record{}, err
	}
	b.window, b.batch = gr.window, batches[0]
	if len(b.batch.Bytes) == 0 {
		b.reader = nil
		return record.Record{}, record.ErrNotFound
	}
	// A compressed batch is unpacked into the reader's buffer, which records handed out before may point into: each batch gets a reader of its own.
	if b.reader, err = record.NewReader(b.batch.Bytes); err != nil {
		return record.Record{}, err
	}
	if r, ok := b.forward(at); ok {
		return r, nil
	}
	if err := b.reader.Err(); err != nil {
		return record.Record{}, err
	}
	return record.Record{}, record.ErrNotFound
}

// forward moves on to a record of the batch; false if it is not there, or lies behind.
func (b *body) forward(at record.Offset) (record.Record, bool) {
	for b.reader.Offset() < at && b.reader.Next() {
	}
	if b.reader.Offset() != at {
		return record.Record{}, false
	}
	return b.reader.Record(), true
}
