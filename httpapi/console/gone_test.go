package console

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

// bare is a source that knows nothing; what is not asked for is not there.
type bare struct{ Source }

func (bare) Info() queue.Info { return queue.Info{} }

// serves runs a console over an API that is a function, and returns what a path answers.
func serves(t *testing.T, ctx context.Context, path string, api http.HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	return answers(t, New(Config{API: api, Source: bare{}}), ctx, path)
}

func answers(t *testing.T, c *Console, ctx context.Context, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, Base+path, nil))
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s: no answer", path)
	}
	return w
}

// Whoever leaves while an export looks through a topic ends it.
func TestExportEndsWithItsBrowser(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serves(t, ctx, "topics/t/export?text=none", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/records") {
			cancel()
			fmt.Fprintf(w, `{"records":[],"next_offset":%s,"start_offset":0,"end_offset":1000000}`, r.URL.Query().Get("offset"))
			return
		}
		fmt.Fprint(w, `{"name":"t","config":{},"partitions":[{"partition":0,"start_offset":0,"end_offset":1000000}]}`)
	})
}

// A tail of the API that breaks off ends the browser's, and not the process.
func TestTailThatBreaksOff(t *testing.T) {
	w := serves(t, t.Context(), "topics/t/tail/events", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic(http.ErrAbortHandler)
	})
	if !strings.Contains(w.Body.String(), "event: gone") {
		t.Errorf("answered %q", w.Body)
	}
}

// A slow browser does not keep a topic's large records in memory.
func TestTailHoldsFewBytes(t *testing.T) {
	s := &tailSource{header: http.Header{}, records: make(chan tailed, tailPending), began: make(chan struct{})}
	event := fmt.Appendf(nil, "id: 0:1\ndata: {\"partition\":0,\"offset\":1,\"text\":%q}\n\n", bytes.Repeat([]byte("x"), 1<<20))
	for range 64 {
		if _, err := s.Write(event); err != nil {
			t.Fatal(err)
		}
	}
	held := int64(0)
	for range len(s.records) {
		held += (<-s.records).size
	}
	if held == 0 || held > tailHeld || held != s.held.Load() || s.lost.Load() == 0 {
		t.Errorf("%d bytes wait, %d counted, %d records lost", held, s.held.Load(), s.lost.Load())
	}
	s.held.Store(0)
	if _, err := s.Write(bytes.Replace(event, []byte("xxxx"), bytes.Repeat([]byte("x"), tailHeld), 1)); err != nil || len(s.records) != 1 {
		t.Errorf("one that is too large waits alone: %d, %v", len(s.records), err)
	}
}

// The reference is shown once the API answers, though it did not at first.
func TestReferenceAfterAnError(t *testing.T) {
	down := true
	c := New(Config{Source: bare{}, API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "info: {version: v1}\n")
	})})
	if w := answers(t, c, t.Context(), "reference"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while it is down: %d", w.Code)
	}
	down = false
	if w := answers(t, c, t.Context(), "reference"); w.Code != http.StatusOK {
		t.Errorf("then: %d", w.Code)
	}
}
