package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/holtmq/holt/client/api"
)

// Group is a group and the version of it.
type Group struct {
	api.Group
	ETag string `json:"-"`
}

// PutGroup creates group or changes it. change is what marshals to an object of group configuration: an
// api.GroupChange, a map, a json.RawMessage; nil changes nothing. It merges, and null gives a default back; topics
// are the whole list.
func (c *Client) PutGroup(ctx context.Context, group string, change any, opts ...PutOption) (Group, error) {
	var out Group
	h, err := c.put(ctx, path("groups", group), change, &out.Group, opts)
	out.ETag = h.Get("ETag")
	return out, err
}

// Group returns one group with its progress.
func (c *Client) Group(ctx context.Context, group string) (Group, error) {
	var out Group
	h, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group)}, &out.Group)
	out.ETag = h.Get("ETag")
	return out, err
}

// GroupSummary returns one group without what there is of each partition: Partitions, and what members of an ordered group hold. However many partitions there are, it
// costs the same.
func (c *Client) GroupSummary(ctx context.Context, group string) (Group, error) {
	var out Group
	h, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group), query: noPartitions()}, &out.Group)
	out.ETag = h.Get("ETag")
	return out, err
}

func noPartitions() url.Values { return url.Values{"partitions": {"false"}} }

// Groups iterates over all groups. The last pair holds the error, if there was one.
func (c *Client) Groups(ctx context.Context) iter.Seq2[api.Group, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Group, string, error) {
		var out api.GroupList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// GroupSummaries is Groups with a GroupSummary of each.
func (c *Client) GroupSummaries(ctx context.Context) iter.Seq2[api.Group, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Group, string, error) {
		q.Set("partitions", "false")
		var out api.GroupList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// DeleteGroup deletes group and its progress. With running leases, members or open dead letters that takes force.
func (c *Client) DeleteGroup(ctx context.Context, group string, force bool) error {
	return c.delete(ctx, path("groups", group), force)
}

// PauseGroup stops handing out group's records. Settles go on.
func (c *Client) PauseGroup(ctx context.Context, group string) error {
	return c.post(ctx, path("groups", group, "pause"), struct{}{}, nil)
}

// ResumeGroup ends a pause.
func (c *Client) ResumeGroup(ctx context.Context, group string) error {
	return c.post(ctx, path("groups", group, "resume"), struct{}{}, nil)
}

// ResetGroup moves group's progress, or with DryRun says what it would move.
func (c *Client) ResetGroup(ctx context.Context, group string, r api.ResetRequest) (api.ResetResponse, error) {
	var out api.ResetResponse
	err := c.post(ctx, path("groups", group, "reset"), r, &out)
	return out, err
}

// Info returns the server's version and limits.
func (c *Client) Info(ctx context.Context) (api.ServerInfo, error) {
	var out api.ServerInfo
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("info")}, &out)
	return out, err
}

// Ready is nil while the server can serve calls: its store is open, and it is not shutting down. It needs no token.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.Readiness(ctx)
	return err
}

// Readiness is Ready that also says whether a server which can serve calls has too little space for publishes.
func (c *Client) Readiness(ctx context.Context) (api.Readiness, error) {
	var out api.Readiness
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/readyz"}, &out)
	return out, err
}
