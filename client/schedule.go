package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/holtmq/holt/client/api"
)

// Scheduled iterates over the records of topic that wait for their time. The last pair holds the error, if there was one.
func (c *Client) Scheduled(ctx context.Context, topic string) iter.Seq2[api.ScheduledRecord, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.ScheduledRecord, string, error) {
		var out api.ScheduledList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("topics", topic, "scheduled"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// CancelScheduled takes a record back that is not due yet, by the id that its publish answered, and frees its ID. One
// that is unknown, was appended or cancelled is ErrRecordNotFound.
func (c *Client) CancelScheduled(ctx context.Context, topic, id string) error {
	return c.delete(ctx, path("topics", topic, "scheduled", id), false)
}

// RunScheduled appends a record now that is not due yet, by the id that its publish answered, and returns where it went.
// One that is unknown, was appended or cancelled is ErrRecordNotFound: after no answer, too, if the call had been heard.
func (c *Client) RunScheduled(ctx context.Context, topic, id string) (api.Published, error) {
	var out api.Published
	err := c.post(ctx, path("topics", topic, "scheduled", id, "run"), struct{}{}, &out)
	return out, err
}

// Schedule is a recurring schedule and the version of it.
type Schedule struct {
	api.Schedule
	ETag string `json:"-"`
}

// PutSchedule creates a recurring schedule or changes it. change is what marshals to an object of its fields: an
// api.ScheduleChange, a map, a json.RawMessage; nil changes nothing. It merges, and null gives a default back.
func (c *Client) PutSchedule(ctx context.Context, name string, change any, opts ...PutOption) (Schedule, error) {
	var out Schedule
	h, err := c.put(ctx, path("schedules", name), change, &out.Schedule, opts)
	out.ETag = h.Get("ETag")
	return out, err
}

// Schedule returns one recurring schedule.
func (c *Client) Schedule(ctx context.Context, name string) (Schedule, error) {
	var out Schedule
	h, err := c.call(ctx, request{method: http.MethodGet, path: path("schedules", name)}, &out.Schedule)
	out.ETag = h.Get("ETag")
	return out, err
}

// Schedules iterates over all recurring schedules. The last pair holds the error, if there was one.
func (c *Client) Schedules(ctx context.Context) iter.Seq2[api.Schedule, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Schedule, string, error) {
		var out api.ScheduleList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("schedules"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// DeleteSchedule ends a recurring schedule.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.delete(ctx, path("schedules", name), false)
}
