package schema

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// class says what a keyword's value is.
type class int

const (
	isAnnotation class = iota // says nothing about what is valid
	isAssertion               // plain data
	isSchema
	isSchemas // an array of schemas
	isNamed   // an object of schemas
	isRef
	isRefused
)

// keywords of JSON Schema 2020-12. What is not here is an annotation, as the standard has it.
var keywords = map[string]class{
	"type": isAssertion, "enum": isAssertion, "const": isAssertion,
	"multipleOf": isAssertion, "minimum": isAssertion, "maximum": isAssertion, "exclusiveMinimum": isAssertion, "exclusiveMaximum": isAssertion,
	"minLength": isAssertion, "maxLength": isAssertion, "pattern": isAssertion,
	"minItems": isAssertion, "maxItems": isAssertion, "uniqueItems": isAssertion, "minContains": isAssertion, "maxContains": isAssertion,
	"minProperties": isAssertion, "maxProperties": isAssertion, "required": isAssertion, "dependentRequired": isAssertion,

	"items": isSchema, "contains": isSchema, "additionalProperties": isSchema, "propertyNames": isSchema, "not": isSchema, "if": isSchema,
	"then": isSchema, "else": isSchema, "unevaluatedItems": isSchema, "unevaluatedProperties": isSchema,
	"allOf": isSchemas, "anyOf": isSchemas, "oneOf": isSchemas, "prefixItems": isSchemas,
	"properties": isNamed, "patternProperties": isNamed, "dependentSchemas": isNamed, "$defs": isNamed, "definitions": isNamed,

	"$ref":        isRef,
	"$dynamicRef": isRefused, "$dynamicAnchor": isRefused, "$anchor": isRefused, "$recursiveRef": isRefused, "$recursiveAnchor": isRefused,
	"$vocabulary": isRefused, "dependencies": isRefused, "additionalItems": isRefused,
}

// inPlace are the keywords that apply schemas to the very value their own schema applies to.
var inPlace = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"}

// node is a schema within a document: an object or a boolean, and its JSON pointer there.
type node struct {
	doc  *document
	ptr  string
	val  any
	flat bool // in a proof: what $ref and allOf name stands beside it
}

// document is a whole schema, parsed, with all schemas in it by pointer.
type document struct {
	root node
	at   map[string]node

	patterns map[string]*regexp.Regexp // of patternProperties
}

func (n node) object() map[string]any {
	m, _ := n.val.(map[string]any)
	return m
}

// child returns the schema that a keyword holds, and whether there is one.
func (n node) child(keyword string) (node, bool) {
	v, ok := n.object()[keyword]
	return node{doc: n.doc, ptr: n.ptr + "/" + escape(keyword), val: v}, ok
}

// list returns the schemas of a keyword's array.
func (n node) list(keyword string) []node {
	all, _ := n.object()[keyword].([]any)
	out := make([]node, len(all))
	for i, v := range all {
		out[i] = node{doc: n.doc, ptr: n.ptr + "/" + escape(keyword) + "/" + strconv.Itoa(i), val: v}
	}
	return out
}

// named returns the schemas of a keyword's object, by name.
func (n node) named(keyword string) map[string]node {
	all, _ := n.object()[keyword].(map[string]any)
	out := make(map[string]node, len(all))
	for name, v := range all {
		out[name] = node{doc: n.doc, ptr: n.ptr + "/" + escape(keyword) + "/" + escape(name), val: v}
	}
	return out
}

// ref returns the schema that $ref names, and whether there is a $ref. The document is a vetted one.
func (n node) ref() (node, bool) {
	s, ok := n.object()["$ref"].(string)
	if !ok {
		return node{}, false
	}
	target, err := pointerOf(s)
	if err != nil {
		return node{}, false
	}
	to, ok := n.doc.at[target]
	return to, ok
}

// children returns the schemas right below this one, by keyword, in order.
func (n node) children() []node {
	var out []node
	for _, keyword := range sorted(n.object()) {
		switch keywords[keyword] {
		case isSchema:
			c, _ := n.child(keyword)
			out = append(out, c)
		case isSchemas:
			out = append(out, n.list(keyword)...)
		case isNamed:
			all := n.named(keyword)
			for _, name := range sorted(all) {
				out = append(out, all[name])
			}
		}
	}
	return out
}

// inPlaceOf returns the schemas that apply to the same value as this one.
func (n node) inPlaceOf() []node {
	var out []node
	for _, keyword := range inPlace {
		switch keywords[keyword] {
		case isSchema:
			if c, ok := n.child(keyword); ok {
				out = append(out, c)
			}
		case isSchemas:
			out = append(out, n.list(keyword)...)
		case isNamed:
			all := n.named(keyword)
			for _, name := range sorted(all) {
				out = append(out, all[name])
			}
		}
	}
	if to, ok := n.ref(); ok {
		out = append(out, to)
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// escape makes a name a token of a JSON pointer.
func escape(name string) string { return escaper.Replace(name) }
