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

// Place names one record.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

// String is the place as in "emails/0/17".
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// GroupRecords iterates over the records of group that are in a state: available, leased or deferred. It leases
// nothing. The last pair holds the error, if there was one.
func (c *Client) GroupRecords(ctx context.Context, group, state string) iter.Seq2[api.GroupRecord, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.GroupRecord, string, error) {
		q.Set("state", state)
		var out api.GroupRecordList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group, "records"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// GroupRecord returns one record as group sees it, with what it waits for and its last attempts.
func (c *Client) GroupRecord(ctx context.Context, group string, p Place) (api.GroupRecordDetail, error) {
	var out api.GroupRecordDetail
	_, err := c.call(ctx, request{method: http.MethodGet, path: recordPath(group, p)}, &out)
	return out, err
}

// AckPlace settles an unsettled record without a receipt: done. A running lease on it is lost; a settled one is
// ErrAlreadySettled.
func (c *Client) AckPlace(ctx context.Context, group string, p Place) error {
	return c.post(ctx, recordPath(group, p, "ack"), struct{}{}, nil)
}

// ReleasePlace makes a deferred record available now, or ends the lease on it, without counting the attempt.
func (c *Client) ReleasePlace(ctx context.Context, group string, p Place) error {
	return c.post(ctx, recordPath(group, p, "release"), struct{}{}, nil)
}

// RejectPlace gives an unsettled record up: it becomes a dead letter. A running lease on it is lost; a settled one is
// ErrAlreadySettled.
func (c *Client) RejectPlace(ctx context.Context, group string, p Place) error {
	return c.post(ctx, recordPath(group, p, "reject"), struct{}{}, nil)
}

// ExtendPlace moves the deadline of the lease on a record to d from now (0 = the group's lease) and returns it; its holder goes on with the receipt it has.
// With no running lease it is ErrLeaseLost.
func (c *Client) ExtendPlace(ctx context.Context, group string, p Place, d time.Duration) (time.Time, error) {
	var in api.ExtendRecord
	if d != 0 {
		in.For = new(api.Duration(d))
	}
	var out api.ExtendedRecord
	err := c.post(ctx, recordPath(group, p, "extend"), in, &out)
	return time.Time(out.ExpiresAt), err
}

func recordPath(group string, p Place, verb ...string) string {
	at := []string{"groups", group, "records", p.Topic, strconv.Itoa(p.Partition), strconv.FormatInt(p.Offset, 10)}
	return path(append(at, verb...)...)
}
