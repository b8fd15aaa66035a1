package httpapi

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// realHouse is an API behind a real listener, outside a bubble, for commands of a shell.
type realHouse struct {
	api    *API
	server *httptest.Server
}

func newRealHouse(t *testing.T) *realHouse {
	t.Helper()
	b, err := queue.Open(t.Context(), memory.New(memory.Config{}), queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	letters := dlq.New(b, nil)
	api, err := New(b, Config{DeadLetters: letters})
	if err != nil {
		t.Fatal(err)
	}
	w := &realHouse{api, httptest.NewServer(api)}
	t.Cleanup(func() {
		b.Stop()
		w.server.Close()
		letters.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// house is the same for calls without a network.
func (w *realHouse) house(t *testing.T) *house { return &house{API: w.api, t: t} }

// form posts a form of the console as htmx does, and parses what comes back.
func (w *realHouse) form(t *testing.T, path string, form url.Values) page {
	t.Helper()
	r := httptest.NewRequest("POST", w.server.URL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("HX-Request", "true")
	r.Header.Set("HX-Current-URL", w.server.URL+"/proxy/console/groups/g/leases?sort=x")
	a := w.house(t).do(r)
	if a.status != 200 {
		t.Fatalf("%s: %d: %s", path, a.status, a.body)
	}
	return parsePage(t, path, a)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
