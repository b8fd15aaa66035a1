package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := queue.Open(t.Context(), memory.New(memory.Config{}), queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		const good, other = "0123456789abcdef", "fedcba9876543210"
		a, err := New(b, Config{Tokens: []string{good, other}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			path, header string
			want         int
		}{
			{"/healthz", "", 200}, {"/readyz", "", 200},
			{"/v1/topics", "", 401}, {"/metrics", "", 401}, {"/v1/info", "", 401}, {"/nowhere", "", 401},
			{"/v1/topics", "Bearer " + good, 200}, {"/v1/topics", "bearer " + other, 200}, {"/metrics", "Bearer " + good, 200},
			{"/v1/topics", "Bearer " + good[:15], 401}, {"/v1/topics", "Bearer " + good + "0", 401}, {"/v1/topics", "Bearer", 401},
			{"/v1/topics", "Basic " + good, 401}, {"/v1/topics", good, 401},
			{"/v1/topics?token=" + good, "", 401}, {"/v1/topics?access_token=" + good, "", 401},
		} {
			r := httptest.NewRequest(http.MethodGet, "http://localhost"+c.path, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%s with %q: %d, want %d: %s", c.path, c.header, w.Code, c.want, w.Body)
			}
			if c.want == 401 && (!strings.Contains(w.Body.String(), `"code":"unauthenticated"`) || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), good)) {
				t.Errorf("%s with %q: %s", c.path, c.header, w.Body)
			}
		}
	})
}

func TestTokensThatAreTooShortAreRefused(t *testing.T) {
	for _, token := range []string{"", "short", "with white space", "sixteen\tbytes.. "} {
		if err := (Config{Tokens: []string{token}}).Validate(); err == nil {
			t.Errorf("%q was taken", token)
		}
	}
}
