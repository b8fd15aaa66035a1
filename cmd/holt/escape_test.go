package main

import (
	"bytes"
	"testing"
)

func TestPlain(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain ünïcode 漢字 🦦", "plain ünïcode 漢字 🦦"},
		{"\x1b[31m\a", `\x1b[31m\x07`},
		{"a\r\n\tb\x00\x7f", `a\r\n\tb\x00\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"\u202eevil\u2066\u200f\u2028", `\u202eevil\u2066\u200f\u2028`},
		{"\xff\x9b", `\xff\x9b`},
		{"\uFFFD", "\uFFFD"},
	}
	for _, tt := range tests {
		if got := plain(tt.in); got != tt.want {
			t.Errorf("plain(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := plainLines("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("plainLines keeps line breaks only: %q", got)
	}
}

func TestJSONEscaper(t *testing.T) {
	var b bytes.Buffer
	in := "{\"text\":\"\u009b1m \u202e ok 🦦\x7f\"}\n"
	n, err := jsonEscaper{&b}.Write([]byte(in))
	if err != nil || n != len(in) {
		t.Errorf("Write = %d, %v, want %d", n, err, len(in))
	}
	if want := "{\"text\":\"\\u009b1m \\u202e ok 🦦\\u007f\"}\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
