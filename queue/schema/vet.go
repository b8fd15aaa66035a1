package schema

import (
	"fmt"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Limits of a schema.
const (
	MaxBytes        = 32 << 10 // of its text
	MaxDepth        = 64       // of its JSON
	MaxPattern      = 1 << 10  // bytes of one regular expression
	MaxPatternSteps = 4_000    // instructions of all its regular expressions together
)

// dialect is what $schema may say.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// vet parses a schema and refuses what Holt does not take: what reaches outside, has no end, or costs too much.
func vet(text []byte) (*document, error) {
	if len(text) > MaxBytes {
		return nil, invalid("it takes %d bytes, at most %d", len(text), MaxBytes)
	}
	v, err := decode(text, MaxDepth)
	if err != nil {
		return nil, invalid("%v", err)
	}
	doc := &document{at: map[string]node{}, patterns: map[string]*regexp.Regexp{}}
	doc.root = node{doc: doc, val: v}
	steps := 0
	if err := doc.collect(doc.root, &steps); err != nil {
		return nil, err
	}
	if steps > MaxPatternSteps {
		return nil, invalid("its regular expressions take %d instructions, at most %d", steps, MaxPatternSteps)
	}
	for _, n := range doc.at {
		if err := doc.checkRef(n); err != nil {
			return nil, err
		}
	}
	return doc, doc.checkCycles()
}

// collect notes a schema and all below it.
func (d *document) collect(n node, steps *int) error {
	switch n.val.(type) {
	case bool, map[string]any:
	default:
		return invalid("at %q: a schema must be an object or a boolean", n.ptr)
	}
	d.at[n.ptr] = n
	for _, keyword := range sorted(n.object()) {
		if err := n.checkKeyword(keyword, steps); err != nil {
			return err
		}
	}
	for _, c := range n.children() {
		if err := d.collect(c, steps); err != nil {
			return err
		}
	}
	return nil
}

func (n node) checkKeyword(keyword string, steps *int) error {
	v := n.object()[keyword]
	switch {
	case keywords[keyword] == isRefused:
		return invalid("at %q: %s is not supported", n.ptr, keyword)
	case keyword == "$schema" && v != dialect && v != dialect+"#":
		return invalid("$schema is %v: it must be %q, or left out", v, dialect)
	case keyword == "$id" && n.ptr != "":
		return invalid("at %q: $id may stand at the top only", n.ptr)
	case keyword == "pattern":
		if s, ok := v.(string); ok {
			return addSteps(n.ptr, s, steps)
		}
	case keyword == "patternProperties":
		for _, name := range sorted(n.named(keyword)) {
			if err := addSteps(n.ptr, name, steps); err != nil {
				return err
			}
			re, err := regexp.Compile(name)
			if err != nil {
				return invalid("at %q: %v", n.ptr, err)
			}
			n.doc.patterns[name] = re
		}
	}
	return nil
}

// addSteps counts the instructions of a regular expression, without making them.
func addSteps(ptr, pattern string, steps *int) error {
	if len(pattern) > MaxPattern {
		return invalid("at %q: a regular expression takes %d bytes, at most %d", ptr, len(pattern), MaxPattern)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return invalid("at %q: %v (the syntax is RE2's: no look-around, no back references)", ptr, err)
	}
	*steps += instructions(re)
	return nil
}

// instructions is about how many a regular expression compiles to.
func instructions(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n = min(n+instructions(sub), MaxPatternSteps+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Max, re.Min, 1)
	}
	return min(n, MaxPatternSteps+1)
}

// checkRef refuses a $ref that does not name a schema of this document.
func (d *document) checkRef(n node) error {
	v, ok := n.object()["$ref"]
	if !ok {
		return nil
	}
	s, _ := v.(string)
	target, err := pointerOf(s)
	if err != nil {
		return invalid("at %q: $ref %q: %v", n.ptr, s, err)
	}
	if _, ok := d.at[target]; !ok {
		return invalid("at %q: $ref %q names no schema of this document", n.ptr, s)
	}
	return nil
}

// pointerOf returns the JSON pointer of a $ref within the document.
func pointerOf(ref string) (string, error) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return "", fmt.Errorf("it must begin with \"#\": a schema stands by itself, nothing is fetched")
	}
	p, err := url.PathUnescape(fragment)
	if err != nil || p != "" && p[0] != '/' {
		return "", fmt.Errorf("it must be \"#\" or a JSON pointer as in \"#/$defs/name\"")
	}
	return p, nil
}

// checkCycles refuses schemas that come back to themselves without going into the value: they say nothing, for ever.
func (d *document) checkCycles() error {
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(n node) error
	visit = func(n node) error {
		switch state[n.ptr] {
		case 1:
			return invalid("at %q: the schema refers to itself for the same value", n.ptr)
		case 2:
			return nil
		}
		state[n.ptr] = 1
		for _, c := range n.inPlaceOf() {
			if err := visit(c); err != nil {
				return err
			}
		}
		state[n.ptr] = 2
		return nil
	}
	for _, ptr := range sorted(d.at) {
		if err := visit(d.at[ptr]); err != nil {
			return err
		}
	}
	return nil
}

// matches tells whether a pattern of the document is found in a name.
func (d *document) matches(pattern, name string) bool { return d.patterns[pattern].MatchString(name) }
