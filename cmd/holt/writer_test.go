package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestLineWriter(t *testing.T) {
	tests := []struct {
		name   string
		writes []string
		out    []string // after each write, and after flush
		last   string
	}{
		{"whole lines", []string{"a\n", "b\n"}, []string{"a\n", "a\nb\n", "a\nb\n"}, "b"},
		{"parts of lines", []string{"a", "b\nc", "d"}, []string{"", "ab\n", "ab\n", "ab\ncd"}, "cd"},
		{"empty last lines", []string{"why\n \n\n"}, []string{"why\n \n\n", "why\n \n\n"}, "why"},
		{"nothing", nil, []string{""}, ""},
		{"no UTF-8", []string{"\xff\r\n"}, []string{"\xff\r\n", "\xff\r\n"}, "\uFFFD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := &lineWriter{to: &b}
			for i, s := range tt.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				if b.String() != tt.out[i] {
					t.Errorf("after %q: %q, want %q", s, b.String(), tt.out[i])
				}
			}
			w.flush()
			if end := tt.out[len(tt.out)-1]; b.String() != end || w.last != tt.last {
				t.Errorf("at the end %q, last %q; want %q, %q", b.String(), w.last, end, tt.last)
			}
		})
	}
}

// TestLineWriterLimit: a line without end is held up to a limit.
func TestLineWriterLimit(t *testing.T) {
	var b bytes.Buffer
	w := &lineWriter{to: &b}
	for _, n := range []int{maxHeldLine, 1} {
		if b.Len() != 0 {
			t.Errorf("%d bytes passed on below the limit", b.Len())
		}
		_, _ = w.Write([]byte(strings.Repeat("x", n)))
	}
	if b.Len() != maxHeldLine+1 {
		t.Errorf("%d bytes passed on, want %d", b.Len(), maxHeldLine+1)
	}
	if len(w.last) != maxErrorLine {
		t.Errorf("%d bytes remembered, want %d", len(w.last), maxErrorLine)
	}
}
