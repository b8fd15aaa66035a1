package httpapi

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/record"
)

func (a *API) putSchedule(x *exchange) error {
	cond, body, err := x.change()
	if err != nil {
		return err
	}
	if _, err := mergeSchedule(new(queue.ScheduleConfig), body); err != nil { // what is wrong with the body is so whatever is there
		return err
	}
	info, created, err := a.broker.PutSchedule(x.ctx(), x.schedule, cond, func(old queue.ScheduleConfig, exists bool) (queue.ScheduleConfig, error) {
		valued, err := mergeSchedule(&old, body)
		if err == nil && !valued && !exists {
			err = newFault(http.StatusBadRequest, api.InvalidConfig, `the record is missing: say what to publish, as in "record":{"value":{"any":"json"}}`)
		}
		return old, err
	})
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	x.encode().appendSchedule(&info)
	return x.answer(x.made(created, "/v1/schedules/"+x.schedule))
}

func (a *API) getSchedule(x *exchange) error {
	info, err := a.broker.Schedule(x.ctx(), x.schedule)
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	x.encode().appendSchedule(&info)
	return x.answer(http.StatusOK)
}

// listSchedules lists schedules by name. A page ends early when it has become large: they come with their values.
func (a *API) listSchedules(x *exchange) error {
	limit, after, err := x.pageByName("schedules")
	if err != nil {
		return err
	}
	infos, err := a.broker.Schedules(x.ctx(), after, limit+1)
	if err != nil {
		return err
	}
	e := x.encode()
	e.raw(`{"items":[`)
	n := 0
	for ; n < min(limit, len(infos)) && int64(len(e.b)) < a.limits.MaxBytes; n++ {
		e.comma(n)
		e.appendSchedule(&infos[n])
	}
	e.raw("]")
	if _, next := cutPage("schedules", infos, n, func(s queue.ScheduleInfo) string { return s.Name }); next != "" {
		e.raw(`,"next_cursor":`)
		e.string(next)
	}
	e.raw("}")
	return x.answer(http.StatusOK)
}

func (a *API) deleteSchedule(x *exchange) error {
	cond, err := x.condition()
	if err != nil {
		return err
	}
	if err := a.broker.DeleteSchedule(x.ctx(), x.schedule, cond); err != nil {
		return err
	}
	return x.noContent()
}

// mergeSchedule applies the body of a PUT, and tells whether it gives the record a value. Nothing of c points into the body afterwards.
func mergeSchedule(c *queue.ScheduleConfig, body []byte) (valued bool, err error) {
	values := 0
	err = merged(body, func(m merger, name string) bool {
		switch name {
		case "name", "created_at", "last_at", "next_at":
			return m.ignored()
		case "cron":
			text(m, &c.Cron, "")
		case "zone":
			text(m, &c.Zone, "")
		case "topic":
			text(m, &c.Topic, "")
		case "catch_up":
			text(m, &c.CatchUp, catalog.CatchUpOne)
		case "record":
			values += mergeScheduleRecord(m, &c.Record)
		default:
			return false
		}
		return true
	})
	return values > 0, err
}

// mergeScheduleRecord merges a record's fields, and its headers one by one, and returns how many values it was given.
func mergeScheduleRecord(m merger, r *queue.ScheduleRecord) (values int) {
	keys := 0
	r.Headers = slices.Clone(r.Headers) // those of a definition are never changed
	named := map[string]bool{}          // headers of the body
	m.object(func(name []byte) bool {
		switch string(name) {
		case "value":
			values++
			r.Value = bytes.Clone(m.raw())
		case "text":
			values += given(m, &r.Value, m.bytes)
		case "value_base64":
			values += given(m, &r.Value, m.base64)
		case "tombstone":
			if !m.null() && m.bool() {
				values++
				r.Value = nil
			}
		case "key":
			keys += keyOrNone(m, &r.Key, m.bytes)
		case "key_base64":
			keys += keyOrNone(m, &r.Key, m.base64)
		case "headers":
			mergeHeaders(m, r, named, m.bytes)
		case "headers_base64":
			mergeHeaders(m, r, named, m.base64)
		case "ttl":
			field(m, &r.TTL, 0, func() time.Duration { return m.duration(time.Millisecond, maxTTL) })
		case "priority":
			r.Priority = destinationOf(m, maxLane)
		case "partition":
			r.Partition = destinationOf(m, math.MaxInt32)
		default:
			return false
		}
		return true
	})
	switch {
	case m.err != nil:
	case values > 1:
		m.fail(invalid(`give one of value (any JSON), text, value_base64 and "tombstone":true`))
	case keys > 1:
		m.fail(invalid("give key or key_base64, not both"))
	}
	return values
}

// given reads bytes that are there and returns how many it read: 0 or 1.
func given(m merger, to *[]byte, read func() []byte) int {
	if m.null() {
		return 0
	}
	*to = present(bytes.Clone(read()))
	return 1
}

// keyOrNone reads a key; null is none.
func keyOrNone(m merger, to *[]byte, read func() []byte) int {
	if given(m, to, read) == 0 {
		*to = nil
		return 0
	}
	return 1
}

// destinationOf reads a priority or a partition; null is none.
func destinationOf(m merger, hi int64) *int {
	if m.null() {
		return nil
	}
	return new(int(m.int(0, hi)))
}

// maxMerged is how many headers one change of a schedule may name, those that it takes away among them.
const maxMerged = 1000

// mergeHeaders reads headers by name; a null takes one away, or all.
func mergeHeaders(m merger, r *queue.ScheduleRecord, named map[string]bool, read func() []byte) {
	if m.null() {
		r.Headers = nil
		return
	}
	m.object(func(name []byte) bool {
		header, f := headerName(string(name))
		if f != nil {
			m.fail(f)
			return true
		}
		if named[header] {
			m.fail(invalid("the header %q is given twice; case does not count", header))
			return true
		}
		if len(named) == maxMerged {
			m.fail(invalid("more than %d headers in one change", maxMerged))
			return true
		}
		named[header] = true
		r.Headers = slices.DeleteFunc(r.Headers, func(h record.Header) bool { return h.Name == header })
		if !m.null() {
			r.Headers = append(r.Headers, record.Header{Name: header, Value: present(bytes.Clone(read()))})
		}
		return true
	})
}

// appendSchedule appends one schedule.
func (e *encoder) appendSchedule(s *queue.ScheduleInfo) {
	e.raw(`{"name":`)
	e.string(s.Name)
	e.raw(`,"cron":`)
	e.string(s.Config.Cron)
	if s.Config.Zone != "" {
		e.raw(`,"zone":`)
		e.string(s.Config.Zone)
	}
	e.raw(`,"topic":`)
	e.string(s.Config.Topic)
	e.raw(`,"record":{`)
	r := &s.Config.Record
	e.content(r.Key, r.Headers, r.Value)
	if r.TTL > 0 {
		e.raw(`,"ttl":`)
		e.string(api.Duration(r.TTL).String())
	}
	e.destination(r.Priority, r.Partition)
	e.raw(`},"catch_up":`)
	e.string(string(s.Config.CatchUp))
	e.raw(`,"created_at":`)
	e.time(s.CreatedAt)
	e.timeIf(`,"last_at":`, s.LastAt)
	e.timeIf(`,"next_at":`, s.NextAt)
	e.raw("}")
}

// timeIf appends a field that has a time.
func (e *encoder) timeIf(name string, t time.Time) {
	if !t.IsZero() {
		e.raw(name)
		e.time(t)
	}
}
