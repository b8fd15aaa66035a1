package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/holtmq/holt/client/api"
)

// What others make of the document: a reader that is not ours.
func TestDocumentIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("it says that it is OpenAPI %s", doc.OpenAPI)
	}
}

// routesOf walks the router: "GET /v1/topics" and so on.
func routesOf(t *testing.T, mux chi.Routes) []string {
	var routes []string
	err := chi.Walk(mux, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+pattern)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	routes = slices.DeleteFunc(routes, func(r string) bool { return strings.Contains(r, " /console") }) // pages, not the API
	slices.Sort(routes)
	return routes
}

// Everything that is served is in the document, and the other way round.
func TestDocumentHasEveryRoute(t *testing.T) {
	inBubble(t, func(h *house) {
		served := routesOf(t, h.mux)
		var written []string
		ids := map[string]string{}
		for op := range theDocument().operations() {
			written = append(written, op.name())
			if op.method == http.MethodGet { // HEAD goes with it
				written = append(written, "HEAD "+op.pattern)
			}
			for _, field := range []string{"operationId", "summary", "tags", "responses"} {
				if op.node[field] == nil {
					t.Errorf("%s has no %s", op.name(), field)
				}
			}
			id, _ := op.node["operationId"].(string)
			if before, twice := ids[id]; twice {
				t.Errorf("operationId %s is of %s and %s", id, before, op.name())
			}
			ids[id] = op.name()
			op.checkPath(t)
		}
		slices.Sort(written)
		for _, r := range served {
			if !slices.Contains(written, r) {
				t.Errorf("openapi.yaml does not have %s", r)
			}
		}
		for _, r := range written {
			if !slices.Contains(served, r) {
				t.Errorf("openapi.yaml has %s, which is not served", r)
			}
		}
	})
}

// What a route takes in its query is in the document, and the other way round.
func TestDocumentHasEveryParameter(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, rt := range h.table() {
			method, pattern, _ := strings.Cut(rt.name, " ")
			op, ok := theDocument().operation(method, pattern)
			if !ok { // HEAD
				continue
			}
			var written []string
			for _, p := range op.params() {
				if p.text("in") == "query" {
					written = append(written, p.text("name"))
				}
			}
			taken := strings.Fields(rt.query)
			slices.Sort(taken)
			slices.Sort(written)
			if !slices.Equal(taken, written) {
				t.Errorf("%s takes %v, openapi.yaml has %v", rt.name, taken, written)
			}
		}
	})
}

// checkPath holds the parameters of the path to its pattern.
func (op operation) checkPath(t *testing.T) {
	for part := range strings.SplitSeq(op.pattern, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if ok && op.param("path", strings.TrimSuffix(name, "}")) == nil {
			t.Errorf("%s does not describe the parameter %s", op.name(), part)
		}
	}
	for _, p := range op.params() {
		if name := p.text("name"); p.text("in") == "path" && !strings.Contains(op.pattern, "{"+name+"}") {
			t.Errorf("%s has no %s in its path", op.name(), name)
		}
		if p.text("description") == "" {
			t.Errorf("%s does not say what the parameter %s is", op.name(), p.text("name"))
		}
	}
}

// Every code of the API is described with its status, no other is, each operation names codes that exist, and together they name all.
func TestDocumentHasEveryCode(t *testing.T) {
	d, known := theDocument(), codes(t)
	written := d.codes()
	for code, status := range known {
		if written[code] != status {
			t.Errorf("openapi.yaml has %s with %d, want %d", code, written[code], status)
		}
	}
	for code := range written {
		if known[code] == 0 {
			t.Errorf("openapi.yaml has the code %s, which client/api does not", code)
		}
	}
	answered := slices.Collect(maps.Keys(d.common()))
	for op := range d.operations() {
		for _, code := range op.codes() {
			if known[code] == 0 {
				t.Errorf("%s names the code %s, which there is not", op.name(), code)
			}
			if d.common()[code] {
				t.Errorf("%s names the code %s, which any call can meet", op.name(), code)
			}
			if !op.answers(known[code]) {
				t.Errorf("%s names the code %s but has no answer for %d", op.name(), code, known[code])
			}
			answered = append(answered, code)
		}
	}
	for _, r := range table {
		if !slices.Contains(answered, r.code) {
			t.Errorf("no operation names the code %s", r.code)
		}
	}
}

// answers tells whether an operation describes a status of its own; what stands under default may share a status with it.
func (op operation) answers(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusInternalServerError:
		return true
	}
	return op.response(status) != nil
}

func TestDocumentIsServed(t *testing.T) {
	inBubble(t, func(h *house) {
		a := h.get("/openapi.yaml").is(200)
		if a.body != string(document) || a.header.Get("Content-Type") != "application/yaml" {
			t.Errorf("%s: %.80q", a.header.Get("Content-Type"), a.body)
		}
		h.get("/openapi.yaml?format=json").problem(400, api.InvalidRequest)
	})
}

// The check itself refuses what the document does not have.
func TestDocumentCheckIsStrict(t *testing.T) {
	get := func(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }
	header := func(contentType string) http.Header {
		return http.Header{"X-Request-Id": {"r"}, "Content-Type": {contentType}, "Etag": {`"1"`}}
	}
	const paused = `{"paused":true}`
	problem := func(status int, code string) string {
		return fmt.Sprintf(`{"type":"urn:holt:problem:%[2]s","title":"t","status":%[1]d,"detail":"d","code":"%[2]s","request_id":"r"}`, status, code)
	}
	pause := func(body string) *http.Request {
		return httptest.NewRequest(http.MethodPost, "/v1/groups/g/pause", strings.NewReader(body))
	}
	for name, c := range map[string]struct {
		pattern string
		e       seen
		ok      bool
	}{
		"as it is":            {"/v1/groups/{group}/pause", seen{pause(""), nil, 200, header("application/json"), []byte(paused)}, true},
		"another field":       {"/v1/groups/{group}/pause", seen{pause(""), nil, 200, header("application/json"), []byte(`{"paused":true,"x":1}`)}, false},
		"another type":        {"/v1/groups/{group}/pause", seen{pause(""), nil, 200, header("application/json"), []byte(`{"paused":"true"}`)}, false},
		"another status":      {"/v1/groups/{group}/pause", seen{pause(""), nil, 201, header("application/json"), []byte(paused)}, false},
		"another media type":  {"/v1/groups/{group}/pause", seen{pause(""), nil, 200, header("text/plain"), []byte(paused)}, false},
		"no request id":       {"/v1/groups/{group}/pause", seen{pause(""), nil, 200, http.Header{"Content-Type": {"application/json"}}, []byte(paused)}, false},
		"a field taken":       {"/v1/groups/{group}/pause", seen{pause(""), []byte(`{"x":1}`), 200, header("application/json"), []byte(paused)}, false},
		"a parameter taken":   {"/healthz", seen{get("/healthz?x=1"), nil, 200, header("application/json"), []byte(`{"status":"up"}`)}, false},
		"a code of others":    {"/healthz", seen{get("/healthz"), nil, 409, header("application/problem+json"), []byte(problem(409, "lease_lost"))}, false},
		"a code of any call":  {"/healthz", seen{get("/healthz"), nil, 503, header("application/problem+json"), []byte(problem(503, "shutting_down"))}, true},
		"a code with another": {"/healthz", seen{get("/healthz"), nil, 500, header("application/problem+json"), []byte(problem(500, "shutting_down"))}, false},
	} {
		if err := theDocument().check(c.pattern, &c.e); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
