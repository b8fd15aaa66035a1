package main

import "testing"

func TestClosest(t *testing.T) {
	commands := []string{"group", "top", "topic", "work", "publish", "dead-letters", "serve"}
	for word, want := range map[string]string{
		"grop": "group", "gruop": "group", "wrok": "work", "publsih": "publish", "deadletters": "dead-letters", "dead_leters": "dead-letters", "topics": "topic", "tops": "top",
		"frobnicate": "", "group": "", "x": "", "": "", "kafka": "",
	} {
		if got := closest([]string{word}, commands); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abcd", "bcda", 2}, {"fußball", "fussball", 2}, {"ab", "ba", 1}} {
		if got := distance([]rune(tt.a), []rune(tt.b)); got != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
