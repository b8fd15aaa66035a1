package httpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/trace"
	"github.com/holtmq/holt/queue"
)

const (
	traceID    = "4bf92f3577b34da6a3ce929d0e0e4736"
	testParent = "00-" + traceID + "-00f067aa0ba902b7-01"
	ownParent  = "00-11111111111111111111111111111111-2222222222222222-00"
)

// leaseOne leases one record.
func (h *house) leaseOne(group string) api.LeasedRecord {
	h.t.Helper()
	records := into[api.LeaseResponse](h.post("/v1/groups/"+group+"/lease", `{"wait":"20s"}`).is(200)).Records
	if len(records) != 1 {
		h.t.Fatalf("leased %d records", len(records))
	}
	return records[0]
}

// A publish's context goes with its records to deliveries, later attempts, dead letters, and what a settle publishes.
func TestTraceContextIsCarried(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"],"max_attempts":2,"backoff":{"steps":["1s"]}}`).is(201)
		send := func(body string, headers ...string) {
			h.t.Helper()
			h.call("POST", "/v1/topics/t/records", body, headers...).is(200)
		}
		expect := func(what string, headers map[string]string, parent, state string) {
			h.t.Helper()
			if headers["traceparent"] != parent || headers["tracestate"] != state {
				t.Errorf("%s: %v", what, headers)
			}
		}
		send(`{"value":1,"headers":{"a":"b"}}`, "Content-Type", "application/json", "Traceparent", testParent, "Tracestate", "v=1", "Tracestate", "w=2")
		first := h.leaseOne("g")
		expect("delivery", first.Headers, testParent, "v=1,w=2")
		h.post("/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q}`, first.Receipt)).is(200)
		again := h.leaseOne("g")
		expect("second attempt", again.Headers, testParent, "v=1,w=2")
		h.post("/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q,"error":"no"}`, again.Receipt)).is(200)
		letter := into[api.ReadResponse](h.get("/v1/topics/g.dlq/partitions/0/records").is(200)).Records[0]
		expect("dead letter", letter.Headers, testParent, "v=1,w=2")
		h.post(letters+"/"+h.letters("").Items[0].ID+"/redrive", `{}`).is(200)
		redriven := h.leaseOne("g")
		expect("redrive", redriven.Headers, testParent, "v=1,w=2")
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, redriven.Receipt)).is(200)

		for name, c := range map[string]struct {
			body          string
			headers       []string
			parent, state string
		}{
			"none":              {`{"value":1}`, []string{"Content-Type", "application/json"}, "", ""},
			"not one":           {`{"value":1}`, []string{"Content-Type", "application/json", "Traceparent", "00-zz", "Tracestate", "v=1"}, "", ""},
			"own":               {`{"value":1,"headers":{"Traceparent":"` + ownParent + `"}}`, []string{"Content-Type", "application/json", "Traceparent", testParent, "Tracestate", "v=1"}, ownParent, ""},
			"raw":               {`x`, []string{"Traceparent", testParent}, testParent, ""},
			"raw with its own":  {`x`, []string{"Traceparent", testParent, "Holt-Header-Traceparent", ownParent}, ownParent, ""},
			"delayed":           {`{"value":1,"delay":"5s"}`, []string{"Content-Type", "application/json", "Traceparent", testParent}, testParent, ""},
			"no room":           {`{"value":1,"headers":{` + many(64) + `}}`, []string{"Content-Type", "application/json", "Traceparent", testParent}, "", ""},
			"room for a parent": {`{"value":1,"headers":{` + many(63) + `}}`, []string{"Content-Type", "application/json", "Traceparent", testParent}, testParent, ""},
			"no room for both":  {`{"value":1,"headers":{` + many(63) + `}}`, []string{"Content-Type", "application/json", "Traceparent", testParent, "Tracestate", "v=1"}, "", ""},
			"lines":             {"{\"value\":1}\n", []string{"Content-Type", "application/x-ndjson", "Traceparent", testParent}, testParent, ""},
			"too many bytes":    {`{"value":1,"headers":{"a":"` + strings.Repeat("x", 16<<10-20) + `"}}`, []string{"Content-Type", "application/json", "Traceparent", testParent}, "", ""},
		} {
			send(c.body, c.headers...)
			r := h.leaseOne("g")
			expect(name, r.Headers, c.parent, c.state)
			h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, r.Receipt)).is(200)
		}
		send(`{"value":1}`, "Content-Type", "application/json")
		r := h.leaseOne("g")
		h.call("POST", "/v1/groups/g/settle", fmt.Sprintf(`{"ack":[%q],"publish":[{"topic":"t","records":[{"value":2}]}]}`, r.Receipt), "Traceparent", testParent).is(200)
		r = h.leaseOne("g")
		expect("published by a settle", r.Headers, testParent, "")
		h.call("POST", "/v1/groups/g/lease", fmt.Sprintf(`{"settle":{"ack":[%q],"publish":[{"topic":"u","records":[{"value":3,"partition":0}]}]}}`, r.Receipt), "Traceparent", testParent).is(200)
		expect("published by a lease", into[api.ReadResponse](h.get("/v1/topics/u/partitions/0/records").is(200)).Records[0].Headers, testParent, "")
	})
}

// many is n headers of JSON.
func many(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"h%d":""`, i))
	}
	return strings.Join(out, ",")
}

// collector takes spans.
type collector struct{ spans []*otlp.Span }

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var data otlp.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		return nil, err
	}
	c.spans = append(c.spans, data.ResourceSpans[0].ScopeSpans[0].Spans...)
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

func TestSpansOfCalls(t *testing.T) {
	c := &collector{}
	tracer, err := trace.New(trace.Config{Endpoint: "http://collector", Client: &http.Client{Transport: c}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	inBubbleWith(t, queue.Config{}, Config{Tracer: tracer}, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		h.call("POST", "/v1/topics/t/records", `{"value":1}`, "Content-Type", "application/json", "Traceparent", testParent, "Holt-Client", "shop/2").is(200)
		r := h.leaseOne("g")
		h.post("/v1/groups/g/lease", `{}`).is(200) // gets nothing: no span
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, r.Receipt)).is(200)
		h.post("/v1/groups/g/ack", `{"receipt":"forged"}`).is(409)
		h.call("POST", "/v1/topics/t/records", `{"value":1}`, "Content-Type", "application/json", "Traceparent", strings.TrimSuffix(testParent, "1")+"0").is(200)
		if got := h.leaseOne("g").Headers["traceparent"]; got != strings.TrimSuffix(testParent, "1")+"0" {
			t.Errorf("a trace that is not sampled became %s", got)
		}
		ctx, cancel := context.WithCancel(h.t.Context())
		cancel()
		tracer.Run(ctx) // sends what is queued
		names := ""
		for _, s := range c.spans {
			names += s.Name + ", "
		}
		if names != "publish t, lease g, settle g, settle g, lease g, " {
			t.Fatal(names)
		}
		p, l := c.spans[0], c.spans[1]
		if fmt.Sprintf("%x", p.TraceId) != traceID || fmt.Sprintf("%x", p.ParentSpanId) != "00f067aa0ba902b7" {
			t.Errorf("publish: %v", p)
		}
		if want := fmt.Sprintf("00-%s-%x-01", traceID, p.SpanId); r.Headers["traceparent"] != want {
			t.Errorf("the record carries %s, want the publish's span %s", r.Headers["traceparent"], want)
		}
		if len(l.Links) != 1 || string(l.Links[0].SpanId) != string(p.SpanId) {
			t.Errorf("lease: %v", l)
		}
		if c.spans[2].Status != nil || c.spans[3].Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || !strings.Contains(c.spans[3].String(), "invalid_receipt") {
			t.Errorf("settles: %v, %v", c.spans[2], c.spans[3])
		}
		if body := h.get("/metrics").is(200).body; !strings.Contains(body, "\nholt_trace_spans_sent_total 5\n") {
			t.Error("metrics do not count spans")
		}
		synctest.Wait()
		time.Sleep(time.Second)
	})
}
