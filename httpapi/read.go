package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/topic"
)

// read reads a partition from an offset or a time on, waiting for records if the query says so.
func (a *API) read(x *exchange) error {
	name, err := x.name("topic")
	if err != nil {
		return err
	}
	partition, err := x.number("partition")
	if err != nil {
		return err
	}
	req := queue.ReadRequest{Topic: name, Partition: int(partition)}
	values, err := x.readQuery(&req)
	if err != nil {
		return err
	}
	req.Room, req.Batches = a.room.Share(), x.acceptsBatches()
	defer req.Room.End()
	res, err := a.broker.Read(x.ctx(), req)
	if err != nil {
		return err
	}
	if req.Batches {
		head := api.ReadHead{NextOffset: int64(res.Next), StartOffset: int64(res.Start), EndOffset: int64(res.End), Hidden: topic.HiddenHeaders()}
		return x.stretches(head, []queue.Stretch{{Place: queue.TopicPartition{Topic: req.Topic, Partition: req.Partition}, From: res.From, Batches: res.Batches}})
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	e := encoder{b: (*buf)[:0], values: values}
	e.raw(`{"records":[`)
	for i := range res.Records {
		e.comma(i)
		e.appendRead(req.Partition, &res.Records[i])
	}
	e.raw(`],"next_offset":`)
	e.int(int64(res.Next))
	e.raw(`,"start_offset":`)
	e.int(int64(res.Start))
	e.raw(`,"end_offset":`)
	e.int(int64(res.End))
	e.raw("}\n")
	*buf = e.b
	return x.sent(x.write(http.StatusOK, "application/json", *buf))
}

func (x *exchange) readQuery(req *queue.ReadRequest) (values encoding, err error) {
	if err = x.params("offset", "max", "max_bytes", "wait", "encoding"); err != nil {
		return values, err
	}
	if req.From, err = x.position(); err != nil {
		return values, err
	}
	limit, err := x.queryInt("max", defaultRead, 1, x.api.limits.MaxRead)
	if err != nil {
		return values, err
	}
	if req.MaxBytes, err = x.queryInt("max_bytes", 0, 0, x.api.limits.MaxBytes); err != nil {
		return values, err
	}
	if req.Wait, err = x.queryWait(); err != nil {
		return values, err
	}
	req.Max = int(limit)
	return x.queryEncoding()
}

// position reads the query's offset: a number, "earliest" (the default), "latest", or a time.
func (x *exchange) position() (queue.Position, error) {
	text := x.query.Get("offset")
	switch {
	case !x.query.Has("offset"), text == "earliest":
		return queue.Position{Earliest: true}, nil
	case text == "latest":
		return queue.Position{Latest: true}, nil
	}
	if n, err := whole("offset", text, 0, 1<<63-1); err == nil {
		return queue.Position{Offset: queue.Offset(n)}, nil
	}
	t, f := parseTime(text)
	if f != nil {
		return queue.Position{}, invalid("offset: must be a whole number from 0 on, earliest, latest, or a time as in 2026-01-02T15:04:05Z (with + written as %%2B), not %q", cut(text))
	}
	return positionOf(t), nil
}

// readOne reads one record.
func (a *API) readOne(x *exchange) error {
	topic, err := x.name("topic")
	if err != nil {
		return err
	}
	partition, err := x.number("partition")
	if err != nil {
		return err
	}
	offset, err := x.number("offset")
	if err != nil {
		return err
	}
	if err := x.params("encoding"); err != nil {
		return err
	}
	values, err := x.queryEncoding()
	if err != nil {
		return err
	}
	r, err := a.broker.ReadOne(x.ctx(), topic, int(partition), queue.Offset(offset))
	if out := (*queue.RangeError)(nil); errors.As(err, &out) { // the path names a record, not a place to read from
		err = fmt.Errorf("offset %d: %w: the partition holds offsets from %d up to, not including, %d", offset, queue.ErrRecordNotFound, out.Start, out.End)
	}
	if err != nil {
		return err
	}
	buf := a.buffer()
	defer a.giveBack(buf)
	e := encoder{b: (*buf)[:0], values: values}
	e.appendRead(int(partition), &r)
	e.raw("\n")
	*buf = e.b
	return x.sent(x.write(http.StatusOK, "application/json", *buf))
}
