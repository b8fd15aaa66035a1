package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/holtmq/holt/client/api"
)

// ReadOptions say what to read of a partition. Reading never leases or counts.
type ReadOptions struct {
	From     string        // an offset, "earliest", "latest" or an RFC 3339 time; "" = earliest
	Max      int           // records; 0 = the server's choice
	MaxBytes int64         // 0 = the server's limit
	Wait     time.Duration // at the end: how long to wait for more; ≤ 60 s
}

// Page is one answer of Read.
type Page struct {
	Records    []*Record
	NextOffset int64 // where to read on
	Start, End int64 // of the partition
}

// Read returns records of one partition, in order. At the partition's end the page is empty.
func (c *Client) Read(ctx context.Context, topic string, partition int, o ReadOptions) (Page, error) {
	if o.From == "" {
		o.From = "earliest"
	}
	q := url.Values{"offset": {o.From}}
	if o.Max > 0 {
		q.Set("max", strconv.Itoa(o.Max))
	}
	if o.MaxBytes > 0 {
		q.Set("max_bytes", strconv.FormatInt(o.MaxBytes, 10))
	}
	if o.Wait > 0 {
		q.Set("wait", api.Duration(o.Wait).String())
	}
	var out api.ReadResponse
	r := request{
		method: http.MethodGet, query: q,
		path: path("topics", topic, "partitions", strconv.Itoa(partition), "records"),
	}
	if _, err := c.call(ctx, r, &out); err != nil {
		return Page{}, err
	}
	p := Page{Records: make([]*Record, len(out.Records)), NextOffset: out.NextOffset, Start: out.StartOffset, End: out.EndOffset}
	for i := range out.Records {
		rec, err := stored(topic, &out.Records[i])
		if err != nil {
			return Page{}, err
		}
		p.Records[i] = rec
	}
	return p, nil
}

// ReadOne returns the record at an offset.
func (c *Client) ReadOne(ctx context.Context, topic string, partition int, offset int64) (*Record, error) {
	var out api.Record
	r := request{
		method: http.MethodGet,
		path:   path("topics", topic, "partitions", strconv.Itoa(partition), "records", strconv.FormatInt(offset, 10)),
	}
	if _, err := c.call(ctx, r, &out); err != nil {
		return nil, err
	}
	return stored(topic, &out)
}

// Records reads a partition from o.From to where it ends now; with o.Wait it never ends by itself but waits for more.
// The last pair holds the error, if there was one.
func (c *Client) Records(ctx context.Context, topic string, partition int, o ReadOptions) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		end := int64(-1) // where the partition ended at the first page
		for {
			page, err := c.Read(ctx, topic, partition, o)
			if err != nil {
				yield(nil, fmt.Errorf("read %s/%d: %w", topic, partition, err))
				return
			}
			if end < 0 {
				end = page.End
			}
			for _, r := range page.Records {
				if o.Wait <= 0 && r.Offset >= end {
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			if o.Wait <= 0 && (page.NextOffset >= end || len(page.Records) == 0) {
				return
			}
			o.From = strconv.FormatInt(page.NextOffset, 10)
		}
	}
}
