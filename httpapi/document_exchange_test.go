package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/holtmq/holt/client/api"
)

// seen is one exchange.
type seen struct {
	request  *http.Request
	sent     []byte // the request's body
	status   int
	header   http.Header
	received []byte
}

// check holds an exchange to the document.
func (d *openAPI) check(pattern string, e *seen) error {
	method := e.request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, ok := d.operation(method, pattern)
	if !ok {
		n, place := d.resolve(map[string]any{"$ref": "#/components/responses/Problem"}, "")
		return d.answer(n, place, e, nil)
	}
	v := op.response(e.status)
	place := op.place() + "/responses/" + strconv.Itoa(e.status)
	if v == nil {
		if e.status < 400 {
			return fmt.Errorf("%s answered %d, which is not described", op.name(), e.status)
		}
		v, place = op.node.at("responses")["default"], op.place()+"/responses/default"
	}
	n, place := d.resolve(v, place)
	if err := d.answer(n, place, e, op.codes()); err != nil {
		return fmt.Errorf("%s answered %d: %w", op.name(), e.status, err)
	}
	if e.status < 300 {
		if err := op.request(e); err != nil {
			return fmt.Errorf("%s took: %w", op.name(), err)
		}
	}
	return nil
}

// answer holds an answer to a response of the document.
func (d *openAPI) answer(n node, place string, e *seen, own []api.Code) error {
	for name := range n.at("headers") {
		header, at := d.resolve(n.at("headers")[name], place+"/headers/"+name)
		values := e.header.Values(name)
		if len(values) == 0 {
			if header["required"] == true {
				return fmt.Errorf("the header %s is missing", name)
			}
			continue
		}
		if err := d.schema(at + "/schema").Validate(scalar(header.at("schema"), values[0])); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	if e.request.Method == http.MethodHead {
		return nil
	}
	if n["content"] == nil {
		if len(e.received) > 0 {
			return fmt.Errorf("with a body of %d bytes", len(e.received))
		}
		return nil
	}
	if err := d.content(n, place, e.header.Get("Content-Type"), e.received, false); err != nil {
		return err
	}
	if e.status < 400 || !strings.HasPrefix(e.header.Get("Content-Type"), "application/problem+json") {
		return nil
	}
	var p api.Problem
	if err := json.Unmarshal(e.received, &p); err != nil {
		return err
	}
	if !d.common()[p.Code] && !slices.Contains(own, p.Code) {
		return fmt.Errorf("the code %s is not among x-codes", p.Code)
	}
	if d.codes()[p.Code] != e.status {
		return fmt.Errorf("the code %s belongs to %d", p.Code, d.codes()[p.Code])
	}
	return nil
}

// content holds a body to what is written of its media type.
func (d *openAPI) content(n node, place, header string, body []byte, wild bool) error {
	media, _, err := mime.ParseMediaType(header)
	if err != nil && !wild {
		return fmt.Errorf("content type %q: %w", header, err)
	}
	if n.at("content", media) == nil {
		if n.at("content", "*/*") == nil {
			return fmt.Errorf("content type %q is not described", media)
		}
		return nil // any bytes
	}
	at := place + "/content/" + strings.ReplaceAll(media, "/", "~1")
	switch {
	case n.at("content", media)["x-item-schema"] != nil:
		return d.lines(at+"/x-item-schema", body)
	case strings.HasSuffix(media, "json"):
		return d.json(at+"/schema", body)
	}
	return nil
}

// lines holds each line of a body to a schema.
func (d *openAPI) lines(place string, body []byte) error {
	for line := range bytes.Lines(body) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := d.json(place, line); err != nil {
			return fmt.Errorf("line %.80q: %w", line, err)
		}
	}
	return nil
}

func (d *openAPI) json(place string, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return d.schema(place).Validate(v)
}

// request holds a request that was served to the document.
func (op operation) request(e *seen) error {
	for name, values := range e.request.URL.Query() {
		p := op.param("query", name)
		if p == nil {
			return fmt.Errorf("the query parameter %s, which is not described", name)
		}
		if err := op.document.schema(p.schema).Validate(scalar(op.document.typed(p), values[0])); err != nil {
			return fmt.Errorf("the query parameter %s: %w", name, err)
		}
	}
	for name := range e.request.Header {
		if user, ok := strings.CutPrefix(name, "Holt-Header-"); ok && user != "" {
			name = "Holt-Header-NAME"
		}
		if strings.HasPrefix(name, headerPrefix) && name != clientHeader && op.param("header", name) == nil {
			return fmt.Errorf("the header %s, which is not described", name)
		}
	}
	return op.requestBody(e)
}

// typed is a parameter's schema with references followed, for its type.
func (d *openAPI) typed(p *param) node {
	n, _ := d.resolve(p.node["schema"], "")
	return n
}

func (op operation) requestBody(e *seen) error {
	if len(bytes.TrimSpace(e.sent)) == 0 {
		return nil
	}
	n := op.node.at("requestBody")
	if n == nil {
		return nil // not read
	}
	header, body := e.request.Header.Get("Content-Type"), e.sent
	if n.at("content", "*/*") == nil {
		header = "application/json" // whatever it says
	}
	if op.method != http.MethodPut && header == "application/json" {
		body = withoutNulls(body)
	}
	return op.document.content(n, op.place()+"/requestBody", header, body, true)
}

// withoutNulls leaves out members that are null, which are "not given", but for value.
func withoutNulls(body []byte) []byte {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return body
	}
	dropNulls(v)
	out, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return out
}

func dropNulls(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	case map[string]any:
		for name, e := range v {
			if name == "value" {
				continue
			}
			if e == nil {
				delete(v, name)
			}
			dropNulls(e)
		}
	}
}

// scalar reads a parameter or header as its schema says.
func scalar(schema node, text string) any {
	switch schema.text("type") {
	case "integer", "number":
		return json.Number(text)
	case "boolean":
		return text == "true"
	}
	return text
}

// held is the API with every exchange held to the document.
func held(t *testing.T, a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, rec := &bytes.Buffer{}, &recording{ResponseWriter: w}
		if r.Body != nil {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, sent), r.Body}
		}
		path := r.URL.Path
		if r.URL.RawPath != "" {
			path = r.URL.RawPath
		}
		a.ServeHTTP(rec, r)
		if strings.HasPrefix(path, "/console") { // pages, not the API
			return
		}
		match := chi.NewRouteContext()
		a.mux.Match(match, r.Method, path)
		e := &seen{request: r, sent: sent.Bytes(), status: rec.status, header: w.Header(), received: rec.body.Bytes()}
		if err := theDocument().check(match.RoutePattern(), e); err != nil {
			t.Errorf("%s %.200s: not as openapi.yaml has it: %v\nsent %.300s\nreceived %.300s", r.Method, r.URL.RequestURI(), err, e.sent, e.received)
		}
	})
}

// recording keeps what is written.
type recording struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recording) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recording) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recording) Unwrap() http.ResponseWriter { return r.ResponseWriter }
