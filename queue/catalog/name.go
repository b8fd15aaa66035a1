package catalog

import (
	"fmt"
	"strings"
)

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

// CheckName refuses names that a user cannot give a topic. Errors: ErrInvalidName.
func CheckName(name string) error {
	switch {
	case !ValidName(name):
		return fmt.Errorf("%w %q: letters, digits, \"_\", \".\" and \"-\", at most %d, not beginning with \".\" or \"-\"", ErrInvalidName, name, MaxName)
	case Reserved(name):
		return fmt.Errorf("%w %q: names that begin with \"__\" are the server's own", ErrInvalidName, name)
	}
	return nil
}

// CheckGroupName refuses names that a user cannot give a group. Errors: ErrInvalidName.
func CheckGroupName(name string) error {
	switch {
	case !ValidGroupName(name):
		return fmt.Errorf("%w %q: letters, digits, \"_\", \".\" and \"-\", at most %d, not beginning with \".\" or \"-\"", ErrInvalidName, name, MaxGroupName)
	case Reserved(name):
		return fmt.Errorf("%w %q: names that begin with \"__\" are the server's own", ErrInvalidName, name)
	}
	return nil
}
