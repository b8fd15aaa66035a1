package share

import (
	"context"
	"errors"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// deliver reads the records of a parcel and makes their receipts. Of what cannot be read, damage whose extent is known is passed over; the rest stays leased: it
// expires, and so rests before it is tried again.
func (g *Group) deliver(ctx context.Context, p parcel) ([]Delivery, error) {
	if err := g.env.Committer.Wait(ctx, p.after); err != nil {
		if ctx.Err() != nil {
			g.giveBack(p.grants)
		}
		return nil, g.result(err)
	}
	out := make([]Delivery, 0, len(p.grants))
	var from *window
	var cursor *partition.Cursor
	losses := losses{g: g}
	for i := range p.grants {
		gr := &p.grants[i]
		if gr.window != from {
			from, cursor = gr.window, partition.NewCursor(gr.window.part)
		}
		if losses.known(gr) {
			continue
		}
		rec, err := g.bodyOf(ctx, gr, cursor)
		if losses.met(gr, err) {
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				g.giveBack(p.grants)
				return nil, ctx.Err()
			}
			g.unreadable(gr, err)
			continue
		}
		if gr.Delivery == 1 {
			g.measures.delivered(rec.Timestamp, g.env.Clock.Wall())
		}
		rec.Headers = topic.Visible(rec.Headers)
		out = append(out, Delivery{
			Receipt: g.env.Receipts.encode(g.id, gr.window.part.ID, gr.Claim),
			Topic:   gr.window.part.Topic, Partition: gr.window.part.Index, Record: rec,
			Attempt: gr.Attempt, Deliveries: int(gr.Delivery), ExpiresAt: g.env.Clock.Time(gr.Deadline),
		})
	}
	losses.passOver()
	now := g.env.Clock.Next()
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
		if w.closed { // its leases count no more
			return
		}
		w.machine.SettleAt(g.env.Clock.Now(), gr.Offset, lease.Ack)
		g.free(w, g.journal(w))
		return
	}
	g.env.Logger.Error("a record cannot be read", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index, "offset", gr.Offset, "error", err)
}
