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
	req, err := x.readQuery()
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
	e := x.encode()
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
	e.raw("}")
	return x.answer(http.StatusOK)
}

func (x *exchange) readQuery() (req queue.ReadRequest, err error) {
	req = queue.ReadRequest{Topic: x.topic, Partition: x.partition, Wait: x.wait}
	if req.From, err = x.position(); err != nil {
		return req, err
	}
	limit, err := x.queryInt("max", defaultRead, 1, x.api.limits.MaxRead)
	if err != nil {
		return req, err
	}
	req.Max = int(limit)
	req.MaxBytes, err = x.queryInt("max_bytes", 0, 0, x.api.limits.MaxBytes)
	return req, err
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
	r, err := a.broker.ReadOne(x.ctx(), x.topic, x.partition, x.offset)
	if out := (*queue.RangeError)(nil); errors.As(err, &out) { // the path names a record, not a place to read from
		err = fmt.Errorf("offset %d: %w: the partition holds offsets from %d up to, not including, %d", x.offset, queue.ErrRecordNotFound, out.Start, out.End)
	}
	if err != nil {
		return err
	}
	x.encode().appendRead(x.partition, &r)
	return x.answer(http.StatusOK)
}
