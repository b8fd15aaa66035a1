package httpapi

import (
	"unicode/utf16"
	"unicode/utf8"
)

// bytes reads a string; what it returns is valid UTF-8.
func (s *scanner) bytes() []byte {
	if s.peek() != '"' {
		s.mismatch("a string")
		return nil
	}
	return s.quoted()
}

func (s *scanner) string() string { return string(s.bytes()) }

// plain marks the bytes of a string that need no look: ASCII, no quote, no backslash, no control.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// quoted reads a string whose opening quote is next.
func (s *scanner) quoted() []byte {
	s.i++
	start, ascii := s.i, true
	for s.i < len(s.b) {
		c := s.b[s.i]
		switch {
		case plain[c]:
			s.i++
		case c == '"':
			out := s.b[start:s.i:s.i]
			s.i++
			if !ascii && !utf8.Valid(out) {
				s.notUTF8(start)
				return nil
			}
			return out
		case c == '\\':
			return s.unescaped(start)
		case c < 0x20:
			s.syntax("a control character must be escaped within a string")
			return nil
		default:
			ascii = false
			s.i++
		}
	}
	s.syntax("a string has no end")
	return nil
}

func (s *scanner) notUTF8(at int) {
	if s.err == nil {
		s.i = at
		s.syntax("a string is not UTF-8; send bytes that are no text as base64 (value_base64, key_base64, headers_base64)")
	}
}

// unescaped reads the rest of a string from its first escape on.
func (s *scanner) unescaped(start int) []byte {
	out := append(make([]byte, 0, s.i-start+64), s.b[start:s.i]...)
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			if !utf8.Valid(out) {
				s.notUTF8(start)
				return nil
			}
			return out
		case c == '\\':
			out = s.escape(out)
			if s.err != nil {
				return nil
			}
		case c < 0x20:
			s.syntax("a control character must be escaped within a string")
			return nil
		default:
			out = append(out, c)
			s.i++
		}
	}
	s.syntax("a string has no end")
	return nil
}

// escape appends what the escape at s.i means.
func (s *scanner) escape(out []byte) []byte {
	if s.i+1 >= len(s.b) {
		s.syntax("a string has no end")
		return out
	}
	c := s.b[s.i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode(out)
	default:
		s.syntax("no such escape in a string")
		return out
	}
	s.i += 2
	return append(out, c)
}

func (s *scanner) unicode(out []byte) []byte {
	r, ok := hex4(s.b[s.i+2:])
	if !ok {
		s.syntax(`\u needs four hexadecimal digits`)
		return out
	}
	s.i += 6
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
			low, ok = hex4(s.b[s.i+2:])
		}
		r = utf16.DecodeRune(r, low)
		if !ok || r == utf8.RuneError {
			s.i -= 6
			s.syntax("half a surrogate pair is no character; send bytes that are no text as base64")
			return out
		}
		s.i += 6
	}
	return utf8.AppendRune(out, r)
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
