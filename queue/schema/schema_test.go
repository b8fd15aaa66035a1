package schema

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func compile(t *testing.T, text string) *Schema {
	t.Helper()
	s, err := Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestCheck(t *testing.T) {
	const order = `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"lines":{"type":"array","uniqueItems":true,
		"items":{"type":"object","properties":{"sku/no":{"type":"string","pattern":"^[A-Z]{2}-[0-9]+$"},"n":{"minimum":1,"multipleOf":0.5}},"required":["sku/no"]}},
		"at":{"format":"date-time"},"kind":{"enum":["a","b",3]}},"additionalProperties":false}`
	tests := []struct{ schema, value, at, why string }{
		{order, `{"id":1}`, "", ""},
		{order, `{"id":1.0,"lines":[{"sku/no":"AB-1","n":1.5}],"at":"not checked","kind":3.0}`, "", ""},
		{order, `{}`, "", "missing property 'id'"},
		{order, `{"id":"1"}`, "/id", "got string, want integer"},
		{order, `{"id":1,"lines":[{"sku/no":"AB-1"},{"sku/no":"ab"}]}`, "/lines/1/sku~1no", "does not match pattern"},
		{order, `{"id":1,"lines":[{"sku/no":"AB-1","n":1},{"sku/no":"AB-1","n":1.00}]}`, "/lines", "items at 0 and 1 are equal"},
		{order, `{"id":1,"b":2,"a":3}`, "", "additional properties 'a', 'b'"},
		{order, `{"id":1,"id":2}`, "", "given twice"},
		{order, `{"id":1e2000000}`, "", "exponent"},
		{order, `{"id":` + strings.Repeat("9", maxNumber+1) + `}`, "", "characters"},
		{order, `not JSON`, "", "it is not JSON"},
		{order, `{"id":1} `, "", ""},
		{order, "", "", "it is not JSON"},
		{"true", strings.Repeat("[", MaxValueDepth+1) + strings.Repeat("]", MaxValueDepth+1), "", "nested"},
		{"true", strings.Repeat("[", MaxValueDepth) + strings.Repeat("]", MaxValueDepth), "", ""},
		{"true", "\"\xff\"", "", "it is not JSON"},
		{"false", `1`, "", "false schema"},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, "", "none of what anyOf lists"},
		{`{"oneOf":[{"type":"string"},{"maxLength":3}]}`, `"ab"`, "", "more than one"},
		{`{"$defs":{"t":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/t"}}},"unevaluatedProperties":false}},"$ref":"#/$defs/t"}`,
			`{"kids":[{"kids":[]},{"kids":[{"x":1}]}]}`, "/kids/1/kids/0/x", "false schema"},
		{`{"properties":{"format":{"type":"string"},"uniqueItems":{"type":"boolean"}}}`, `{"format":1}`, "/format", "got number, want string"},
		{`{"const":{"uniqueItems":true,"format":"x"}}`, `{"format":"x","uniqueItems":true}`, "", ""},
	}
	for _, tt := range tests {
		err := compile(t, tt.schema).Check([]byte(tt.value))
		var v *Violation
		switch {
		case tt.why == "" && err != nil:
			t.Errorf("%s is refused: %v", short(tt.value), err)
		case tt.why != "" && !errors.As(err, &v):
			t.Errorf("%s is taken", short(tt.value))
		case tt.why != "" && (v.Pointer != tt.at || !strings.Contains(v.Reason, tt.why)):
			t.Errorf("%s: %q %q, want %q …%q…", short(tt.value), v.Pointer, v.Reason, tt.at, tt.why)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct{ schema, why string }{
		{`[]`, "object or a boolean"},
		{`{"type":"strin"}`, "at \"/type\""},
		{`{"type":`, "not JSON"},
		{`{"a":1,"a":2}`, "given twice"},
		{`{"$ref":"https://example.com/s.json"}`, "nothing is fetched"},
		{`{"$ref":"http://169.254.169.254/latest"}`, "nothing is fetched"},
		{`{"$ref":"file:///etc/passwd"}`, "nothing is fetched"},
		{`{"$ref":"other.json"}`, "nothing is fetched"},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "nothing is fetched"},
		{`{"$ref":"#/$defs/none"}`, "names no schema"},
		{`{"$ref":"#name"}`, "JSON pointer"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, "$schema"},
		{`{"$schema":"https://example.com/mine"}`, "$schema"},
		{`{"items":{"$id":"https://example.com/x"}}`, "$id"},
		{`{"$dynamicRef":"#x"}`, "not supported"},
		{`{"$ref":"#"}`, "refers to itself"},
		{`{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}`, "refers to itself"},
		{`{"pattern":"(?=x)"}`, "look-around"},
		{`{"pattern":"((a{100}){100}){100}"}`, ""},
		{`{"pattern":"a{999}b{999}c{999}d{999}e{99}"}`, "instructions"},
		{`{"patternProperties":{"a{999}b{999}c{999}d{999}e{99}":true}}`, "instructions"},
		{`{"pattern":"` + strings.Repeat("a", MaxPattern+1) + `"}`, "at most 1024"},
		{`{"description":"` + strings.Repeat("a", MaxBytes) + `"}`, "at most 32768"},
		{strings.Repeat(`{"not":`, MaxDepth) + "true" + strings.Repeat("}", MaxDepth), "nested"},
		{`{"minimum":1e99999}`, "exponent"},
	}
	for _, tt := range tests {
		_, err := Compile([]byte(tt.schema))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: %v, want …%s…", short(tt.schema), err, tt.why)
		}
	}
	for _, ok := range []string{
		`true`, `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/order"}`,
		`{"$defs":{"n":{"type":"object"}},"properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#"}}}`,
		`{"$defs":{"a/b":{"type":"string"},"c%d":true},"items":{"$ref":"#/$defs/a~1b"},"contains":{"$ref":"#/$defs/c%25d"}}`,
		`{"const":{"$ref":"https://example.com"}}`, `{"properties":{"$ref":{"type":"string"}}}`,
	} {
		if _, err := Compile([]byte(ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

// Schemas whose checking would take for ever end with a violation soon.
func TestCheckIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 400) + "1" + strings.Repeat("}", 400)
	nested := strings.Repeat("[", 400) + strings.Repeat("]", 400)
	wide := "[" + strings.Repeat("1,", 1000) + "1]"
	near := "[" + strings.Repeat("0.12345678901234567890123456789,", 1000) + "2]"
	enum := `{"items":{"enum":[` + strings.Repeat("2,", 10_000) + `2]}}`
	laughs := `{"$defs":{"z":{"type":"integer"}`
	for i := range 25 {
		next := string(rune('a' + i + 1))
		laughs += `,"` + string(rune('a'+i)) + `":{"allOf":[{"$ref":"#/$defs/` + next + `"},{"$ref":"#/$defs/` + next + `"}]}`
	}
	laughs += `},"$ref":"#/$defs/a"}`
	for _, tt := range []struct{ name, schema, value string }{
		{"twice a level", `{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`, deep},
		{"twice a level, failing in silence", `{"not":{"$ref":"#/$defs/n"},"$defs":{"n":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/n"},"contains":{"$ref":"#/$defs/n"}}}}`, nested},
		{"two patterns", `{"not":{"$ref":"#/$defs/n"},"$defs":{"n":{"type":"object","patternProperties":{"a":{"$ref":"#/$defs/n"},".":{"$ref":"#/$defs/n"}}}}}`, deep},
		{"billion laughs", laughs, "1"},
		{"long enum", enum, wide},
		{"near numbers", `{"uniqueItems":true}`, near},
		{"pattern", `{"items":{"pattern":"(x?){900}y"}}`, `["` + strings.Repeat("x", 100_000) + `"]`},
	} {
		_ = compile(t, tt.schema).Check([]byte(tt.value)) // that it returns is what is asked; with most a violation is all that can be said
		if tt.name == "billion laughs" || tt.name == "twice a level" {
			if err := compile(t, tt.schema).Check([]byte(tt.value)); err == nil || !strings.Contains(err.Error(), "too many steps") {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

func TestSchemaIsShared(t *testing.T) {
	s := compile(t, `{"type":"array","items":{"type":"integer"},"uniqueItems":true}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := s.Check([]byte(`[1,2,3]`)); err != nil {
					t.Error(err)
				}
				if err := s.Check([]byte(`[1,2,1]`)); err == nil {
					t.Error("taken")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkCheck(b *testing.B) {
	s, err := Compile([]byte(`{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"to":{"type":"string"}},"additionalProperties":false}`))
	if err != nil {
		b.Fatal(err)
	}
	v := []byte(`{"id":17,"to":"a@example.com"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(v); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#"}}}`), []byte(`{"a":{"a":1}}`))
	f.Add([]byte(`{"anyOf":[{"uniqueItems":true},{"pattern":"a*"}]}`), []byte(`["a",1e3,null,true]`))
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		took := func(what string, fn func()) {
			start := time.Now()
			fn()
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("%s takes %s: %.400q, %.400q", what, d, schema, value)
			}
		}
		var s *Schema
		var err error
		took("compiling", func() { s, err = Compile(schema) })
		if err != nil {
			return
		}
		took("checking", func() { _ = s.Check(value) })
		took("comparing", func() { _, _ = Compatible(Full, s, s), Compatible(Full, s, nil) })
	})
}
