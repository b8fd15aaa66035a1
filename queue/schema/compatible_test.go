package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCompatible(t *testing.T) {
	const (
		open    = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`
		closed  = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
		closed2 = `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"],"additionalProperties":false}`
		closed3 = `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}`
		tree    = `{"$defs":{"t":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"items":{"$ref":"#/$defs/t"}}},"additionalProperties":false}},"$ref":"#/$defs/t"}`
		tree2   = `{"$defs":{"n":{"type":"object","properties":{"v":{"type":"number"},"kids":{"items":{"$ref":"#/$defs/n"}}},"additionalProperties":false}},"$ref":"#/$defs/n"}`
	)
	tests := []struct {
		name, was, now    string
		backward, forward string // "" = compatible, else part of the reason
	}{
		{"the same, written otherwise", open, `{"required":["a"],"title":"x","properties":{"a":{"type":"string","description":"y"}},"type":"object"}`, "", ""},
		{"an optional property, closed", closed, closed2, "", "/b: nothing"},
		{"a required property, closed", closed, closed3, `"b" is required`, "/b: nothing"},
		{"an optional property, open", open, `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]}`, "/b: anything is allowed", ""},
		{"no more required", open, `{"type":"object","properties":{"a":{"type":"string"}}}`, "", `"a" is required`},
		{"a wider type", `{"type":"integer"}`, `{"type":"number"}`, "", "other types"},
		{"another type", `{"type":"integer"}`, `{"type":"string"}`, "other types", "other types"},
		{"one more in the enumeration", `{"enum":["a","b"]}`, `{"enum":["a","b","c"]}`, "", "c is allowed"},
		{"enumeration to type", `{"enum":["a","b"]}`, `{"type":"string","maxLength":1}`, "", "other values"},
		{"limits wider", `{"type":"integer","minimum":1,"maximum":9}`, `{"type":"integer","exclusiveMinimum":0,"maximum":10}`, "", "maximum"},
		{"limits of another kind", `{"type":"number","exclusiveMinimum":1}`, `{"type":"number","minimum":1}`, "", "exclusiveMinimum"},
		{"multiple", `{"type":"integer","multipleOf":6}`, `{"type":"integer","multipleOf":3}`, "", "multipleOf"},
		{"whole by type", `{"type":"integer"}`, `{"type":"number","multipleOf":1}`, "", ""},
		{"sizes", `{"type":"string","minLength":2,"maxLength":5}`, `{"type":"string","minLength":1,"maxLength":9}`, "", "maxLength"},
		{"what is asked of another type", `{"type":"string"}`, `{"type":"string","minItems":3,"properties":{"a":false}}`, "", ""},
		{"pattern", `{"type":"string","pattern":"^a"}`, `{"type":"string"}`, "", "pattern"},
		{"another pattern", `{"type":"string","pattern":"^a"}`, `{"type":"string","pattern":"^aa"}`, "pattern", "pattern"},
		{"recursion", tree, tree2, "", "/v: type"},
		{"choice grows", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"null"},{"type":"string"},{"type":"integer"}]}`, "", "anyOf"},
		{"choice as types", `{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"type":["string","null"]}`, "", "oneOf"},
		{"not", `{"not":{"type":["string","null"]}}`, `{"not":{"type":"null"}}`, "", "other types"},
		{"allOf is the sum", `{"allOf":[{"type":"object"},{"required":["a"]}]}`, `{"type":"object","required":["a"]}`, "", ""},
		{"items", `{"type":"array","items":{"type":"integer"}}`, `{"type":"array","items":{"type":"number"}}`, "", "/*: type"},
		{"tuple", `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`, `{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"integer"}}`, "", "nothing is allowed"},
		{"conditions word by word", `{"if":{"required":["x"]},"then":{"required":["y"]}}`, `{"if":{"required":["x"]},"then":{"required":["z"]}}`, "then differs", "then differs"},
		{"unevaluated, all the same", `{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"unevaluatedProperties":false,"allOf":[{"properties":{"a":true}}],"title":"x"}`, "", ""},
		{"unevaluated, around it not", `{"properties":{"a":true},"unevaluatedProperties":false}`, `{"properties":{"a":true,"b":true},"unevaluatedProperties":false}`, "unevaluatedProperties", "unevaluatedProperties"},
		{"patterns of names", `{"type":"object","patternProperties":{"^x-":{"type":"integer"}},"additionalProperties":false}`, `{"type":"object","additionalProperties":{"type":"number"}}`, "", "nothing"},
		{"no schema any more", open, "", "", "/a: anything"},
		{"everything", `true`, `{}`, "", ""},
		{"unevaluated by a choice", `{"anyOf":[{},{"contains":{}}],"unevaluatedItems":false}`, `{"unevaluatedItems":false}`, "unevaluatedItems", "unevaluatedItems"},
		{"nothing said of a part", `{"type":"object","properties":{"a":{}}}`, `{"type":"object","properties":{"a":{"patternProperties":{"b":false}}}}`, "/a", ""},
		{"nothing said of items", `{"type":"array"}`, `{"type":"array","items":{"not":{"type":"null"}}}`, "/*", ""},
		{"nothing", `false`, open, "", "nothing is allowed"},
		{"const is plain data", `{"const":{"$ref":"#/$defs/a"},"$defs":{"a":{"type":"string"}}}`, `{"const":{"$ref":"#/$defs/a"},"$defs":{"a":{"type":"null"}}}`, "", ""},
		{"a property called const", `{"properties":{"const":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string"}}}`, `{"properties":{"const":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"null"}}}`, "/const", "/const"},
	}
	for _, tt := range tests {
		was, now := compile(t, tt.was), (*Schema)(nil)
		if tt.now != "" {
			now = compile(t, tt.now)
		}
		reason := func(c Compatibility, want string) {
			err := Compatible(c, was, now)
			if want == "" && err != nil || want != "" && (!errors.Is(err, ErrIncompatible) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, %s: %v, want …%s…", tt.name, c, err, want)
			}
		}
		reason(None, "")
		reason(Backward, tt.backward)
		reason(Forward, tt.forward)
		if full := Compatible(Full, was, now); (full == nil) != (tt.backward == "" && tt.forward == "") {
			t.Errorf("%s, full: %v", tt.name, full)
		}
	}
}

// A comparison ends soon, whatever is compared, and says when it gave up.
func TestCompatibleIsBounded(t *testing.T) {
	choice := func(number string) string {
		var all []string
		for i := range 150 {
			all = append(all, fmt.Sprintf(`{"type":"object","properties":{"k":{"const":%d},"a":{"anyOf":[{"type":"%s"},{"type":"string"}]}},"required":["k"]}`, i, number))
		}
		return `{"anyOf":[` + strings.Join(all, ",") + `]}`
	}
	err := Compatible(Backward, compile(t, choice("integer")), compile(t, choice("number")))
	if !errors.Is(err, ErrIncompatible) || !errors.Is(err, errTooComplex) {
		t.Errorf("%v", err)
	}
}

// anySchema draws schemas of a few words over a few names, so that two of them have often to do with one another.
func anySchema(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if rapid.IntRange(0, 9).Draw(t, "bool") == 0 {
			return rapid.Bool().Draw(t, "value")
		}
		out := map[string]any{}
		words := map[string]func() any{
			"type": func() any {
				return rapid.SampledFrom([]any{"integer", "number", "string", "object", "array", []any{"object", "null"}}).Draw(t, "type")
			},
			"minimum":           func() any { return rapid.IntRange(0, 2).Draw(t, "n") },
			"exclusiveMaximum":  func() any { return rapid.IntRange(0, 3).Draw(t, "n") },
			"multipleOf":        func() any { return rapid.SampledFrom([]any{1, 2, 0.5}).Draw(t, "n") },
			"minLength":         func() any { return rapid.IntRange(0, 2).Draw(t, "n") },
			"maxLength":         func() any { return rapid.IntRange(0, 2).Draw(t, "n") },
			"pattern":           func() any { return rapid.SampledFrom([]any{"^a", "b"}).Draw(t, "p") },
			"maxItems":          func() any { return rapid.IntRange(0, 2).Draw(t, "n") },
			"minProperties":     func() any { return rapid.IntRange(0, 2).Draw(t, "n") },
			"uniqueItems":       func() any { return rapid.Bool().Draw(t, "u") },
			"required":          func() any { return rapid.SampledFrom([]any{[]any{"a"}, []any{"a", "b"}, []any{}}).Draw(t, "r") },
			"dependentRequired": func() any { return map[string]any{"a": []any{"b"}} },
			"enum": func() any {
				return rapid.SampledFrom([]any{[]any{1, "a", nil}, []any{"a"}, []any{map[string]any{"a": 1}, 2}}).Draw(t, "e")
			},
			"const": func() any { return rapid.SampledFrom([]any{1, "a", 1.5}).Draw(t, "c") },
		}
		if depth > 0 {
			sub := func() any { return anySchema(depth-1).Draw(t, "sub") }
			list := func() any { return []any{sub(), sub()} }
			for _, k := range []string{"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else", "unevaluatedProperties", "unevaluatedItems"} {
				words[k] = sub
			}
			for _, k := range []string{"allOf", "anyOf", "oneOf", "prefixItems"} {
				words[k] = list
			}
			words["properties"] = func() any { return map[string]any{"a": sub(), "b": sub()} }
			words["patternProperties"] = func() any { return map[string]any{rapid.SampledFrom([]string{"^a", "b"}).Draw(t, "re"): sub()} }
			words["dependentSchemas"] = func() any { return map[string]any{"a": sub()} }
			words["$ref"] = func() any { return "#/$defs/d" }
		}
		names := sorted(words)
		for range rapid.IntRange(0, 3).Draw(t, "words") {
			k := rapid.SampledFrom(names).Draw(t, "word")
			out[k] = words[k]()
		}
		return out
	})
}

// changed draws a schema that differs a little from one.
func changed(t *rapid.T, v any) any {
	obj, ok := v.(map[string]any)
	if !ok || rapid.IntRange(0, 4).Draw(t, "anew") == 0 {
		return anySchema(1).Draw(t, "new")
	}
	out := map[string]any{}
	for _, k := range sorted(obj) {
		x := obj[k]
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0: // gone
		case 1:
			if keywords[k] == isSchema {
				x = changed(t, x)
			} else if list, ok := x.([]any); ok && keywords[k] == isSchemas {
				list = append([]any{}, list...)
				list[0] = changed(t, list[0])
				x = list
			} else if m, ok := x.(map[string]any); ok && keywords[k] == isNamed {
				c := map[string]any{}
				for _, name := range sorted(m) {
					c[name] = changed(t, m[name])
				}
				x = c
			}
			out[k] = x
		default:
			out[k] = x
		}
	}
	return out
}

var leaves = []any{1, 0, 2, 3, 1.5, 0.25, "", "a", "ab", "b", "ba", nil, true}

func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
			return rapid.SampledFrom(leaves).Draw(t, "v")
		}
		if rapid.Bool().Draw(t, "array") {
			return rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "items")
		}
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "ab", "c"}), anyValue(depth-1), 0, 3).Draw(t, "props")
	})
}

// What is called compatible is: no value shows otherwise.
func TestCompatibleIsSound(t *testing.T) {
	shown := 0
	rapid.Check(t, func(t *rapid.T) {
		root := anySchema(2).Draw(t, "was")
		defs := map[string]any{"d": anySchema(0).Draw(t, "d")}
		other := changed(t, root)
		was, now := withDefs(root, defs), withDefs(other, map[string]any{"d": changed(t, defs["d"])})
		if was == nil || now == nil || Compatible(Backward, was, now) != nil {
			return
		}
		shown++
		for range 30 {
			v, err := json.Marshal(anyValue(2).Draw(t, "value"))
			if err != nil {
				t.Fatal(err)
			}
			if was.Check(v) == nil && now.Check(v) != nil {
				t.Fatalf("%s is one of %s, not of %s, which is said to be compatible: %v", v, was.Text(), now.Text(), now.Check(v))
			}
		}
	})
	if shown < 5 {
		t.Errorf("only %d pairs were compatible: the test shows little", shown)
	}
}

// withDefs compiles a drawn schema; nil if it is none (a $ref of a $def to itself).
func withDefs(root any, defs map[string]any) *Schema {
	obj, ok := root.(map[string]any)
	if !ok {
		obj = map[string]any{"allOf": []any{root}}
	}
	out := map[string]any{"$defs": defs}
	for k, v := range obj {
		out[k] = v
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	s, err := Compile(b)
	if err != nil {
		return nil
	}
	return s
}
