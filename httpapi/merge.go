package httpapi

import (
	"math"
	"net/http"
	"time"

	"github.com/holtmq/holt/client/api"
)

// merger applies the body of a PUT to a configuration: an object's fields one by one, an array whole; null puts a default back.
// A bad value of a field is invalid_config.
type merger struct{ *scanner }

// merged applies a body by means of fields; def says whether something of that name is a field.
func merged(body []byte, fields func(m merger, name string) bool) error {
	m := merger{newScanner(body)}
	m.object(func(name []byte) bool {
		if string(name) == "config" {
			m.object(func(name []byte) bool { return m.config(name, fields) })
			return true
		}
		return m.config(name, fields)
	})
	return m.done()
}

// config reads one field and turns what is wrong with its value, unless that is its JSON or a field within it, into invalid_config.
func (m merger) config(name []byte, fields func(m merger, name string) bool) bool {
	known := fields(m, string(name))
	if m.err != nil && m.here < 0 && !m.alien && m.err.status == http.StatusBadRequest {
		m.err.code = api.InvalidConfig
	}
	return known
}

// field reads one value into a field; null puts def there.
func field[T any](m merger, to *T, def T, read func() T) {
	if m.null() {
		*to = def
		return
	}
	if v := read(); m.err == nil {
		*to = v
	}
}

func (m merger) dur(to *time.Duration, def time.Duration) {
	field(m, to, def, func() time.Duration { return m.duration(math.MinInt64, math.MaxInt64) })
}

func (m merger) whole(to *int, def int) {
	field(m, to, def, func() int { return int(m.int(math.MinInt32, math.MaxInt32)) })
}

func (m merger) long(to *int64, def int64) {
	field(m, to, def, func() int64 { return m.int(math.MinInt64, math.MaxInt64) })
}

func (m merger) number(to *float64, def float64) { field(m, to, def, m.float) }

func (m merger) flag(to *bool, def bool) { field(m, to, def, m.bool) }

// text reads a string of any string type.
func text[T ~string](m merger, to *T, def T) {
	field(m, to, def, func() T { return T(m.string()) })
}

// within applies an object's fields to a part of the configuration; null puts def there.
func within[T any](m merger, to *T, def T, fields func(name string) bool) {
	if m.null() {
		*to = def
		return
	}
	m.object(func(name []byte) bool { return fields(string(name)) })
}

// ignored reads the value of a field that only answers have.
func (m merger) ignored() bool {
	m.skip()
	return true
}
