package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// call is one request to the API: what a page reads, or what an action does.
type call struct {
	method, path string // the path is escaped
	query        url.Values
	body         []byte // JSON; nil = none
}

// get is the call that reads a path made of parts.
func get(query url.Values, parts ...string) call {
	return call{method: http.MethodGet, path: apiPath(parts...), query: query}
}

// summary reads a group without its partitions.
func summary(group string) call { return get(url.Values{"partitions": {"false"}}, "groups", group) }

// apiPath is "/v1/" and the parts, each escaped.
func apiPath(parts ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// target is the call's path and query.
func (c call) target() string {
	if len(c.query) == 0 {
		return c.path
	}
	return c.path + "?" + c.query.Encode()
}

// answer is what the API said: it implements http.ResponseWriter for calls within the process.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// refused is an answer of the API that is an error.
type refused struct{ problem api.Problem }

func (r *refused) Error() string { return r.problem.Detail }

// detached is a context that ends with its parent and carries none of its values: the API's router would take those of the outer request for its own.
type detached struct{ context.Context }

func (detached) Value(any) any { return nil }

// request makes a call's request on behalf of a session.
func (v *visit) request(ctx context.Context, c call) (*http.Request, error) {
	r, err := http.NewRequestWithContext(detached{ctx}, c.method, "http://localhost"+c.target(), bytes.NewReader(c.body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.method, c.path, err)
	}
	if c.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Holt-Client", "console")
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	return r, nil
}

// do makes a call. Its error is a *refused when the API refused it.
func (v *visit) do(c call) (*answer, error) {
	r, err := v.request(v.r.Context(), c)
	if err != nil {
		return nil, err
	}
	a := &answer{header: http.Header{}}
	v.c.cfg.API.ServeHTTP(a, r)
	if a.status >= 400 {
		p := &refused{}
		if json.Unmarshal(a.body.Bytes(), &p.problem) != nil || p.problem.Status == 0 {
			p.problem = api.Problem{Status: a.status, Title: http.StatusText(a.status), Detail: "the API answered " + http.StatusText(a.status)}
		}
		return a, p
	}
	return a, nil
}

// read makes a call and decodes its answer.
func read[T any](v *visit, c call) (out T, err error) {
	a, err := v.do(c)
	if err != nil {
		return out, err
	}
	if a.body.Len() == 0 {
		return out, nil
	}
	if err := json.Unmarshal(a.body.Bytes(), &out); err != nil {
		return out, fmt.Errorf("%s %s: %w", c.method, c.path, err)
	}
	return out, nil
}

// isCode tells whether an error is the API's with one of the codes.
func isCode(err error, codes ...api.Code) bool {
	var r *refused
	if !errors.As(err, &r) {
		return false
	}
	for _, c := range codes {
		if r.problem.Code == c {
			return true
		}
	}
	return false
}

// curl is the call as a command for a shell.
func (v *visit) curl(c call) string {
	words := []string{"curl"}
	if v.c.asks() {
		words = append(words, "-H", `"Authorization: Bearer $HOLT_TOKEN"`)
	}
	switch {
	case c.body != nil:
		words = append(words, "--json", quote(string(c.body)))
		if c.method != http.MethodPost {
			words = append(words, "-X", c.method)
		}
	case c.method != http.MethodGet:
		words = append(words, "-X", c.method)
	}
	return strings.Join(append(words, quote(v.origin()+c.target())), " ")
}

// origin is where the browser reaches the API.
func (v *visit) origin() string {
	scheme := "http"
	if v.secure() {
		scheme = "https"
	}
	prefix := v.r.Header.Get("X-Forwarded-Prefix")
	if !strings.HasPrefix(prefix, "/") || strings.HasPrefix(prefix, "//") {
		prefix = ""
	}
	return scheme + "://" + v.r.Host + strings.TrimSuffix(prefix, "/")
}

// secure tells whether the browser speaks TLS, to this server or to a proxy in front.
func (v *visit) secure() bool { return isSecure(v.r) }

func isSecure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// command is a command line of holt.
func command(words ...string) string {
	out := make([]string, 1, len(words)+1)
	out[0] = "holt"
	for _, w := range words {
		out = append(out, quote(w))
	}
	return strings.Join(out, " ")
}

// plain are the characters that no shell interprets.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-"

// quote makes a word of a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// jsonBody encodes the body of a call; v must be encodable.
func jsonBody(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("console: a body that is not JSON: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
