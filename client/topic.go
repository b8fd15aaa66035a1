package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/holtmq/holt/client/api"
)

// PutOption is a condition of a PUT, or Force.
type PutOption func(*request)

// IfNew makes a PUT create only: what exists is ErrPreconditionFailed.
func IfNew() PutOption { return func(r *request) { r.header.Set("If-None-Match", "*") } }

// IfMatch makes a PUT change only the version that a GET gave this ETag; "" is no condition.
func IfMatch(etag string) PutOption {
	return func(r *request) {
		if etag != "" {
			r.header.Set("If-Match", etag)
		}
	}
}

// Force makes PutTopic grow a topic that a group reads in key order, which moves keys; without it that is ErrTopicInUse.
func Force() PutOption { return func(r *request) { r.query = url.Values{"force": {"true"}} } }

// Topic is a topic and the version of it.
type Topic struct {
	api.Topic
	ETag string `json:"-"`
}

// PutTopic creates topic or changes it. change is what marshals to an object of topic configuration: an
// api.TopicChange, a map, a json.RawMessage; nil changes nothing. It merges, and null gives a default back.
func (c *Client) PutTopic(ctx context.Context, topic string, change any, opts ...PutOption) (Topic, error) {
	var out Topic
	h, err := c.put(ctx, path("topics", topic), change, &out.Topic, opts)
	out.ETag = h.Get("ETag")
	return out, err
}

// Topic returns one topic.
func (c *Client) Topic(ctx context.Context, topic string) (Topic, error) {
	var out Topic
	h, err := c.call(ctx, request{method: http.MethodGet, path: path("topics", topic)}, &out.Topic)
	out.ETag = h.Get("ETag")
	return out, err
}

// Topics iterates over all topics. The last pair holds the error, if there was one.
func (c *Client) Topics(ctx context.Context) iter.Seq2[api.Topic, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Topic, string, error) {
		var out api.TopicList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("topics"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// DeleteTopic deletes topic and its records. While groups read it, that takes force.
func (c *Client) DeleteTopic(ctx context.Context, topic string, force bool) error {
	return c.delete(ctx, path("topics", topic), force)
}

func (c *Client) put(ctx context.Context, path string, change, out any, opts []PutOption) (http.Header, error) {
	r := request{method: http.MethodPut, path: path, header: http.Header{}, body: []byte("{}")}
	if change != nil {
		var err error
		if r.body, err = encode(change); err != nil {
			return nil, err
		}
	}
	for _, o := range opts {
		o(&r)
	}
	return c.call(ctx, r, out)
}

func (c *Client) delete(ctx context.Context, path string, force bool) error {
	r := request{method: http.MethodDelete, path: path}
	if force {
		r.query = url.Values{"force": {"true"}}
	}
	_, err := c.call(ctx, r, nil)
	return err
}

// list pages through a list.
func list[T any](ctx context.Context, page func(context.Context, url.Values) ([]T, string, error)) iter.Seq2[T, error] {
	const limit = "1000"
	return func(yield func(T, error) bool) {
		q := url.Values{"limit": {limit}}
		for {
			items, next, err := page(ctx, q)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.Set("cursor", next)
		}
	}
}
