package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain makes s harmless on one line of a terminal: control characters (C1 ones and bidirectional overrides, too) and
// bytes that are not UTF-8 become escapes.
func plain(s string) string { return escape(s, "") }

// plainLines is plain but keeps the line breaks.
func plainLines(s string) string { return escape(s, "\n") }

func escape(s, keep string) string {
	if strings.IndexFunc(s, unsafeOnTerminal) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !unsafeOnTerminal(r) || strings.ContainsRune(keep, r):
			b.WriteString(s[:n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// unsafeOnTerminal: controls and the characters that reorder what is shown.
func unsafeOnTerminal(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// jsonEscaper makes JSON harmless on a terminal: what encoding/json leaves as it is but a terminal may obey becomes a
// \u escape, which means the same.
type jsonEscaper struct{ w io.Writer }

// Write takes whole JSON documents.
func (e jsonEscaper) Write(p []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(p) {
		if r != '\n' && unsafeOnTerminal(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	if _, err := io.WriteString(e.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
