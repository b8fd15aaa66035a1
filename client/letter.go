package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/holtmq/holt/client/api"
)

// DeadLetters iterates over the dead letters of group that a filter chooses, in the order of their deaths; without a state in it those that are open.
// The last pair holds the error, if there was one.
func (c *Client) DeadLetters(ctx context.Context, group string, f api.LetterFilter) iter.Seq2[api.Letter, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Letter, string, error) {
		letterQuery(q, f)
		var out api.LetterList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group, "dead-letters"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

func letterQuery(q url.Values, f api.LetterFilter) {
	for name, value := range map[string]string{
		"state": f.State, "reason": f.Reason, "error": f.Error, "fingerprint": f.Fingerprint, "topic": f.Topic, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Key != nil {
		q.Set("key", *f.Key)
	}
	if f.KeyBase64 != nil {
		q.Set("key_base64", *f.KeyBase64)
	}
}

// DeadLetter returns one dead letter, in any state, with stack and history.
func (c *Client) DeadLetter(ctx context.Context, group, id string) (api.Letter, error) {
	var out api.Letter
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group, "dead-letters", id)}, &out)
	return out, err
}

// DeadLetterSummary counts the dead letters that a filter chooses by fingerprint ("" too), error, reason, topic or key, the largest first.
func (c *Client) DeadLetterSummary(ctx context.Context, group string, f api.LetterFilter, by string) (api.LetterSummary, error) {
	q := url.Values{}
	letterQuery(q, f)
	if by != "" {
		q.Set("by", by)
	}
	var out api.LetterSummary
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("groups", group, "dead-letters", "summary"), query: q}, &out)
	return out, err
}

// maxLetterLine is how long one line of an export may be.
const maxLetterLine = 64 << 20

// ExportDeadLetters iterates over the dead letters that a filter chooses, with stacks and histories, in one answer. The last pair holds the error, if there was
// one: then some are missing.
func (c *Client) ExportDeadLetters(ctx context.Context, group string, f api.LetterFilter) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		body, err := c.exportLetters(ctx, group, f)
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, maxLetterLine)
		for lines.Scan() {
			if !json.Valid(lines.Bytes()) { // it broke off
				yield(nil, fmt.Errorf("%w: a line of the export is cut short", ErrAnswer))
				return
			}
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, transportError(ctx, err))
		}
	}
}

func (c *Client) exportLetters(ctx context.Context, group string, f api.LetterFilter) (io.ReadCloser, error) {
	q := url.Values{}
	letterQuery(q, f)
	res, err := c.open(ctx, request{method: http.MethodGet, path: path("groups", group, "dead-letters", "export"), query: q})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// RedriveLetter delivers one dead letter again, to its group alone or, if the edit says so, to its topic; the zero edit delivers it as it is. One that is not
// open is ErrDeadLetterNotFound.
func (c *Client) RedriveLetter(ctx context.Context, group, id string, edit api.RedriveEdit) (api.Redriven, error) {
	var out api.Redriven
	err := c.post(ctx, path("groups", group, "dead-letters", id, "redrive"), edit, &out)
	return out, err
}

// PreviewRedrive tells which dead letters a redrive would be about.
func (c *Client) PreviewRedrive(ctx context.Context, group string, r api.RedriveRequest) (api.RedrivePreview, error) {
	r.DryRun = true
	var out api.RedrivePreview
	err := c.post(ctx, path("groups", group, "dead-letters", "redrive"), r, &out)
	return out, err
}

// Redrive makes a job that delivers many dead letters again. It goes on by itself, across restarts of the server. Do not repeat a call whose outcome is unknown without
// looking at Redrives: another job would find nothing open, but would be there.
func (c *Client) Redrive(ctx context.Context, group string, r api.RedriveRequest) (api.Redrive, error) {
	r.DryRun = false
	var out api.Redrive
	err := c.post(ctx, path("groups", group, "dead-letters", "redrive"), r, &out)
	return out, err
}

// RedriveJob returns how far a job is, at once or when it has ended, at the latest after wait (≤ 60 s).
func (c *Client) RedriveJob(ctx context.Context, id string, wait time.Duration) (api.Redrive, error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", api.Duration(wait).String())
	}
	var out api.Redrive
	_, err := c.call(ctx, request{method: http.MethodGet, path: path("redrives", id), query: q}, &out)
	return out, err
}

// Redrives iterates over the jobs that the server remembers, the newest first. The last pair holds the error, if there was one.
func (c *Client) Redrives(ctx context.Context) iter.Seq2[api.Redrive, error] {
	return list(ctx, func(ctx context.Context, q url.Values) ([]api.Redrive, string, error) {
		var out api.RedriveList
		_, err := c.call(ctx, request{method: http.MethodGet, path: path("redrives"), query: q}, &out)
		return out.Items, out.NextCursor, err
	})
}

// CancelRedrive ends a job; what it has delivered stays delivered.
func (c *Client) CancelRedrive(ctx context.Context, id string) error {
	return c.delete(ctx, path("redrives", id), false)
}

// PurgeLetter gives one dead letter up for good. One that is not open is ErrDeadLetterNotFound.
func (c *Client) PurgeLetter(ctx context.Context, group, id string) error {
	return c.delete(ctx, path("groups", group, "dead-letters", id), false)
}

// PurgeLetters gives many up for good, and returns how many; with DryRun, how many it would be.
func (c *Client) PurgeLetters(ctx context.Context, group string, which api.LetterChoice) (int, error) {
	var out api.PurgeResponse
	err := c.post(ctx, path("groups", group, "dead-letters", "purge"), which, &out)
	return out.Purged, err
}
