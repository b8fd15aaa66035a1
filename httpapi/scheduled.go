package httpapi

import (
	"net/http"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// scheduledStep is how many delayed records one step of a list takes: they come with their values.
const scheduledStep = 16

// listScheduled lists the delayed records of a topic that are not due yet. A page ends early when it has become large.
func (a *API) listScheduled(x *exchange) error {
	list := "topics/" + x.topic + "/scheduled"
	limit, from, err := x.page(list)
	if err != nil {
		return err
	}
	total, err := a.broker.ScheduledCount(x.topic)
	if err != nil {
		return err
	}
	e := x.encode()
	e.raw(`{"items":[`)
	for n := 0; n < limit && int64(len(e.b)) < a.limits.MaxBytes; {
		var items []queue.ScheduledRecord
		if items, from, err = a.broker.Scheduled(x.ctx(), x.topic, from, min(limit-n, scheduledStep)); err != nil {
			return err
		}
		for i := range items {
			e.comma(n)
			e.appendScheduled(&items[i])
			n++
		}
		if from == "" {
			break
		}
	}
	e.raw(`],"total":`)
	e.int(int64(total))
	if from != "" {
		e.raw(`,"next_cursor":`)
		e.string(cursor{list: list, at: from}.String())
	}
	e.raw("}")
	return x.answer(http.StatusOK)
}

// appendScheduled appends one delayed record.
func (e *encoder) appendScheduled(r *queue.ScheduledRecord) {
	e.raw(`{"id":`)
	e.string(r.ID)
	e.raw(`,"deliver_at":`)
	e.time(r.DeliverAt)
	e.raw(",")
	e.content(r.Record.Key, r.Record.Headers, r.Record.Value)
	e.destination(r.Priority, r.Partition)
	if r.Damaged {
		e.raw(`,"damaged":true`)
	}
	e.raw("}")
}

// destination appends what a publisher said of where a record goes.
func (e *encoder) destination(priority, partition *int) {
	if priority != nil {
		e.raw(`,"priority":`)
		e.int(int64(*priority))
	}
	if partition != nil {
		e.raw(`,"partition":`)
		e.int(int64(*partition))
	}
}

// cancelScheduled takes a delayed record back.
func (a *API) cancelScheduled(x *exchange) error {
	if err := a.broker.CancelScheduled(x.ctx(), x.topic, x.item); err != nil {
		return err
	}
	return x.noContent()
}

// runScheduled appends a delayed record now.
func (a *API) runScheduled(x *exchange) error {
	if err := x.noFields(); err != nil {
		return err
	}
	at, err := a.broker.RunScheduled(x.ctx(), x.topic, x.item)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, api.Published{Partition: at.Partition, Offset: int64(at.Offset), Timestamp: api.Time(at.Timestamp)})
}
