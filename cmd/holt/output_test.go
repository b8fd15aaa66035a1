package main

import (
	"fmt"
	"testing"
)

func TestShrink(t *testing.T) {
	for _, tt := range []struct {
		widths []int
		room   int
		first  bool
		want   string
	}{
		{[]int{60, 10, 100}, 200, false, "[60 10 100]"}, // there is room
		{[]int{60, 10, 100}, 134, false, "[60 10 60]"},
		{[]int{60, 30, 100}, 134, false, "[60 30 40]"}, // the widest gives way
		{[]int{60, 80, 100}, 134, false, "[60 35 35]"},
		{[]int{60, 10, 100}, 80, false, "[60 10 24]"}, // as far as may be, and no further
		{[]int{60, 10, 20}, 80, false, "[60 10 20]"},
		{[]int{60, 10, 20}, 80, true, "[46 10 20]"},
	} {
		got := append([]int(nil), tt.widths...)
		shrink(got, tt.room, tt.first)
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%v in %d: %v, want %s", tt.widths, tt.room, got, tt.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{{"mailer", 6, "mailer"}, {"mailers", 6, "maile…"}, {"ラッコラッコ", 7, "ラッコ…"}, {"ラッコラッコ", 6, "ラッ…"}, {"", 0, ""}, {"éé", 1, "…"}} {
		if got := clip(tt.text, tt.width); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}
