package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/holtmq/holt/client/api"
)

// publishLimit is what one request of Publish calls gathers, well below a server's own limits.
var publishLimit = limit{items: 1000, bytes: 4 << 20}

// Publish appends one record to topic and returns when it is on stable storage.
//
// Calls made at the same time share requests. A record that the server refuses fails its own call only. After
// ErrUnknown, publish it again with the same ID and nothing is stored twice.
func (c *Client) Publish(ctx context.Context, topic string, value Value, opts ...RecordOption) error {
	_, err := c.PublishPlace(ctx, topic, value, opts...)
	return err
}

// PublishPlace is Publish that also says where the record went, or when it is due.
func (c *Client) PublishPlace(ctx context.Context, topic string, value Value, opts ...RecordOption) (api.Published, error) {
	r, err := NewRecord(value, opts...)
	if err != nil {
		return api.Published{}, err
	}
	b, err := encode(r)
	if err != nil {
		return api.Published{}, err
	}
	return c.publishes.do(ctx, topic, &call[[]byte, api.Published]{ask: b, items: 1, bytes: len(b)})
}

// PublishOptions are the options of PublishBatch.
type PublishOptions struct {
	// Wait is how long to wait for room in a topic that is over its max_backlog; 0 = fail at once.
	Wait time.Duration
}

// PublishBatch appends records to topic in one request: together or not at all. The answer is in their order.
func (c *Client) PublishBatch(ctx context.Context, topic string, records []api.NewRecord, o PublishOptions) (api.PublishResponse, error) {
	var out api.PublishResponse
	body, err := encode(api.PublishRequest{Records: records})
	if err != nil {
		return out, err
	}
	r := request{method: http.MethodPost, path: path("topics", topic, "records"), body: body}
	if o.Wait > 0 {
		r.query = url.Values{"wait": {api.Duration(o.Wait).String()}}
	}
	if _, err := c.call(ctx, r, &out); err != nil {
		return api.PublishResponse{}, err
	}
	return out, counted(len(out.Records), len(records))
}

// sendRecords publishes the records of several calls in one request.
func (c *Client) sendRecords(ctx context.Context, topic string, batch []*call[[]byte, api.Published]) {
	var body bytes.Buffer
	body.WriteString(`{"records":[`)
	for i, b := range batch {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(b.ask)
	}
	body.WriteString(`]}`)
	var out api.PublishResponse
	r := request{method: http.MethodPost, path: path("topics", topic, "records"), body: body.Bytes()}
	_, err := c.call(ctx, r, &out)
	if err == nil {
		err = counted(len(out.Records), len(batch))
	}
	if err != nil {
		if !c.publishes.split(ctx, topic, batch, err) {
			fail(batch, err)
		}
		return
	}
	for i, b := range batch {
		b.answer = out.Records[i]
	}
}

func counted(got, want int) error {
	if got != want {
		return fmt.Errorf("%w: %w: %d places for %d records", ErrUnknown, ErrAnswer, got, want)
	}
	return nil
}
