package schema

import (
	"encoding/json"
	"math/big"
	"slices"
)

// typeSet is a set of types of JSON; numbers are those that are whole and those that are not.
type typeSet uint8

const (
	typeNull typeSet = 1 << iota
	typeBool
	typeObject
	typeArray
	typeString
	typeWhole
	typeBroken
	typeAny typeSet = 1<<iota - 1
)

var typeNames = map[string]typeSet{
	"null": typeNull, "boolean": typeBool, "object": typeObject, "array": typeArray, "string": typeString,
	"integer": typeWhole, "number": typeWhole | typeBroken,
}

// typeOf returns the type of a value.
func typeOf(v any) typeSet {
	switch v := v.(type) {
	case nil:
		return typeNull
	case bool:
		return typeBool
	case map[string]any:
		return typeObject
	case []any:
		return typeArray
	case string:
		return typeString
	case json.Number:
		if rat(v).IsInt() {
			return typeWhole
		}
		return typeBroken
	}
	return typeAny
}

// types returns the types that values of all of a can have.
func types(a []node) typeSet {
	set := typeAny
	for _, n := range a {
		if v, ok := n.object()["type"]; ok {
			set &= typesNamed(v)
		}
		if v, ok := n.object()["multipleOf"].(json.Number); ok && rat(v).IsInt() {
			set &^= typeBroken
		}
		if v, ok := n.object()["const"]; ok {
			set &= typeOf(v)
		}
		if list, ok := n.object()["enum"].([]any); ok {
			some := typeSet(0)
			for _, v := range list {
				some |= typeOf(v)
			}
			set &= some
		}
	}
	return set
}

func typesNamed(v any) (set typeSet) {
	switch v := v.(type) {
	case string:
		return typeNames[v]
	case []any:
		for _, name := range v {
			s, _ := name.(string)
			set |= typeNames[s]
		}
	}
	return set
}

// about is the type that a keyword speaks of: it says nothing of values of another one.
var about = map[string]typeSet{
	"multipleOf": typeWhole | typeBroken, "minimum": typeWhole | typeBroken, "maximum": typeWhole | typeBroken,
	"exclusiveMinimum": typeWhole | typeBroken, "exclusiveMaximum": typeWhole | typeBroken,
	"minLength": typeString, "maxLength": typeString, "pattern": typeString,
	"minItems": typeArray, "maxItems": typeArray, "uniqueItems": typeArray, "items": typeArray, "prefixItems": typeArray,
	"contains": typeArray, "minContains": typeArray, "maxContains": typeArray, "unevaluatedItems": typeArray,
	"minProperties": typeObject, "maxProperties": typeObject, "required": typeObject, "dependentRequired": typeObject,
	"properties": typeObject, "patternProperties": typeObject, "additionalProperties": typeObject, "propertyNames": typeObject,
	"dependentSchemas": typeObject, "unevaluatedProperties": typeObject,
}

// keyword shows what one keyword of b asks for.
func (p *prover) keyword(a []node, b node, keyword, at string) error {
	if of, ok := about[keyword]; ok && types(a)&of == 0 {
		return nil
	}
	want := b.object()[keyword]
	switch keyword {
	case "$ref", "allOf":
		return nil // seen to by conjuncts
	case "type":
		if types(a)&^typesNamed(want) == 0 {
			return nil
		}
		return no(at, "type %s: other types are allowed on one side", jsonOf(want))
	case "const", "enum":
		return no(at, "%s: other values are allowed on one side", keyword)
	case "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum":
		return bound(a, keyword, want, at)
	case "multipleOf":
		return multiple(a, want, at)
	case "minLength", "minItems", "minProperties":
		return count(a, keyword, want, at, func(have, want *big.Rat) bool { return have.Cmp(want) >= 0 })
	case "maxLength", "maxItems", "maxProperties":
		return count(a, keyword, want, at, func(have, want *big.Rat) bool { return have.Cmp(want) <= 0 })
	case "pattern", "uniqueItems":
		return literally(a, b, keyword, at)
	default:
		return p.applicator(a, b, keyword, at)
	}
}

// literally shows a keyword that some schema of a has with the same value.
func literally(a []node, b node, keyword, at string) error {
	if keyword == "uniqueItems" && b.object()[keyword] != true {
		return nil
	}
	for _, n := range a {
		if v, ok := n.object()[keyword]; ok && equal(v, b.object()[keyword]) {
			return nil
		}
	}
	return no(at, "%s %s is asked for on one side only", keyword, jsonOf(b.object()[keyword]))
}

// bound shows a limit of numbers.
func bound(a []node, keyword string, want any, at string) error {
	w, ok := want.(json.Number)
	if !ok {
		return no(at, "%s is no number", keyword)
	}
	lower := keyword == "minimum" || keyword == "exclusiveMinimum"
	inclusive, exclusive := "maximum", "exclusiveMaximum"
	if lower {
		inclusive, exclusive = "minimum", "exclusiveMinimum"
	}
	for _, n := range a {
		for _, k := range []string{inclusive, exclusive} {
			v, ok := n.object()[k].(json.Number)
			if !ok {
				continue
			}
			c := rat(v).Cmp(rat(w))
			if !lower {
				c = -c
			}
			if c > 0 || c == 0 && (k == exclusive || keyword == inclusive) {
				return nil
			}
		}
	}
	return no(at, "%s %s is asked for on one side only", keyword, w)
}

// multiple shows multipleOf.
func multiple(a []node, want any, at string) error {
	w, ok := want.(json.Number)
	if !ok || rat(w).Sign() <= 0 {
		return no(at, "multipleOf is no number over 0")
	}
	if rat(w).Cmp(big.NewRat(1, 1)) == 0 && types(a)&typeBroken == 0 {
		return nil
	}
	for _, n := range a {
		v, ok := n.object()["multipleOf"].(json.Number)
		if ok && new(big.Rat).Quo(rat(v), rat(w)).IsInt() {
			return nil
		}
	}
	return no(at, "multipleOf %s is asked for on one side only", w)
}

// count shows a limit of a size.
func count(a []node, keyword string, want any, at string, enough func(have, want *big.Rat) bool) error {
	w, ok := want.(json.Number)
	if !ok {
		return no(at, "%s is no number", keyword)
	}
	if enough(new(big.Rat), rat(w)) && keyword[:3] == "min" {
		return nil // 0 is asked for
	}
	for _, n := range a {
		if v, ok := n.object()[keyword].(json.Number); ok && enough(rat(v), rat(w)) {
			return nil
		}
	}
	return no(at, "%s %s is asked for on one side only", keyword, w)
}

// requires tells whether some schema of a asks for a property.
func requires(a []node, name string) bool {
	return slices.ContainsFunc(a, func(n node) bool {
		list, _ := n.object()["required"].([]any)
		return slices.Contains(list, any(name))
	})
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return short(string(b))
}
