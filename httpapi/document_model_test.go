package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/holtmq/holt/client/api"
)

// openAPI is the document as data. The schemas of OpenAPI 3.1 are JSON Schema 2020-12, so each is compiled once, by its place, and exchanges are
// held to it; a validator of whole requests would compile it for every one.
type openAPI struct {
	root     node
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

// node is an object of the document.
type node map[string]any

func (n node) at(names ...string) node {
	for _, name := range names {
		switch v := n[name].(type) {
		case node:
			n = v
		case map[string]any:
			n = v
		default:
			return nil
		}
	}
	return n
}

func (n node) text(name string) string {
	s, _ := n[name].(string)
	return s
}

const documentURL = "https://holt.invalid/openapi.json"

// theDocument is openapi.yaml with its objects closed: what a schema does not name must not come.
var theDocument = sync.OnceValue(func() *openAPI {
	var raw any
	if err := yaml.Unmarshal(document, &raw); err != nil {
		panic(err)
	}
	text, err := json.Marshal(raw)
	if err != nil {
		panic(err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	d := &openAPI{root: root.(map[string]any), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	closeObjects(map[string]any(d.root.at("components", "schemas")))
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentURL, map[string]any(d.root)); err != nil {
		panic(err)
	}
	return d
})

// closeObjects forbids properties that a schema does not name. Schemas that others include (x-mixin) stay open: the including one is closed.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		for _, e := range v {
			closeObjects(e)
		}
		_, properties := v["properties"].(map[string]any)
		_, additional := v["additionalProperties"]
		if properties && !additional && v["x-mixin"] == nil && v["type"] != nil || v["allOf"] != nil {
			v["unevaluatedProperties"] = false
		}
	}
}

// schema compiles the schema at a place of the document.
func (d *openAPI) schema(place string) *jsonschema.Schema {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.schemas[place]
	if !ok {
		s = d.compiler.MustCompile(documentURL + place)
		d.schemas[place] = s
	}
	return s
}

// resolve follows a reference, and tells where what it found stands.
func (d *openAPI) resolve(v any, place string) (node, string) {
	n := node(v.(map[string]any))
	for n.text("$ref") != "" {
		place = n.text("$ref")
		n = d.root.at(strings.Split(strings.TrimPrefix(place, "#/"), "/")...)
	}
	return n, place
}

// operation is one method of one path.
type operation struct {
	document        *openAPI
	method, pattern string
	node            node
}

func (op operation) name() string { return op.method + " " + op.pattern }

func (op operation) place() string {
	return "#/paths/" + strings.ReplaceAll(op.pattern, "/", "~1") + "/" + strings.ToLower(op.method)
}

// operation returns that of a method and a pattern of the router.
func (d *openAPI) operation(method, pattern string) (operation, bool) {
	n := d.root.at("paths", pattern, strings.ToLower(method))
	return operation{d, method, pattern, n}, n != nil
}

func (d *openAPI) operations() iter.Seq[operation] {
	return func(yield func(operation) bool) {
		for pattern := range d.root.at("paths") {
			for _, method := range []string{"GET", "PUT", "POST", "DELETE", "PATCH"} {
				if op, ok := d.operation(method, pattern); ok && !yield(op) {
					return
				}
			}
		}
	}
}

// param is a parameter with the place of its schema.
type param struct {
	node
	schema string
}

// params are the operation's and its path's.
func (op operation) params() []param {
	var out []param
	for _, owner := range []struct {
		node  node
		place string
	}{{op.node, op.place()}, {op.document.root.at("paths", op.pattern), strings.TrimSuffix(op.place(), "/"+strings.ToLower(op.method))}} {
		list, _ := owner.node["parameters"].([]any)
		for i, v := range list {
			n, place := op.document.resolve(v, fmt.Sprintf("%s/parameters/%d", owner.place, i))
			out = append(out, param{n, place + "/schema"})
		}
	}
	return out
}

func (op operation) param(in, name string) *param {
	for _, p := range op.params() {
		if p.text("in") == in && p.text("name") == name {
			return &p
		}
	}
	return nil
}

// codes are those of the operation's own.
func (op operation) codes() []api.Code { return codeList(op.node) }

func codeList(n node) []api.Code {
	list, _ := n["x-codes"].([]any)
	var out []api.Code
	for _, v := range list {
		out = append(out, api.Code(v.(string)))
	}
	return out
}

// common are the codes that any call can meet.
func (d *openAPI) common() map[api.Code]bool {
	out := map[api.Code]bool{}
	for _, c := range codeList(d.root.at("components", "responses", "Problem")) {
		out[c] = true
	}
	return out
}

// codes are those that are described, with their status.
func (d *openAPI) codes() map[api.Code]int {
	out := map[api.Code]int{}
	for _, v := range d.root.at("components", "schemas", "Code")["oneOf"].([]any) {
		n := node(v.(map[string]any))
		status, _ := n["x-status"].(json.Number).Int64()
		if n.text("description") != "" {
			out[api.Code(n.text("const"))] = int(status)
		}
	}
	return out
}

// response is what is written of a status itself; nil if default speaks for it.
func (op operation) response(status int) any { return op.node.at("responses")[strconv.Itoa(status)] }
