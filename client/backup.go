package client

import (
	"context"
	"io"
	"net/http"
)

// Backup returns a copy of the whole server, to be read to its end and closed. It is whole only if it has its end mark: holt restore --check, or
// a restore, finds out.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: path("backup")})
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, problem(res)
	}
	return res.Body, nil
}
