package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// Whatever happens, what records hold, tokens and receipts stay out of the log, at every level.
func TestLogKeepsSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		b, err := queue.Open(t.Context(), memory.New(memory.Config{}), queue.Config{Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		const token = "secret-token-0123456789"
		s := &spy{Broker: b}
		a, err := New(s, Config{Log: logger, Tokens: []Token{{token, AllRights}}})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{API: a, t: t, broker: b, spy: s, log: &log}
		call := func(method, path, body string, headers ...string) answer {
			return h.call(method, path, body, append(headers, "Authorization", "Bearer "+token)...)
		}
		call("PUT", "/v1/groups/g", `{"max_attempts":1}`).is(201)
		const record = `{"key":"secret-key","value":"secret-value","headers":{"secret-header":"secret-header-value"},"id":"secret-id"}`
		call("POST", "/v1/topics/t/records", record, "Content-Type", "application/json").is(200)
		call("POST", "/v1/topics/t/records", "secret-raw", "Holt-Key", "secret-raw-key").is(200)
		call("POST", "/v1/topics/t/records", `{"value":"secret-value","bogus":1}`, "Content-Type", "application/json").is(400)
		leased := into[api.LeaseResponse](call("POST", "/v1/groups/g/lease", `{"topics":["t"],"max":2,"request":"secret-request"}`).is(200)).Records
		receipts := []string{leased[0].Receipt, leased[1].Receipt}
		call("POST", "/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q,"error":"secret-error"}`, receipts[0])).is(200)
		time.Sleep(time.Minute) // the other one expires and dies
		call("POST", "/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, receipts[1])).is(409)
		call("POST", "/v1/groups/g/ack", `{"receipt":"secret-forged"}`).is(409)
		h.call("GET", "/v1/topics?token=secret-query-token", "", "Authorization", "Bearer secret-wrong-token").is(401)
		call("GET", "/v1/topics/t/partitions/0/records?token="+token, "").is(400)
		s.publish = func([]queue.Message) error { return errors.New("the disk is on fire") }
		call("POST", "/v1/topics/t/records", record, "Content-Type", "application/json").is(500)
		s.publish = func([]queue.Message) error { panic("a bug") }
		call("POST", "/v1/topics/t/records", record, "Content-Type", "application/json").is(500)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for _, secret := range append(receipts, "secret-") {
			if i := strings.Index(log.String(), secret); i >= 0 {
				t.Errorf("the log has %q: %s", secret, log.String()[max(0, i-200):min(log.Len(), i+200)])
			}
		}
		for _, line := range []string{`"msg":"request"`, `"msg":"request not served"`, `"msg":"panic in a handler"`, "the disk is on fire", `"status":401`} {
			if !strings.Contains(log.String(), line) {
				t.Errorf("the log has no %s: %s", line, log.String())
			}
		}
	})
}

// Without debug a request that goes well says nothing.
func TestLogIsQuiet(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://localhost/nowhere", nil))
		if h.log.Len() > 0 {
			t.Errorf("log: %s", h.log)
		}
	})
}
