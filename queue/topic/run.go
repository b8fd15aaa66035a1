package topic

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/schedule"
	"github.com/holtmq/holt/queue/store"
)

// Run appends a delayed record of t now, by the id its publish was answered with, or else by its own: the firing that its due time would bring, in one unit with
// taking it off the schedule. The ticket is that unit's; until it is durable the record may be scheduled still. A firing or a cancellation that came first wins.
// Errors: ErrRecordNotFound (unknown, fired or cancelled), store.ErrCorrupt, ErrNotFound (the topic was just deleted), a failed commit's.
func (d *Delayed) Run(ctx context.Context, t *Topic, id string) (partition.Place, commit.Ticket, error) {
	none := fmt.Errorf("topic %s, scheduled %q: %w", d.part.Topic, id, ErrRecordNotFound)
	d.items.Lock()
	item, ok := d.find(id)
	d.items.Unlock()
	if !ok {
		return partition.Place{}, commit.Ticket{}, none
	}
	if err := d.env.Durable(ctx); err != nil { // its publish may not be
		return partition.Place{}, commit.Ticket{}, err
	}
	r, err := partition.NewCursor(d.part).Find(ctx, item.Offset)
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) { // fired or cancelled meanwhile
		err = none
	}
	if err != nil {
		return partition.Place{}, commit.Ticket{}, err
	}
	it := &Item{Topic: t, Messages: []Message{d.message(t, r)}, fired: []record.Offset{item.Offset}}
	pub, err := NewPublication(d.env, it)
	if err == nil {
		err = pub.Begin()
	}
	if err != nil {
		return partition.Place{}, commit.Ticket{}, err
	}
	if it.spots[0].to == nil { // fired or cancelled since it was found
		pub.Abort()
		return partition.Place{}, commit.Ticket{}, none
	}
	ticket := pub.Commit(d.env.Committer, d.env.Now(), nil)
	return it.places[0], ticket, nil
}

// find returns the item that an id names: that of its publish's answer, or the record's own; the schedule is locked.
func (d *Delayed) find(id string) (schedule.Item, bool) {
	if d.closed {
		return schedule.Item{}, false
	}
	if at, err := scheduledOffset(id); err == nil {
		if given, is := d.items.Get(at); is {
			return given, true
		}
	}
	return d.items.ByID(id)
}
