package schema

import (
	"encoding/json"
	"slices"
)

// same tells whether two schemas are written the same, annotations and the order of names aside: $ref by what it names. seen are the pairs under way.
func same(a, b node, seen map[[2]string]bool) bool {
	pair := [2]string{a.ptr, b.ptr}
	if seen[pair] {
		return true
	}
	seen[pair] = true
	ok := sameSchema(a, b, seen)
	if !ok {
		delete(seen, pair)
	}
	return ok
}

func sameSchema(a, b node, seen map[[2]string]bool) bool {
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
		if !sameKeyword(a, b, keyword, seen) {
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

// sameKeyword compares a keyword that both schemas have.
func sameKeyword(a, b node, keyword string, seen map[[2]string]bool) bool {
	switch keywords[keyword] {
	case isSchema:
		x, _ := a.child(keyword)
		y, _ := b.child(keyword)
		return same(x, y, seen)
	case isSchemas:
		return slices.EqualFunc(a.list(keyword), b.list(keyword), func(x, y node) bool { return same(x, y, seen) })
	case isNamed:
		x, y := a.named(keyword), b.named(keyword)
		if !slices.Equal(sorted(x), sorted(y)) {
			return false
		}
		for name := range x {
			if !same(x[name], y[name], seen) {
				return false
			}
		}
		return true
	case isRef:
		x, _ := a.ref()
		y, _ := b.ref()
		return same(x, y, seen)
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
