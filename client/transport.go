package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
)

// request is one call of the HTTP API.
type request struct {
	method string
	path   string // escaped, below the base, as in "/v1/topics/emails"
	query  url.Values
	header http.Header
	body   []byte // JSON; nil: none
}

// path joins segments below /v1, each escaped.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// call sends r and decodes a 2xx answer into out (nil: the body is not looked at). It returns the answer's headers.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	h, body, err := c.fetch(ctx, r)
	if err != nil || out == nil {
		return h, err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrUnknown, ErrAnswer, err)
	}
	return h, nil
}

// open sends r and returns a 2xx answer, whose body the caller reads and closes.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(ctx, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, problem(res)
	}
	return res, nil
}

// fetch sends r and returns the headers and the body of a 2xx answer.
func (c *Client) fetch(ctx context.Context, r request) (http.Header, []byte, error) {
	res, err := c.open(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := readBody(res)
	switch {
	case err != nil:
		return nil, nil, transportError(ctx, err)
	case len(body) > maxAnswerBytes:
		return nil, nil, fmt.Errorf("%w: %w: longer than %d bytes", ErrUnknown, ErrAnswer, maxAnswerBytes)
	}
	return res.Header, body, nil
}

// readBody reads an answer, at once if its length is known: it may be many megabytes of batches.
func readBody(res *http.Response) ([]byte, error) {
	if n := res.ContentLength; n >= 0 && n <= maxAnswerBytes {
		body := make([]byte, n)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
}

// post sends in as JSON to path and decodes the answer into out.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path, body: body}, out)
	return err
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	target := c.base.Scheme + "://" + c.base.Host + c.base.EscapedPath() + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.body != nil {
		req.Header.Set("Content-Type", mediaJSON)
	}
	req.Header.Set("User-Agent", userAgent)
	if c.name != "" {
		req.Header.Set(headerClient, c.name)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	} else if u := c.base.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	return req, nil
}

// transportError tells a request that never left (ErrUnreachable) from one whose answer is missing (ErrUnknown).
// When the caller's context ended, its cause is wrapped, too.
func transportError(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address: the caller knows it, and it may hold a password
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
	}
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &op) && op.Op == "dial" || errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// problem reads an error answer. One that is not Holt's (a proxy's page) keeps its status and first words.
func problem(res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxProblemBytes))
	e := &Error{}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if media != mediaProblemJSON || json.Unmarshal(body, &e.Problem) != nil {
		e.Problem = api.Problem{Title: http.StatusText(res.StatusCode), Detail: firstWords(body)}
	}
	e.Status = res.StatusCode
	if e.RequestID == "" {
		e.RequestID = res.Header.Get("X-Request-Id")
	}
	if s, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 32); err == nil && s > 0 && e.RetryAfterMS == 0 {
		e.RetryAfterMS = s * 1000
	}
	return e
}

// firstWords is the start of a body that is no problem document, on one line.
func firstWords(body []byte) string {
	const most = 200
	if !utf8.Valid(body) {
		return ""
	}
	s := strings.Join(strings.Fields(string(body)), " ")
	return cut(s, most)
}

// cut shortens s to at most n bytes of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// encode writes v as JSON without HTML escapes: what is JSON already stays as it was written.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
