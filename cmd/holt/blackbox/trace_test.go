package blackbox_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Spans reach a collector, those of the last moment too, and a record carries the context of its publish.
func TestSpansReachACollector(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" && r.Header.Get("Content-Type") == "application/x-protobuf" {
			io.Copy(&got, r.Body)
		}
	}))
	defer collector.Close()
	s := newServer(t, "--otlp-endpoint", collector.URL)
	c := newClient(t, s)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	c.call("POST", "/v1/topics/spans/records", obj{"value": 1}, "Content-Type", "application/json", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01").is(200)
	leased := c.post("/v1/groups/tracers/lease", obj{"topics": list{"spans"}, "wait": "20s"}).is(200)
	if !bytes.Contains(leased.body, []byte(`"traceparent":"00-`+trace+"-")) || bytes.Contains(leased.body, []byte("00f067aa0ba902b7")) {
		t.Errorf("the record does not carry its publish's span: %s", leased.body)
	}
	s.terminate(t)
	mu.Lock()
	defer mu.Unlock()
	for _, name := range []string{"publish spans", "lease tracers", "messaging.system"} {
		if !bytes.Contains(got.Bytes(), []byte(name)) {
			t.Errorf("the collector got no %q in %d bytes", name, got.Len())
		}
	}
}
