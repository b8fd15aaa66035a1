package client

import (
	"context"
	"net/http"

	"github.com/holtmq/holt/client/api"
)

// Topology tells who talks to whom: clients of the last 24 hours, topics, groups, and what goes between them.
func (c *Client) Topology(ctx context.Context) (api.Topology, error) {
	var out api.Topology
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("topology")}, &out)
	return out, err
}
