package blackbox_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// obj is a JSON object of a request.
type obj = map[string]any

// list is a JSON array of a request.
type list = []any

// callLimit is above the longest wait a test asks for.
const callLimit = 100 * time.Second

// client calls one server and fails its test when a call does not come about.
type client struct {
	t    testing.TB
	s    *server
	http *http.Client
}

func newClient(t testing.TB, s *server) client {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return client{t, s, &http.Client{
		Transport: transport,
		Timeout:   callLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// answer is a whole HTTP response and what it answers.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// problem is an RFC 9457 body.
type problem struct {
	Type         string       `json:"type"`
	Title        string       `json:"title"`
	Status       int          `json:"status"`
	Detail       string       `json:"detail"`
	Code         string       `json:"code"`
	RequestID    string       `json:"request_id"`
	RetryAfterMS int          `json:"retry_after_ms"`
	StartOffset  *int64       `json:"start_offset"`
	EndOffset    *int64       `json:"end_offset"`
	Failed       []failedItem `json:"failed"`
}

// encode turns a request body into bytes: strings and bytes as they are,
// anything else as JSON.
func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(b), nil
	case []byte:
		return b, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return buf.Bytes(), err
}

// scraping is held while metrics are asked for: a server refuses more than four
// who do at once, and more tests than that run on one.
var scraping sync.Mutex

// send makes one call. Headers are name, value pairs; the content type of a
// body is JSON unless they say otherwise, an empty one removes it.
func (c client) send(ctx context.Context, method, path string, body any, header ...string) (answer, error) {
	if path == "/metrics" {
		scraping.Lock()
		defer scraping.Unlock()
	}
	data, err := encode(body)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.s.addr+path, bytes.NewReader(data))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	setHeaders(req, header)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	what := fmt.Sprintf("%s %s %s", method, path, clip(data))
	return answer{c.t, what, resp.StatusCode, resp.Header, got}, err
}

func setHeaders(req *http.Request, header []string) {
	for i := 0; i+1 < len(header); i += 2 {
		switch name, value := header[i], header[i+1]; {
		case strings.EqualFold(name, "Host"):
			req.Host = value
		case value == "":
			req.Header.Del(name)
		case strings.EqualFold(name, "Content-Type"):
			req.Header.Set(name, value)
		default:
			req.Header.Add(name, value)
		}
	}
}

// clip shortens bytes for a failure's text.
func clip(b []byte) string {
	const shown = 300
	if len(b) <= shown {
		return string(bytes.TrimSpace(b))
	}
	return fmt.Sprintf("%s… (%d bytes)", b[:shown], len(b))
}

// call makes one call that must be answered, whatever the answer.
func (c client) call(method, path string, body any, header ...string) answer {
	c.t.Helper()
	a, err := c.send(context.Background(), method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (c client) get(path string) answer {
	c.t.Helper()
	return c.call("GET", path, nil)
}

func (c client) post(path string, body any, header ...string) answer {
	c.t.Helper()
	return c.call("POST", path, body, header...)
}

func (c client) put(path string, body any, header ...string) answer {
	c.t.Helper()
	return c.call("PUT", path, body, header...)
}

func (c client) delete(path string) answer {
	c.t.Helper()
	return c.call("DELETE", path, nil)
}

// is requires the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.status, status, clip(a.body))
	}
	return a
}

// problem requires a complete problem with the status and code.
func (a answer) problem(status int, code string) problem {
	a.t.Helper()
	p := a.anyProblem()
	if a.status != status || p.Code != code {
		a.t.Errorf("%s: %d %s, want %d %s\n%s", a.what, a.status, p.Code, status, code, clip(a.body))
	}
	return p
}

// anyProblem requires a complete problem of whatever status and code.
func (a answer) anyProblem() problem {
	a.t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Errorf("%s: %d without a problem body: %v\n%s", a.what, a.status, err, clip(a.body))
		return p
	}
	if ct := a.header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
		a.t.Errorf("%s: %d with content type %q, want application/problem+json", a.what, a.status, ct)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || p.Code == "" || p.Status != a.status {
		a.t.Errorf("%s: %d: incomplete problem: %s", a.what, a.status, clip(a.body))
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("%s: request_id %q, X-Request-Id %q", a.what, p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

// into decodes the answer's JSON.
func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, clip(a.body))
	}
}

// object decodes the answer's JSON object.
func (a answer) object() obj {
	a.t.Helper()
	var o obj
	a.into(&o)
	return o
}

// wireRecord is a record as reads and leases answer it.
type wireRecord struct {
	Receipt       string            `json:"receipt"`
	Topic         string            `json:"topic"`
	Partition     int               `json:"partition"`
	Offset        int64             `json:"offset"`
	Key           *string           `json:"key"`
	KeyBase64     *string           `json:"key_base64"`
	Value         json.RawMessage   `json:"value"`
	Text          *string           `json:"text"`
	ValueBase64   *string           `json:"value_base64"`
	Tombstone     bool              `json:"tombstone"`
	Headers       map[string]string `json:"headers"`
	HeadersBase64 map[string]string `json:"headers_base64"`
	Timestamp     string            `json:"timestamp"`
	Attempt       int               `json:"attempt"`
	Deliveries    int               `json:"deliveries"`
	ExpiresAt     string            `json:"expires_at"`
	ExpiresInMS   int64             `json:"expires_in_ms"`
}

// bytes returns the value's bytes, JSON as it was answered.
func (r wireRecord) bytes() []byte {
	switch {
	case r.Value != nil:
		return r.Value
	case r.Text != nil:
		return []byte(*r.Text)
	case r.ValueBase64 != nil:
		b, _ := base64.StdEncoding.DecodeString(*r.ValueBase64)
		return b
	}
	return nil
}

// key returns the key, and whether there is one.
func (r wireRecord) key() (string, bool) {
	switch {
	case r.Key != nil:
		return *r.Key, true
	case r.KeyBase64 != nil:
		b, _ := base64.StdEncoding.DecodeString(*r.KeyBase64)
		return string(b), true
	}
	return "", false
}

// place is where a published record went.
type place struct {
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Timestamp string `json:"timestamp"`
}

type published struct {
	Records []place  `json:"records"`
	Created []string `json:"created"`
}

type leased struct {
	Records []wireRecord `json:"records"`
	Created []string     `json:"created"`
}

type page struct {
	Records     []wireRecord `json:"records"`
	NextOffset  int64        `json:"next_offset"`
	StartOffset int64        `json:"start_offset"`
	EndOffset   int64        `json:"end_offset"`
}

type failedItem struct {
	Receipt string `json:"receipt"`
	Code    string `json:"code"`
}

type settled struct {
	Settled int          `json:"settled"`
	Failed  []failedItem `json:"failed"`
}

type topicView struct {
	Name       string          `json:"name"`
	Config     json.RawMessage `json:"config"`
	CreatedAt  string          `json:"created_at"`
	Groups     []topicGroup    `json:"groups"`
	Partitions []struct {
		Partition   int   `json:"partition"`
		Lane        *int  `json:"lane"`
		StartOffset int64 `json:"start_offset"`
		EndOffset   int64 `json:"end_offset"`
		Bytes       int64 `json:"bytes"`
	} `json:"partitions"`
}

type topicGroup struct {
	Group            string  `json:"group"`
	Kind             string  `json:"kind"`
	Lag              int64   `json:"lag"`
	HoldsBytes       *int64  `json:"holds_bytes"`
	OldestUnsettledA *string `json:"oldest_unsettled_at"`
}

type totals struct {
	Lag         int64 `json:"lag"`
	Available   int64 `json:"available"`
	Leased      int64 `json:"leased"`
	Deferred    int64 `json:"deferred"`
	DeadLetters int64 `json:"dead_letters"`
}

type sharePartition struct {
	Topic        string  `json:"topic"`
	Partition    int     `json:"partition"`
	StartOffset  int64   `json:"start_offset"`
	EndOffset    int64   `json:"end_offset"`
	LogEndOffset int64   `json:"log_end_offset"`
	Lag          int64   `json:"lag"`
	Available    int64   `json:"available"`
	Leased       int64   `json:"leased"`
	Deferred     int64   `json:"deferred"`
	Oldest       *string `json:"oldest_unsettled_at"`
}

type groupView struct {
	Name       string           `json:"name"`
	Kind       string           `json:"kind"`
	Topics     []string         `json:"topics"`
	Config     json.RawMessage  `json:"config"`
	CreatedAt  string           `json:"created_at"`
	Totals     totals           `json:"totals"`
	Partitions []sharePartition `json:"partitions"`
}

// topic reads a topic that must exist.
func (c client) topic(name string) (v topicView) {
	c.t.Helper()
	c.get("/v1/topics/" + name).is(200).into(&v)
	return v
}

// group reads a group that must exist.
func (c client) group(name string) (v groupView) {
	c.t.Helper()
	c.get("/v1/groups/" + name).is(200).into(&v)
	return v
}

// makeTopic creates a topic.
func (c client) makeTopic(name string, config obj) string {
	c.t.Helper()
	c.put("/v1/topics/"+name, config).is(201)
	return name
}

// makeGroup creates a share group.
func (c client) makeGroup(name string, config obj) string {
	c.t.Helper()
	c.put("/v1/groups/"+name, config).is(201)
	return name
}

// publish stores the records in one request.
func (c client) publish(topic string, records ...obj) published {
	c.t.Helper()
	var p published
	c.post("/v1/topics/"+topic+"/records", obj{"records": records}).is(200).into(&p)
	if len(p.Records) != len(records) {
		c.t.Fatalf("publish to %s: %d places for %d records", topic, len(p.Records), len(records))
	}
	return p
}

// read gets one page of a partition; query continues the offset.
func (c client) read(topic string, partition int, query string) page {
	c.t.Helper()
	var p page
	c.get(fmt.Sprintf("/v1/topics/%s/partitions/%d/records?%s", topic, partition, query)).is(200).into(&p)
	return p
}

// readAll gets a whole partition.
func (c client) readAll(topic string, partition int) []wireRecord {
	c.t.Helper()
	var all []wireRecord
	next := "earliest"
	for {
		p := c.read(topic, partition, "offset="+next+"&max=1000")
		all = append(all, p.Records...)
		if p.NextOffset >= p.EndOffset {
			return all
		}
		if len(p.Records) == 0 {
			c.t.Fatalf("read %s/%d at %s: empty page before the end: %+v", topic, partition, next, p)
		}
		next = fmt.Sprint(p.NextOffset)
	}
}

var names atomic.Int64

// unique gives a name that no other test of this run has.
func unique(base string) string {
	return fmt.Sprintf("%s-%d", base, names.Add(1))
}

// inParallel runs f n times at once and waits for all.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
