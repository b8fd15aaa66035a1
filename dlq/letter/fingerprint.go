package letter

import "strings"

// maxFingerprint is how many bytes of a fingerprint are kept.
const maxFingerprint = 256

// What stands in a fingerprint for what differs from one failure to the next.
const (
	someNumber = "<n>"
	someID     = "<id>"
	someQuote  = "<…>"
)

// Fingerprint puts failures that differ only in numbers, ids and quoted parts together: the one that the worker gave, else the type and
// the message with those made equal. "" = nothing is known of the failure.
func Fingerprint(given, errorType, message string) string {
	if given != "" {
		return clip(given)
	}
	f := normalize(message)
	switch {
	case errorType == "":
	case f == "":
		f = errorType
	default:
		f = errorType + ": " + f
	}
	return clip(f)
}

// clip cuts at maxFingerprint bytes, not inside a character.
func clip(s string) string {
	if len(s) <= maxFingerprint {
		return s
	}
	n := maxFingerprint
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// normalize replaces quoted parts, words with a digit among letters (ids, hashes, addresses) and numbers, and makes white space one blank. It looks
// at no more of the message than fills a fingerprint.
func normalize(message string) string {
	var b strings.Builder
	for i := 0; i < len(message) && b.Len() <= maxFingerprint; {
		c := message[i]
		switch {
		case isBlank(c):
			for i < len(message) && isBlank(message[i]) {
				i++
			}
			if b.Len() > 0 && i < len(message) {
				b.WriteByte(' ')
			}
		case c == '"' || c == '\'' || c == '`':
			end := closing(message, i)
			if end < 0 {
				b.WriteByte(c)
				i++
				continue
			}
			b.WriteString(someQuote)
			i = end + 1
		case isWord(c):
			end := i
			for end < len(message) && (isWord(message[end]) || joins(message, end)) {
				end++
			}
			b.WriteString(wordOf(message[i:end]))
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// closing returns where the quote that begins at i ends, −1 if it is none: an apostrophe within a word opens nothing.
func closing(s string, i int) int {
	if s[i] == '\'' && i > 0 && isWord(s[i-1]) {
		return -1
	}
	n := strings.IndexByte(s[i+1:], s[i])
	if n < 0 {
		return -1
	}
	return i + 1 + n
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// joins says whether a mark between two word characters belongs to them, as in 10.0.0.1:5432, 2026-01-02 and 3f2a-11ee: only beside a digit.
func joins(s string, i int) bool {
	switch s[i] {
	case '-', '.', ':', '+', ',':
	default:
		return false
	}
	return i+1 < len(s) && i > 0 && isWord(s[i+1]) && isWord(s[i-1]) && (isDigit(s[i-1]) || isDigit(s[i+1]))
}

// minHex is how many hexadecimal digits without a decimal one make an id.
const minHex = 16

// wordOf gives what stands for a word: itself, a number or an id.
func wordOf(w string) string {
	digits, letters, hex := 0, 0, true
	for i := range len(w) {
		switch c := w[i]; {
		case isDigit(c):
			digits++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			letters++
		case isWord(c):
			letters++
			hex = false
		}
	}
	switch {
	case digits > 0 && (letters == 0 || isQuantity(w) && !isAddress(w)):
		return someNumber
	case digits > 0, hex && letters >= minHex:
		return someID
	}
	return w
}

// isAddress says whether a word begins as 0xc0 does, whose digits may all be letters.
func isAddress(w string) bool { return len(w) > 2 && w[0] == '0' && (w[1] == 'x' || w[1] == 'X') }

// isQuantity says whether a word is a number with its unit behind it, as 250ms or 3.5GB.
func isQuantity(w string) bool {
	i := 0
	for i < len(w) && (isDigit(w[i]) || w[i] == '.' || w[i] == ',') {
		i++
	}
	return i > 0 && len(w)-i <= 3 && !strings.ContainsAny(w[i:], "0123456789-.:+,")
}
