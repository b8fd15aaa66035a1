package console

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
)

// Limits of what a page shows of a value.
const (
	maxValueShown = 256 << 10 // bytes of one value on its own page
	maxPreview    = 240       // characters of one in a list
	maxTokens     = 20_000
	maxIndented   = 32 // levels of JSON that are indented: what is deeper would be mostly indentation, in the square of its depth
)

// valueView is a value as a page shows it; nothing in it is interpreted.
type valueView struct {
	Kind    string // "json", "text", "hex", "tombstone"
	Size    int
	Tokens  []token // of JSON
	Text    string  // of text and hex
	Cut     bool    // the value is longer than what is shown
	CanJSON bool
	CanText bool
}

// token is a piece of JSON with its class: key, str, num, lit, or "" for what lies between.
type token struct{ Class, Text string }

// headerView is one header.
type headerView struct {
	Name, Value string
	Binary      bool // Value is base64
	System      bool // the server's own
}

// bytesOf is the bytes of a value read with encoding=base64, or in any other form.
func bytesOf(v api.Value) (b []byte, tombstone bool) {
	switch {
	case v.Tombstone:
		return nil, true
	case v.ValueBase64 != nil:
		b, _ = base64.StdEncoding.DecodeString(*v.ValueBase64) // the API made it
		return b, false
	case v.Text != nil:
		return []byte(*v.Text), false
	}
	return v.Value, false
}

// viewValue shows a value in a form; "" is the best there is: JSON, else text, else hex.
func viewValue(v api.Value, form string) valueView {
	b, tombstone := bytesOf(v)
	out := valueView{Size: len(b)}
	if tombstone {
		out.Kind = "tombstone"
		return out
	}
	out.CanText = utf8.Valid(b)
	out.CanJSON = out.CanText && len(b) <= maxValueShown && json.Valid(b)
	switch {
	case (form == "" || form == "json") && out.CanJSON:
		out.Kind = "json"
		out.Tokens, out.Cut = tokens(string(indented(b)))
	case form != "hex" && out.CanText:
		out.Kind = "text"
		text := string(b)
		if len(text) > maxValueShown {
			text, out.Cut = strings.ToValidUTF8(text[:maxValueShown], ""), true
		}
		out.Text = printable(text)
	default:
		out.Kind = "hex"
		if len(b) > maxValueShown/8 {
			b, out.Cut = b[:maxValueShown/8], true
		}
		out.Text = hex.Dump(b)
	}
	return out
}

// indented is JSON laid out for reading, every number as it is written; or as it is, if it is too deep.
func indented(b []byte) []byte {
	var pretty bytes.Buffer
	if nesting(b) > maxIndented || json.Indent(&pretty, bytes.TrimSpace(b), "", "  ") != nil {
		return b
	}
	return pretty.Bytes()
}

// nesting is how deep valid JSON is.
func nesting(b []byte) (most int) {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

// printable makes control characters visible, tab and newline aside: terminals and browsers do things at some of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ':
			return '␀' + r
		case r == 0x7f:
			return '␡'
		case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r): // direction overrides and the like
			return '\uFFFD'
		}
		return r
	}, s)
}

// preview is a value in one line.
func preview(v api.Value) string {
	b, tombstone := bytesOf(v)
	if tombstone {
		return "tombstone"
	}
	if len(b) == 0 {
		return "(empty)"
	}
	cut := b[:min(len(b), 4*maxPreview)]
	if !utf8.Valid(cut) && !utf8.Valid(bytes.TrimRightFunc(cut, func(r rune) bool { return r == utf8.RuneError })) {
		return clip(hex.EncodeToString(b[:min(len(b), maxPreview/2)]), maxPreview)
	}
	return clip(strings.Join(strings.Fields(printable(strings.ToValidUTF8(string(cut), ""))), " "), maxPreview)
}

// tokens splits indented JSON.
func tokens(s string) (out []token, cut bool) {
	add := func(class, text string) {
		if n := len(out); n > 0 && out[n-1].Class == class && class == "" {
			out[n-1].Text += text
			return
		}
		out = append(out, token{class, text})
	}
	for i := 0; i < len(s); {
		if len(out) > maxTokens {
			return out, true
		}
		c := s[i]
		switch {
		case c == '"':
			end := stringEnd(s, i)
			class := "str"
			if end < len(s) && s[end] == ':' {
				class = "key"
			}
			add(class, printable(s[i:end]))
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(s) && strings.IndexByte("0123456789+-.eE", s[end]) >= 0 {
				end++
			}
			add("num", s[i:end])
			i = end
		case c >= 'a' && c <= 'z':
			end := i + 1
			for end < len(s) && s[end] >= 'a' && s[end] <= 'z' {
				end++
			}
			add("lit", s[i:end])
			i = end
		default:
			add("", s[i:i+1])
			i++
		}
	}
	return out, false
}

// stringEnd is the index behind the string that begins at i.
func stringEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// headersOf are a record's headers by name, the server's own last.
func headersOf(text, binary map[string]string) (out []headerView) {
	for name, value := range text {
		out = append(out, headerView{name, printable(value), false, strings.HasPrefix(name, "holt-")})
	}
	for name, value := range binary {
		out = append(out, headerView{name, value, true, strings.HasPrefix(name, "holt-")})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].System != out[j].System {
			return out[j].System
		}
		return out[i].Name < out[j].Name
	})
	return out
}

// keyText is a key as a page shows it; has is false if the record has none.
func keyText(key, keyBase64 *string) (text string, has bool) {
	switch {
	case key != nil:
		return printable(*key), true
	case keyBase64 != nil:
		b, _ := base64.StdEncoding.DecodeString(*keyBase64) // the API made it
		return "0x" + hex.EncodeToString(b), true
	}
	return "", false
}
