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
	topic, err := x.name("topic")
	if err != nil {
		return err
	}
	if err := x.params("limit", "cursor", "encoding"); err != nil {
		return err
	}
	values, err := x.queryEncoding()
	if err != nil {
		return err
	}
	list := "topics/" + topic + "/scheduled"
	limit, from, err := x.page(list)
	if err != nil {
		return err
	}
	total, err := a.broker.ScheduledCount(topic)
	if err != nil {
		return err
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	e := encoder{b: (*buf)[:0], values: values}
	e.raw(`{"items":[`)
	for n := 0; n < limit && int64(len(e.b)) < a.limits.MaxBytes; {
		var items []queue.ScheduledRecord
		if items, from, err = a.broker.Scheduled(x.ctx(), topic, from, min(limit-n, scheduledStep)); err != nil {
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
	e.raw("}\n")
	*buf = e.b
	return x.sent(x.write(http.StatusOK, "application/json", *buf))
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
	topic, id, err := x.scheduled()
	if err != nil {
		return err
	}
	if err := a.broker.CancelScheduled(x.ctx(), topic, id); err != nil {
		return err
	}
	return x.noContent()
}

// runScheduled appends a delayed record now.
func (a *API) runScheduled(x *exchange) error {
	topic, id, err := x.scheduled()
	if err != nil {
		return err
	}
	if err := x.noFields(); err != nil {
		return err
	}
	at, err := a.broker.RunScheduled(x.ctx(), topic, id)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, api.Published{Partition: at.Partition, Offset: int64(at.Offset), Timestamp: api.Time(at.Timestamp)})
}

// scheduled reads which delayed record a path names.
func (x *exchange) scheduled() (topic, id string, err error) {
	if topic, err = x.name("topic"); err != nil {
		return "", "", err
	}
	if id, err = x.param("id"); err != nil {
		return "", "", err
	}
	return topic, id, x.params()
}
