package httpapi

import (
	"bytes"
	"fmt"
	"strconv"
)

// maxDepth is how deeply the JSON of a body, and of a value that is answered as JSON, may be nested.
const maxDepth = 512

var byteOrderMark = []byte("\xef\xbb\xbf")

// scanner reads one JSON text in a single pass. Its first error sticks: from then on every method does nothing and returns
// zero values, so that callers look at err once, at the end. Slices it returns point into the body unless there was an escape.
type scanner struct {
	b     []byte
	i     int
	depth int
	err   *fault
	path  string // of err: the field it is about
	here  int    // of err: the byte it is about; −1 when the path says enough
	alien bool   // err is about a field that should not be there, not about the value of one
	terse bool   // an error of the text itself need not say what is wrong
}

// newScanner starts at the beginning of a body. A body of nothing but white space reads as {} (see object).
func newScanner(b []byte) *scanner {
	s := new(scanner)
	s.begin(b)
	return s
}

func (s *scanner) begin(b []byte) {
	*s = scanner{b: b}
	if bytes.HasPrefix(b, byteOrderMark) {
		s.syntax("it begins with a byte order mark: send UTF-8 without one")
	}
}

// notJSON is what a terse scanner says of every error.
var notJSON = invalid("not valid JSON")

// syntax records an error of the text itself.
func (s *scanner) syntax(format string, args ...any) {
	switch {
	case s.err != nil:
	case s.terse:
		s.err = notJSON
	default:
		s.err, s.here = invalid(format, args...), s.i
	}
}

// fail records an error of what the text means.
func (s *scanner) fail(f *fault) {
	if s.err == nil {
		s.err, s.here = f, -1
	}
}

// stray records that a field should not be there.
func (s *scanner) stray(what string) {
	if s.err == nil {
		s.fail(invalid("%s", what))
		s.alien = true
	}
}

// mismatch records that a field is not of the kind it must be.
func (s *scanner) mismatch(want string) {
	if s.err == nil {
		s.fail(invalid("must be %s, not %s", want, s.kind()))
	}
}

// done returns the first error, with its place in the detail; what is left of the body must be white space.
func (s *scanner) done() error {
	if s.err == nil {
		if s.space(); s.i < len(s.b) {
			s.syntax("there is something after the end of the JSON text: send one JSON text only")
		}
	}
	if s.err == nil {
		return nil
	}
	f := *s.err
	switch {
	case s.here >= 0 && s.path != "":
		f.detail = fmt.Sprintf("not valid JSON at byte %d, in %s: %s", s.here, s.path, f.detail)
	case s.here >= 0:
		f.detail = fmt.Sprintf("not valid JSON at byte %d: %s", s.here, f.detail)
	case s.path != "":
		f.detail = s.path + ": " + f.detail
	}
	return &f
}

// under puts the name of a field or the index of an element in front of the error's path.
func (s *scanner) under(name string) {
	switch {
	case s.path == "":
		s.path = name
	case s.path[0] == '[':
		s.path = name + s.path
	default:
		s.path = name + "." + s.path
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token; 0 at the end and after an error.
func (s *scanner) peek() byte {
	if s.err != nil {
		return 0
	}
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// kind names what the next token begins, for details.
func (s *scanner) kind() string {
	switch c := s.peek(); c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case 0:
		return "the end of the body"
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return "a number"
		}
		return strconv.QuoteRune(rune(c))
	}
}

// null consumes a null if it is next.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return s.err == nil
}

func (s *scanner) literal(word string) {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		s.syntax("a value must be an object, an array, a string, a number, true, false or null")
		return
	}
	s.i += len(word)
}

func (s *scanner) enter() bool {
	s.i++
	if s.depth++; s.depth > maxDepth {
		s.syntax("nested more than %d levels deep", maxDepth)
		return false
	}
	return true
}

// object reads an object whose field names field knows; it returns false for one that it does not know, without having read anything.
// A field given twice is an error. A null, and a body without anything, stand for an object without fields.
func (s *scanner) object(field func(name []byte) bool) {
	if s.null() || s.depth == 0 && s.empty() {
		return
	}
	if s.peek() != '{' {
		s.mismatch("an object")
		return
	}
	if !s.enter() {
		return
	}
	var seen nameSet
	for first := true; ; first = false {
		name, more := s.name(first)
		if !more {
			break
		}
		if seen.has(name) {
			s.stray("given twice")
		}
		seen.add(name)
		if s.err == nil && !field(name) {
			s.stray("no such field; docs/HTTP-API.md has what this call takes")
		}
		if s.err != nil {
			s.under(cut(string(name)))
			return
		}
	}
	s.depth--
}

// nameSet is the names of an object's fields: few, as they nearly always are, cost no memory, and many no more time each.
type nameSet struct {
	few  [16][]byte
	n    int // of few
	more map[string]struct{}
}

func (s *nameSet) has(name []byte) bool {
	for _, n := range s.few[:s.n] {
		if bytes.Equal(n, name) {
			return true
		}
	}
	_, ok := s.more[string(name)]
	return ok
}

func (s *nameSet) add(name []byte) {
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return
	}
	if s.more == nil {
		s.more = map[string]struct{}{}
	}
	s.more[string(name)] = struct{}{}
}

// name reads the next field's name and its colon; false at the end of the object, which it consumes, and after an error.
func (s *scanner) name(first bool) ([]byte, bool) {
	c := s.peek()
	if c == '}' {
		s.i++
		return nil, false
	}
	if !first {
		if c != ',' {
			s.syntax("expected a comma or the end of the object")
			return nil, false
		}
		s.i++
		c = s.peek()
	}
	if c != '"' {
		s.syntax("expected the name of a field in double quotes")
		return nil, false
	}
	name := s.quoted()
	if s.peek() != ':' {
		s.syntax("expected a colon after the name of a field")
		return nil, false
	}
	s.i++
	return name, s.err == nil
}

// empty tells whether nothing is left of the body.
func (s *scanner) empty() bool {
	s.peek()
	return s.err == nil && s.i == len(s.b)
}

// array reads an array; element reads one. A null stands for an empty one.
func (s *scanner) array(element func(i int)) {
	if s.null() {
		return
	}
	if s.peek() != '[' {
		s.mismatch("an array")
		return
	}
	if !s.enter() {
		return
	}
	for i := 0; ; i++ {
		c := s.peek()
		if c == ']' && i == 0 {
			break
		}
		if i > 0 {
			if c == ']' {
				break
			}
			if c != ',' {
				s.syntax("expected a comma or the end of the array")
				return
			}
			s.i++
		}
		if element(i); s.err != nil {
			s.under("[" + strconv.Itoa(i) + "]")
			return
		}
	}
	s.i++
	s.depth--
}
