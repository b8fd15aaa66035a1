package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/client/api"
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
		a, err := New(b, Config{Tokens: []Token{{good, AllRights}, {other, AllRights}}, Log: slog.New(slog.DiscardHandler)})
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
		if err := (Config{Tokens: []Token{{token, AllRights}}}).Validate(); err == nil {
			t.Errorf("%q was taken", token)
		}
	}
}

func TestParseToken(t *testing.T) {
	const secret = "0123456789abcdef"
	for line, want := range map[string]Rights{
		secret: AllRights, " " + secret + "\t": AllRights, secret + " read": Read, secret + "  publish\twork ": Publish | Work, secret + " work work": Work,
		secret + " read publish work manage": AllRights,
	} {
		if got, err := ParseToken(line); err != nil || got != (Token{secret, want}) {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"", secret + " all", secret + " Read", secret + " read,work", secret + " " + secret} {
		if _, err := ParseToken(line); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestRights calls every route with a token of each right: it is refused before anything is done, or it is not.
func TestRights(t *testing.T) {
	secrets := map[Rights]string{}
	var all []Token
	for i, name := range rightNames {
		secrets[1<<i] = name + "-0123456789abcdef"
		all = append(all, Token{secrets[1<<i], 1 << i})
	}
	inBubbleWith(t, queue.Config{}, Config{Tokens: all}, func(h *house) {
		fill := strings.NewReplacer("{topic}", "none", "{group}", "none", "{partition}", "0", "{offset}", "0", "{key}", "k", "{id}", "x", "{schedule}", "none", "{version}", "1")
		for _, rt := range h.table() {
			method, path, _ := strings.Cut(rt.name, " ")
			if rt.open || strings.HasSuffix(path, "/tail") || rt.name == "HEAD /v1/backup" { // the latter's headers come when the backup has begun
				continue
			}
			needs := Manage
			switch {
			case path == "/v1/info" || path == "/openapi.yaml" || path == "/asyncapi.yaml":
				needs = AllRights
			case path == "/v1/backup":
			case strings.Contains(path, "/schema"):
				needs = Read | Publish
			case strings.HasSuffix(path, "/offsets"), path == "/v1/groups/{group}":
				if method != "GET" && method != "HEAD" {
					break
				}
				needs = Read | Work
			case method == "GET" || method == "HEAD":
				needs = Read
			case rt.name == "POST /v1/topics/{topic}/records":
				needs = Publish
			case rt.name == "DELETE /v1/topics/{topic}/scheduled/{id}":
				needs = Publish | Manage
			case method == "POST" && slices.Contains(strings.Fields("lease settle ack nack release reject extend join poll heartbeat commit leave"), strings.TrimPrefix(path, "/v1/groups/{group}/")):
				needs = Work
			}
			for right, secret := range secrets {
				a := h.call(method, fill.Replace(path), `{"unknown":`, "Authorization", "Bearer "+secret)
				if refused := a.status == 403; refused != (right&needs == 0) {
					t.Errorf("%s with the right %v: %d %s", rt.name, right, a.status, a.body)
				} else if refused && method != "HEAD" {
					a.problem(403, api.Forbidden)
				}
			}
		}
	})
}

// TestRightOfSettleWithPublish: what a settle publishes asks for the right to publish, too; without it nothing is done.
func TestRightOfSettleWithPublish(t *testing.T) {
	const admin, worker, both = "admin-0123456789abcdef", "worker-0123456789abcdef", "both-0123456789abcdef"
	inBubbleWith(t, queue.Config{}, Config{Tokens: []Token{{admin, AllRights}, {worker, Work}, {both, Work | Publish}}}, func(h *house) {
		by := func(token, path, body string) answer {
			return h.call("POST", path, body, "Authorization", "Bearer "+token)
		}
		by(admin, "/v1/topics/in/records", `{"value":1}`).is(200)
		l := into[api.LeaseResponse](by(worker, "/v1/groups/g/lease", `{"topics":["in"]}`).is(200))
		settle := fmt.Sprintf(`{"ack":[%q],"publish":[{"topic":"out","records":[{"value":2}]}]}`, l.Records[0].Receipt)
		by(admin, "/v1/topics/out/records", `{"value":1}`).is(200)
		by(worker, "/v1/groups/g/settle", settle).problem(403, api.Forbidden)
		by(worker, "/v1/groups/g/lease", `{"settle":`+settle+`}`).problem(403, api.Forbidden)
		a := h.call("GET", "/v1/groups/g", "", "Authorization", "Bearer "+admin)
		if got := into[api.Group](a.is(200)).Totals.Leased; got != 1 {
			t.Errorf("%d leased after refused settles", got)
		}
		by(both, "/v1/groups/g/settle", settle).is(200)
	})
}
