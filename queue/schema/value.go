package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of numbers in values and schemas: beyond them arithmetic costs more than the text lets expect.
const (
	maxNumber   = 1_000 // characters
	maxExponent = 1_000
)

// decode parses JSON into what the validator takes: numbers stay as written. It refuses duplicate names, of which readers take different ones.
func decode(text []byte, depth int) (any, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, fmt.Errorf("it is not JSON")
	}
	d := decoder{b: text}
	v := d.value(depth)
	return v, d.err
}

// decoder reads JSON that is known to be valid.
type decoder struct {
	b   []byte
	i   int
	err error
}

func (d *decoder) fail(format string, args ...any) any {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	return nil
}

func (d *decoder) space() {
	for d.i < len(d.b) && strings.IndexByte(" \t\r\n", d.b[d.i]) >= 0 {
		d.i++
	}
}

func (d *decoder) value(depth int) any {
	if d.err != nil {
		return nil
	}
	if depth == 0 {
		return d.fail("it is nested too deeply")
	}
	d.space()
	switch d.b[d.i] {
	case '{':
		return d.object(depth)
	case '[':
		return d.array(depth)
	case '"':
		return d.string()
	case 't':
		d.i += 4
		return true
	case 'f':
		d.i += 5
		return false
	case 'n':
		d.i += 4
		return nil
	default:
		return d.number()
	}
}

func (d *decoder) object(depth int) any {
	out := map[string]any{}
	for d.i++; d.err == nil; {
		d.space()
		switch d.b[d.i] {
		case '}':
			d.i++
			return out
		case ',':
			d.i++
			d.space()
		}
		name := d.string()
		if _, twice := out[name]; twice {
			return d.fail("the name %q is given twice in one object", short(name))
		}
		d.space()
		d.i++ // the colon
		out[name] = d.value(depth - 1)
	}
	return nil
}

func (d *decoder) array(depth int) any {
	out := []any{}
	for d.i++; d.err == nil; {
		d.space()
		switch d.b[d.i] {
		case ']':
			d.i++
			return out
		case ',':
			d.i++
		}
		out = append(out, d.value(depth-1))
	}
	return nil
}

func (d *decoder) string() string {
	from, plain := d.i, true
	for d.i++; d.b[d.i] != '"'; d.i++ {
		if d.b[d.i] == '\\' {
			plain = false
			d.i++
		}
	}
	d.i++
	if plain {
		return string(d.b[from+1 : d.i-1])
	}
	var s string
	if err := json.Unmarshal(d.b[from:d.i], &s); err != nil {
		d.fail("%v", err)
	}
	return s
}

func (d *decoder) number() any {
	from := d.i
	for d.i < len(d.b) && strings.IndexByte("+-.0123456789eE", d.b[d.i]) >= 0 {
		d.i++
	}
	n := json.Number(d.b[from:d.i])
	if len(n) > maxNumber {
		return d.fail("a number has %d characters, at most %d", len(n), maxNumber)
	}
	if e := strings.IndexAny(string(n), "eE"); e >= 0 {
		exp := strings.TrimLeft(strings.TrimLeft(string(n[e+1:]), "+-"), "0")
		if len(exp) > 4 || len(exp) == 4 && exp > fmt.Sprint(maxExponent) {
			return d.fail("the exponent of %s is over %d", short(string(n)), maxExponent)
		}
	}
	return n
}

// short cuts what a message repeats of a value.
func short(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
