package catalog

import "strings"

// Limits of names, in bytes.
const (
	MaxName      = 200
	MaxGroupName = 196 // leaves room for ".dlq"
)

// ValidName tells whether s can name a topic: [A-Za-z0-9_][A-Za-z0-9._-]{0,199}, and not "." or "..". Case counts.
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}

// ValidGroupName tells whether s can name a group: a valid name of at most MaxGroupName bytes.
func ValidGroupName(s string) bool { return ValidName(s) && len(s) <= MaxGroupName }

// Reserved tells whether a name is kept for the server itself.
func Reserved(s string) bool { return strings.HasPrefix(s, "__") }
