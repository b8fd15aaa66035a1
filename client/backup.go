package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Backup returns a copy of the whole server, to be read to its end and closed. It is whole only if it has its end mark: holt restore --check, or
// a restore, finds out.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	return c.backup(ctx, nil)
}

// ResumeBackup returns what is missing of a backup that broke off, behind the bytes that are there. moment is what the backup's head says of itself: opens and
// sequence with a dash between. For five minutes the server can go on with it; then, or after another one, it is api.PreconditionFailed.
func (c *Client) ResumeBackup(ctx context.Context, moment string, there int64) (io.ReadCloser, error) {
	return c.backup(ctx, url.Values{"moment": {moment}, "offset": {strconv.FormatInt(there, 10)}})
}

func (c *Client) backup(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	res, err := c.open(ctx, request{method: http.MethodGet, path: path("backup"), query: query})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
