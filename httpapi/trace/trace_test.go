package trace

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	c := Parse(parent, "vendor=1,other=2")
	if !c.Valid() || !c.Sampled() || c.Parent() != parent || c.State != "vendor=1,other=2" {
		t.Errorf("%+v", c)
	}
	if c := Parse("cc"+parent[2:]+"-more", ""); !c.Valid() || c.Parent() != parent {
		t.Errorf("a later version: %+v", c)
	}
	for _, bad := range []string{
		"", "00", parent[:54], parent + "-more", parent + "0", "ff" + parent[2:], "cc" + parent[2:] + "more", strings.ToUpper(parent),
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	} {
		if c := Parse(bad, "a=1"); c.Valid() || c != (Context{}) {
			t.Errorf("%q is %+v", bad, c)
		}
	}
	for _, bad := range []string{"a=\n", "a=é", strings.Repeat("x", maxState+1)} {
		if c := Parse(parent, bad); !c.Valid() || c.State != "" {
			t.Errorf("with the state %.20q: %+v", bad, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(parent, "a=1")
	f.Fuzz(func(t *testing.T, p, s string) {
		if c := Parse(p, s); c.Valid() && Parse(c.Parent(), c.State) != c {
			t.Errorf("%q, %q", p, s)
		}
	})
}

// collector is a transport that takes what is sent to it, or says no.
type collector struct {
	requests []*otlp.TracesData
	paths    []string
	status   int
	hang     bool
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	data := &otlp.TracesData{}
	if err := proto.Unmarshal(body, data); err != nil {
		return nil, err
	}
	c.requests, c.paths = append(c.requests, data), append(c.paths, r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type"))
	return &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Body: http.NoBody}, nil
}

// running gives a tracer that runs until fn returns.
func running(t *testing.T, c *collector, fn func(tr *Tracer, log *strings.Builder)) {
	synctest.Test(t, func(t *testing.T) {
		log := &strings.Builder{}
		tr, err := New(Config{Endpoint: "http://collector:4318/", Version: "1", Client: &http.Client{Transport: c}, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { tr.Run(ctx); close(ended) }()
		fn(tr, log)
		cancel()
		<-ended
	})
}

func TestSpansAreSent(t *testing.T) {
	c := &collector{status: 200}
	running(t, c, func(tr *Tracer, _ *strings.Builder) {
		s := tr.Start(Publish, Parse(parent, "v=1"), time.Now())
		s.Topic, s.Count, s.Client, s.Request, s.Error = "emails", 3, "holt/1", "r-1", "backlog_full"
		time.Sleep(time.Millisecond)
		s.End()
		l := tr.Start(Lease, Context{}, time.Now())
		l.Group = "mailer"
		for range maxLinks + 1 {
			l.Link(s.Context)
		}
		l.Link(Context{})
		l.End()
		if tr.Start(Settle, Parse(strings.TrimSuffix(parent, "1")+"0", ""), time.Now()) != nil {
			t.Error("a span of a trace that nobody records")
		}
		time.Sleep(defaultEvery)
		synctest.Wait()
		if len(c.requests) != 1 || c.paths[0] != "POST http://collector:4318/v1/traces application/x-protobuf" {
			t.Fatalf("%v", c.paths)
		}
		spans := c.requests[0].ResourceSpans[0].ScopeSpans[0].Spans
		if len(spans) != 2 {
			t.Fatalf("%d spans", len(spans))
		}
		p := spans[0]
		if p.Name != "publish emails" || p.Kind != otlp.Span_SPAN_KIND_PRODUCER || string(p.ParentSpanId) != string(s.parent.Span[:]) || string(p.TraceId) != string(s.parent.Trace[:]) ||
			string(p.SpanId) == string(p.ParentSpanId) || p.TraceState != "v=1" || p.EndTimeUnixNano-p.StartTimeUnixNano != 1e6 || p.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR {
			t.Errorf("%v", p)
		}
		got := map[string]string{}
		for _, a := range p.Attributes {
			got[a.Key] = a.Value.GetStringValue()
		}
		for key, want := range map[string]string{
			"messaging.system": "holt", "messaging.operation.name": "publish", "messaging.operation.type": "send", "messaging.destination.name": "emails",
			"messaging.client.id": "holt/1", "holt.request_id": "r-1", "error.type": "backlog_full",
		} {
			if got[key] != want {
				t.Errorf("%s is %q, want %q", key, got[key], want)
			}
		}
		if l := spans[1]; l.Name != "lease mailer" || len(l.ParentSpanId) != 0 || len(l.Links) != maxLinks || string(l.Links[0].SpanId) != string(p.SpanId) {
			t.Errorf("%v", l)
		}
		tr.Start(Settle, Context{}, time.Now()).End() // goes with the end
	})
	if n := len(c.requests); n != 2 {
		t.Errorf("%d requests, want 2: what was queued at the end is lost", n)
	}
}

// A collector that takes nothing, or hangs, costs spans and nothing else.
func TestSpansAreForgotten(t *testing.T) {
	c := &collector{status: 503}
	running(t, c, func(tr *Tracer, log *strings.Builder) {
		for range 3 {
			tr.Start(Publish, Context{}, time.Now()).End()
			time.Sleep(defaultEvery + time.Second)
		}
		if sent, dropped := tr.Counts(); sent != 0 || dropped != 3 {
			t.Errorf("%d sent, %d dropped", sent, dropped)
		}
		if n := strings.Count(log.String(), "spans are not sent"); n != 1 {
			t.Errorf("%d complaints: %s", n, log)
		}
		synctest.Wait()
		c.hang = true
		tr.Start(Publish, Context{}, time.Now()).End()
		time.Sleep(defaultEvery)
		synctest.Wait() // it is sending now, and takes no more
		for range maxQueued + 7 {
			tr.Start(Publish, Context{}, time.Now()).End()
		}
		if _, dropped := tr.Counts(); dropped != 3+7 {
			t.Errorf("%d dropped", dropped)
		}
	})
}

func TestNoTracer(t *testing.T) {
	var tr *Tracer
	s := tr.Start(Publish, Context{}, time.Now())
	s.Link(Parse(parent, ""))
	s.End()
	if s != nil {
		t.Errorf("%+v", s)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a tracer without a collector")
	}
}
