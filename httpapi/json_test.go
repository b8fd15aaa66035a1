package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are bodies with what the scanner must say of them: "" is good.
var texts = []struct{ text, want string }{
	{`{}`, ""},
	{``, ""},
	{" \t\r\n", ""},
	{`null`, ""},
	{`{"a":1,"b":[true,false,null,"x",-1.5e+3,{"c":{}}]}`, ""},
	{`{"a":"\u00e9\ud83d\ude00\n\/"}`, ""},
	{`{"a":"é😀"}`, ""},
	{"\ufeff{}", "byte order mark"},
	{`{} {}`, "something after the end"},
	{`{}x`, "something after the end"},
	{`{`, "the name of a field"},
	{`{"a"`, "a colon"},
	{`{"a":`, "the body ends"},
	{`{"a":1`, "a comma or the end of the object"},
	{`{"a":1,}`, "the name of a field"},
	{`{"a":1 "b":2}`, "a comma or the end of the object"},
	{`{a:1}`, "the name of a field"},
	{`{"a":[1,]}`, "a value must be"},
	{`{"a":[1 2]}`, "a comma or the end of the array"},
	{`{"a":01}`, "a comma or the end of the object"},
	{`{"a":1.}`, "a digit"},
	{`{"a":-}`, "a digit"},
	{`{"a":1e}`, "a digit"},
	{`{"a":+1}`, "a value must be"},
	{`{"a":NaN}`, "a value must be"},
	{`{"a":tru}`, "a value must be"},
	{`{"a":"x`, "no end"},
	{`{"a":"\x"}`, "no such escape"},
	{`{"a":"\u12G4"}`, "four hexadecimal digits"},
	{"{\"a\":\"\t\"}", "control character"},
	{"{\"a\":\"\xff\"}", "not UTF-8"},
	{"{\"\xff\":1}", "not UTF-8"},
	{`{"a":1,"a":2}`, "given twice"},
	{`{"a":1,"\u0061":2}`, "given twice"},
	{"{" + manyNames(200) + "}", ""},
	{"{" + manyNames(200) + `,"n3":1}`, "given twice"},
	{"{" + manyNames(200) + `,"n150":1}`, "given twice"},
	{`[]`, "must be an object, not an array"},
	{`"x"`, "must be an object, not a string"},
	{`5`, "must be an object, not a number"},
	{`{"a":` + strings.Repeat("[", 100_000), "more than 512 levels"},
	{`{"a":` + strings.Repeat("[", 511) + strings.Repeat("]", 511) + `}`, ""},
	{`{"a":` + strings.Repeat("[", 512) + strings.Repeat("]", 512) + `}`, "more than 512 levels"},
	{`{"a":` + strings.Repeat(`{"a":`, 511) + "1" + strings.Repeat("}", 512), ""},
}

// manyNames is the fields n0, n1, … of an object.
func manyNames(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"n%d":null`, i))
	}
	return strings.Join(all, ",")
}

func TestScannerIsStrict(t *testing.T) {
	for _, tt := range texts {
		err := readAny([]byte(tt.text))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%.60q: %v", tt.text, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%.60q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// readAny reads a body that may have any field.
func readAny(b []byte) error {
	s := newScanner(b)
	s.object(func([]byte) bool { s.skip(); return true })
	return s.done()
}

func TestScannerSaysWhere(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"records":[{"value":1},{"value":1,"headers":{"a":5}}]}`, `records[1].headers.a: must be a string, not a number`},
		{`{"records":[{"value":1},{"value":1,"priority":1.5}]}`, `records[1].priority: must be a whole number from 0 to 9`},
		{`{"records":[{"value":tru}]}`, `not valid JSON at byte 21, in records[0].value:`},
		{`{"records":[{}]}`, `records[0]: give exactly one of value`},
		{`{"colour":1}`, `colour: no such field`},
		{`{"` + strings.Repeat("x", 1000) + `":1}`, `x…: no such field`},
	} {
		b := &batch{limits: testLimits()}
		s := newScanner([]byte(tt.text))
		b.oneOrMany(s)
		var f *fault
		if err := s.done(); !errors.As(err, &f) || !strings.Contains(f.detail, tt.want) {
			t.Errorf("%.60s: %v, want %q", tt.text, err, tt.want)
		} else if len(f.detail) > 400 {
			t.Errorf("%.60s: a detail of %d bytes", tt.text, len(f.detail))
		}
	}
}

func TestRawIsKept(t *testing.T) {
	for _, value := range []string{`1e999999999`, `-0`, `"\u00e9\/\ud800"`, `{ "b" : 1,"a":2, "b":3}`, `[ ]`, "[1,\n2]", `""`} {
		s := newScanner([]byte(" " + value + "\n"))
		if got := s.raw(); string(got) != value || s.done() != nil {
			t.Errorf("raw %q: %q, %v", value, got, s.done())
		}
	}
}

func TestStrings(t *testing.T) {
	for text, want := range map[string]string{
		`""`: "", `"a"`: "a", `"é"`: "é", `"\u00e9"`: "é", `"\ud83d\ude00"`: "😀", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"a\u0000b"`: "a\x00b",
	} {
		s := newScanner([]byte(text))
		if got := s.string(); got != want || s.done() != nil {
			t.Errorf("%s: %q, %v", text, got, s.done())
		}
	}
	for _, text := range []string{`"\ud800"`, `"\ud800x"`, `"\ud800\u0061"`, `"\ude00"`, `"\ud83d\ud83d"`} {
		s := newScanner([]byte(text))
		if got := s.string(); s.done() == nil {
			t.Errorf("half a surrogate pair %s was read as %q", text, got)
		}
	}
}

func TestTimesAreRFC3339(t *testing.T) {
	for text, good := range map[string]bool{
		"2026-01-02T15:04:05Z": true, "2026-01-02T15:04:05.123456789+05:30": true, "2026-01-02T15:04:05,5Z": false, "2026-01-02T5:04:05Z": false,
		"2026-01-02 15:04:05Z": false, "2026-01-02T24:00:00Z": false, "2026-02-30T15:04:05Z": false, "2026-01-02T15:04:05": false, "2026-01-02T15:04:05+25:00": false,
	} {
		if _, f := parseTime(text); (f == nil) != good {
			t.Errorf("%q: %v", text, f)
		}
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, text := range []string{`1.5`, `1e3`, `-1`, `10`, `99999999999999999999`, `"1"`, `true`, `null`, `NaN`, ``} {
		s := newScanner([]byte(text))
		if got := s.int(0, 9); s.done() == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	for text, want := range map[string]int64{`0`: 0, `9`: 9, `-0`: 0, ` 5 `: 5} {
		s := newScanner([]byte(text))
		if got := s.int(0, 9); got != want || s.done() != nil {
			t.Errorf("%q was read as %d, %v", text, got, s.done())
		}
	}
}

// FuzzScanner holds the scanner to what encoding/json calls valid, but for what it is stricter about.
func FuzzScanner(f *testing.F) {
	for _, tt := range texts {
		if len(tt.text) < 2000 {
			f.Add([]byte(tt.text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		good := validJSON(b)
		switch std := json.Valid(b); {
		case good && !std:
			t.Errorf("taken: %q", b)
		case std && !good && utf8.Valid(b) && depth(b) <= maxDepth-valueDepth:
			t.Errorf("refused: %q", b)
		}
		if !good {
			return
		}
		s := newScanner(b)
		raw := s.raw()
		if s.done() != nil && !bytes.HasPrefix(b, byteOrderMark) {
			t.Errorf("raw of valid %q: %v", b, s.done())
		}
		if !bytes.Equal(raw, bytes.Trim(b, " \t\r\n")) {
			t.Errorf("raw of %q is %q", b, raw)
		}
		if raw[0] == '"' {
			fuzzString(t, raw)
		}
	})
}

// fuzzString compares a string with the standard decoder's, and its way back.
func fuzzString(t *testing.T, raw []byte) {
	s := newScanner(raw)
	got := s.bytes()
	var want string
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if s.done() != nil {
		if !strings.Contains(want, "\ufffd") {
			t.Errorf("%q was refused: %v", raw, s.done())
		}
		return
	}
	if string(got) != want {
		t.Errorf("%q is %q, want %q", raw, got, want)
	}
	var back string
	if err := json.Unmarshal(appendString(nil, got), &back); err != nil || back != want {
		t.Errorf("%q came back as %q: %v", want, back, err)
	}
}

// depth is about how deeply brackets are nested; those within strings count, too.
func depth(b []byte) (most int) {
	now := 0
	for _, c := range b {
		switch c {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}
