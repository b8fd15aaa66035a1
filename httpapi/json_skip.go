package httpapi

import (
	"bytes"
	"unicode/utf8"
)

// raw reads any value and returns it as it is written.
func (s *scanner) raw() []byte {
	s.peek()
	start := s.i
	s.skip()
	if s.err != nil {
		return nil
	}
	return s.b[start:s.i:s.i]
}

// skip reads any value. Fields given twice, huge numbers and half surrogate pairs are the reader's business.
func (s *scanner) skip() {
	open := make([]byte, 0, 64) // '{' or '[' of the levels the value opened
	for {
		switch c := s.peek(); c {
		case '{', '[':
			if !s.enter() {
				return
			}
			open = append(open, c)
			if s.peek() == c+2 { // '}' and ']' follow their partners by two
				break
			}
			if c == '{' && !s.skipName() {
				return
			}
			continue
		case '"':
			s.skipString()
		case 't':
			s.literal("true")
		case 'f':
			s.literal("false")
		case 'n':
			s.literal("null")
		case 0:
			s.syntax("the body ends within a value")
		default:
			if c != '-' && (c < '0' || c > '9') {
				s.literal("null")
			} else {
				s.number()
			}
		}
		if !s.next(&open) {
			return
		}
	}
}

// next goes from the end of a value within those that are open to the beginning of the next one; false at the end of the outermost.
func (s *scanner) next(open *[]byte) bool {
	for s.err == nil && len(*open) > 0 {
		in := (*open)[len(*open)-1]
		switch c := s.peek(); {
		case c == in+2:
			s.i++
			s.depth--
			*open = (*open)[:len(*open)-1]
		case c == ',':
			s.i++
			return in == '[' || s.skipName()
		case in == '{':
			s.syntax("expected a comma or the end of the object")
		default:
			s.syntax("expected a comma or the end of the array")
		}
	}
	return false
}

func (s *scanner) skipName() bool {
	if s.peek() != '"' {
		s.syntax("expected the name of a field in double quotes")
		return false
	}
	s.skipString()
	if s.peek() != ':' {
		s.syntax("expected a colon after the name of a field")
		return false
	}
	s.i++
	return true
}

func (s *scanner) skipString() {
	s.i++
	start, ascii := s.i, true
	for s.i < len(s.b) {
		c := s.b[s.i]
		switch {
		case plain[c]:
			s.i++
		case c == '"':
			if !ascii && !utf8.Valid(s.b[start:s.i]) {
				s.notUTF8(start)
				return
			}
			s.i++
			return
		case c == '\\':
			if s.skipEscape(); s.err != nil {
				return
			}
		case c < 0x20:
			s.syntax("a control character must be escaped within a string")
			return
		default:
			ascii = false
			s.i++
		}
	}
	s.syntax("a string has no end")
}

func (s *scanner) skipEscape() {
	if s.i+1 < len(s.b) && s.b[s.i+1] == 'u' {
		if _, ok := hex4(s.b[s.i+2:]); !ok {
			s.syntax(`\u needs four hexadecimal digits`)
			return
		}
		s.i += 6
		return
	}
	if s.i+1 >= len(s.b) || bytes.IndexByte([]byte(`"\/bfnrt`), s.b[s.i+1]) < 0 {
		s.syntax("no such escape in a string")
		return
	}
	s.i += 2
}

// valueDepth is how many levels a publish of several records puts around a value.
const valueDepth = 3

// validJSON tells whether b is one JSON text in UTF-8 that can be published as a value: not nested too deeply for that.
func validJSON(b []byte) bool {
	s := scanner{b: b, depth: valueDepth, terse: true}
	s.skip()
	s.space()
	return s.err == nil && s.i == len(b)
}
