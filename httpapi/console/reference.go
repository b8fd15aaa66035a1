package console

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reference is the API as /openapi.yaml describes it, laid out for reading.
type reference struct {
	Version, Intro string
	Tags           []referenceTag
}

type referenceTag struct {
	Name, Text string
	Operations []operation
}

// operation is one method of one path.
type operation struct {
	ID, Method, Path, Summary, Text string
	Parameters                      []parameter
	Bodies                          []media
	Answers                         []apiAnswer
	Codes                           []string
}

type parameter struct {
	Name, In, Type, Text string
	Required             bool
}

type media struct {
	Type string
	Rows []field
	Text string
}

type apiAnswer struct {
	Status, Text string
	Bodies       []media
}

// field is one field of an object, with its depth.
type field struct {
	Name, Type, Text string
	Depth            int
}

// showReference shows the API: ?q= part of a path, summary or code.
func showReference(v *visit) error {
	doc := v.c.document.Load()
	if doc == nil {
		a, err := v.do(call{method: http.MethodGet, path: "/openapi.yaml"})
		if err != nil {
			return err
		}
		if doc, err = readReference(a.body.Bytes()); err != nil {
			return err
		}
		v.c.document.Store(doc)
	}
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	return v.render(v.page("reference", "API reference", struct {
		*reference
		Q string
	}{doc.matching(q), q}))
}

// matching is the reference with the operations that have a text in their path, summary or codes.
func (r *reference) matching(q string) *reference {
	if q == "" {
		return r
	}
	low := strings.ToLower(q)
	out := &reference{Version: r.Version}
	for _, t := range r.Tags {
		one := referenceTag{Name: t.Name, Text: t.Text}
		for _, o := range t.Operations {
			if strings.Contains(strings.ToLower(o.Method+" "+o.Path+" "+o.Summary+" "+o.Text+" "+o.ID+" "+strings.Join(o.Codes, " ")), low) {
				one.Operations = append(one.Operations, o)
			}
		}
		if len(one.Operations) > 0 {
			out.Tags = append(out.Tags, one)
		}
	}
	return out
}

// node is a mapping of the document.
type node = map[string]any

// reader lays a document out.
type reader struct{ root node }

// maxDepth is how deep objects in objects are shown.
const maxDepth = 4

func readReference(text []byte) (*reference, error) {
	var root node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	r := &reader{root}
	info := child(root, "info")
	out := &reference{Version: wordsOf(info, "version"), Intro: wordsOf(info, "description")}
	place := map[string]int{}
	for _, t := range items(root["tags"]) {
		place[wordsOf(t, "name")] = len(out.Tags)
		out.Tags = append(out.Tags, referenceTag{Name: wordsOf(t, "name"), Text: wordsOf(t, "description")})
	}
	paths := child(root, "paths")
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		item := child(paths, name)
		for _, method := range []string{"get", "post", "put", "delete"} {
			op := child(item, method)
			if op == nil {
				continue
			}
			tag := "other"
			if tags, ok := op["tags"].([]any); ok && len(tags) > 0 {
				tag = fmt.Sprint(tags[0])
			}
			if _, ok := place[tag]; !ok {
				place[tag] = len(out.Tags)
				out.Tags = append(out.Tags, referenceTag{Name: tag})
			}
			at := &out.Tags[place[tag]]
			at.Operations = append(at.Operations, r.operation(method, name, item, op))
		}
	}
	return out, nil
}

func (r *reader) operation(method, path string, item, op node) operation {
	o := operation{ID: wordsOf(op, "operationId"), Method: strings.ToUpper(method), Path: path, Summary: wordsOf(op, "summary"), Text: wordsOf(op, "description")}
	for _, p := range append(items(item["parameters"]), items(op["parameters"])...) {
		p = r.resolve(p)
		required, _ := p["required"].(bool)
		o.Parameters = append(o.Parameters, parameter{wordsOf(p, "name"), wordsOf(p, "in"), r.typeOf(child(p, "schema"), 0), wordsOf(p, "description"), required})
	}
	o.Bodies = r.content(r.resolve(child(op, "requestBody")))
	responses := child(op, "responses")
	for _, s := range slices.Sorted(maps.Keys(responses)) {
		a := r.resolve(child(responses, s))
		one := apiAnswer{Status: s, Text: wordsOf(a, "description")}
		if strings.HasPrefix(s, "2") {
			one.Bodies = r.content(a)
		}
		o.Answers = append(o.Answers, one)
	}
	if codes, ok := op["x-codes"].([]any); ok {
		for _, c := range codes {
			o.Codes = append(o.Codes, fmt.Sprint(c))
		}
	}
	return o
}

// content lists the media types of a body.
func (r *reader) content(n node) (out []media) {
	content := child(n, "content")
	for _, t := range slices.Sorted(maps.Keys(content)) {
		schema := child(child(content, t), "schema")
		m := media{Type: t, Text: wordsOf(schema, "description")}
		m.Rows = r.fields(schema, 0)
		out = append(out, m)
	}
	return out
}

// fields lists the fields of an object, or of what a list holds.
func (r *reader) fields(schema node, depth int) (out []field) {
	schema = r.resolve(schema)
	if schema == nil || depth > maxDepth {
		return nil
	}
	if list := child(schema, "items"); list != nil {
		return r.fields(list, depth)
	}
	for _, kind := range []string{"allOf", "oneOf", "anyOf"} {
		for _, part := range items(schema[kind]) {
			out = append(out, r.fields(part, depth)...)
		}
	}
	properties := child(schema, "properties")
	for _, n := range slices.Sorted(maps.Keys(properties)) {
		one := child(properties, n)
		resolved := r.resolve(one)
		text := wordsOf(one, "description")
		if text == "" {
			text = wordsOf(resolved, "description")
		}
		out = append(out, field{n, r.typeOf(one, 0), text, depth})
		if depth < maxDepth-1 {
			out = append(out, r.fields(one, depth+1)...)
		}
	}
	return out
}

// typeOf says what a schema takes, in a few words.
func (r *reader) typeOf(schema node, depth int) string {
	name := ""
	if ref := wordsOf(schema, "$ref"); ref != "" {
		name = ref[strings.LastIndex(ref, "/")+1:]
	}
	schema = r.resolve(schema)
	if schema == nil || depth > maxDepth {
		return name
	}
	kind := wordsOf(schema, "type")
	if all, ok := schema["type"].([]any); ok {
		var words []string
		for _, one := range all {
			words = append(words, fmt.Sprint(one))
		}
		kind = strings.Join(words, " or ")
	}
	switch {
	case kind == "array":
		kind = "list of " + r.typeOf(child(schema, "items"), depth+1)
	case kind == "object" && name != "":
		kind = name
	case kind == "" && name != "":
		kind = name
	}
	if values, ok := schema["enum"].([]any); ok {
		var words []string
		for _, one := range values {
			words = append(words, fmt.Sprint(one))
		}
		kind = strings.Join(words, " | ")
	}
	if low, high := schema["minimum"], schema["maximum"]; low != nil && high != nil {
		kind += fmt.Sprintf(" %v to %v", low, high)
	}
	if def := schema["default"]; def != nil {
		kind += fmt.Sprintf(", default %v", def)
	}
	return kind
}

// resolve follows references within the document.
func (r *reader) resolve(n node) node {
	for range 10 {
		ref := wordsOf(n, "$ref")
		if ref == "" {
			return n
		}
		at := r.root
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			at = child(at, step)
		}
		n = at
	}
	return n
}

func child(n node, name string) node {
	c, _ := n[name].(node)
	return c
}

func items(v any) (out []node) {
	all, _ := v.([]any)
	for _, one := range all {
		if n, ok := one.(node); ok {
			out = append(out, n)
		}
	}
	return out
}

// wordsOf is a text of a mapping, "" if it has none.
func wordsOf(n node, name string) string {
	s, _ := n[name].(string)
	return strings.TrimSpace(s)
}
