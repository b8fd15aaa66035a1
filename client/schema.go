package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/holtmq/holt/client/api"
)

// Schema returns the schema that topic's values are checked by. ErrNotFound: it has none.
func (c *Client) Schema(ctx context.Context, topic string) (api.SchemaVersion, error) {
	var out api.SchemaVersion
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("topics", topic, "schema")}, &out)
	return out, err
}

// SchemaVersion returns one version of topic's schema.
func (c *Client) SchemaVersion(ctx context.Context, topic string, version int) (api.SchemaVersion, error) {
	var out api.SchemaVersion
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("topics", topic, "schema", "versions", strconv.Itoa(version))}, &out)
	return out, err
}

// SchemaVersions iterates over all versions of topic's schema, the oldest first. The last pair holds the error, if there was one.
func (c *Client) SchemaVersions(ctx context.Context, topic string) iter.Seq2[api.SchemaVersion, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.SchemaVersion, string, error) {
		var out api.SchemaVersionList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("topics", topic, "schema", "versions"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// CheckSchema asks what topic would say to a schema (nil: its own), and whether values match it. It changes nothing.
func (c *Client) CheckSchema(ctx context.Context, topic string, schema json.RawMessage, compatibility string, values ...json.RawMessage) (api.SchemaCheckResponse, error) {
	var out api.SchemaCheckResponse
	err := c.post(ctx, path("topics", topic, "schema", "check"), api.SchemaCheck{Schema: schema, SchemaCompatibility: compatibility, Values: values}, &out)
	return out, err
}
