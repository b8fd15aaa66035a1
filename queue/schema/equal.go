package schema

import (
	"encoding/json"
	"slices"
)

// likeness compares schemas by their words.
type likeness struct {
	left *int // steps; without any nothing is alike
	seen map[[2]string]bool
}

func (p *prover) likeness() *likeness {
	return &likeness{left: &p.left, seen: map[[2]string]bool{}}
}

// same tells whether two schemas are written the same, annotations and the order of names aside: $ref by what it names. A pair under way counts as the same; one
// difference is the end.
func (l *likeness) same(a, b node) bool {
	pair := [2]string{a.ptr, b.ptr}
	if l.seen[pair] {
		return true
	}
	if *l.left--; *l.left < 0 {
		return false
	}
	l.seen[pair] = true
	return l.schema(a, b)
}

func (l *likeness) schema(a, b node) bool {
	x, xIsBool := plainBool(a)
	y, yIsBool := plainBool(b)
	if xIsBool || yIsBool {
		return xIsBool && yIsBool && x == y
	}
	words := a.assertions()
	if !slices.Equal(words, b.assertions()) {
		return false
	}
	for _, keyword := range words {
		if !l.keyword(a, b, keyword) {
			return false
		}
	}
	return true
}

// plainBool tells whether a schema takes everything (true) or nothing (false), as far as one can see at once.
func plainBool(n node) (value, ok bool) {
	if v, isBool := n.val.(bool); isBool {
		return v, true
	}
	return true, len(n.assertions()) == 0
}

// assertions returns the keywords that say something about what is valid, in order.
func (n node) assertions() []string {
	return slices.DeleteFunc(sorted(n.object()), func(keyword string) bool {
		return keywords[keyword] == isAnnotation || keyword == "$defs" || keyword == "definitions"
	})
}

// keyword compares a keyword that both schemas have.
func (l *likeness) keyword(a, b node, keyword string) bool {
	switch keywords[keyword] {
	case isSchema:
		x, _ := a.child(keyword)
		y, _ := b.child(keyword)
		return l.same(x, y)
	case isSchemas:
		return slices.EqualFunc(a.list(keyword), b.list(keyword), l.same)
	case isNamed:
		x, y := a.named(keyword), b.named(keyword)
		if !slices.Equal(sorted(x), sorted(y)) {
			return false
		}
		for name := range x {
			if !l.same(x[name], y[name]) {
				return false
			}
		}
		return true
	case isRef:
		x, _ := a.ref()
		y, _ := b.ref()
		return l.same(x, y)
	default:
		return equal(a.object()[keyword], b.object()[keyword])
	}
}

// equal tells whether two values are equal as JSON Schema has it: 1 and 1.0 are.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if w, ok := b[name]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && rat(a).Cmp(rat(b)) == 0
	default:
		switch b.(type) {
		case map[string]any, []any:
			return false
		}
		return a == b
	}
}
