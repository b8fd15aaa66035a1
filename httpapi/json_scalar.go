package httpapi

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// base64 reads a string of standard base64, with its padding. Never nil without an error.
func (s *scanner) base64() []byte {
	text := s.bytes()
	if s.err != nil {
		return nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(out, text)
	if err != nil {
		s.fail(invalid("is not base64: use the standard alphabet (RFC 4648 §4) with its padding"))
		return nil
	}
	return out[:n:n]
}

func (s *scanner) bool() bool {
	switch s.peek() {
	case 't':
		s.literal("true")
		return s.err == nil
	case 'f':
		s.literal("false")
	default:
		s.mismatch("true or false")
	}
	return false
}

// int reads a whole number between lo and hi, written without fraction and exponent.
func (s *scanner) int(lo, hi int64) int64 {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		s.mismatch("a whole number")
		return 0
	}
	text := s.number()
	if s.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < lo || n > hi {
		if hi == math.MaxInt64 && n >= lo {
			s.fail(invalid("must be a whole number of at least %d, without fraction and exponent", lo))
		} else {
			s.fail(invalid("must be a whole number from %d to %d, without fraction and exponent", lo, hi))
		}
		return 0
	}
	return n
}

func (s *scanner) float() float64 {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		s.mismatch("a number")
		return 0
	}
	text := s.number()
	if s.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		s.fail(invalid("is out of the range of numbers"))
	}
	return f
}

// number reads a number's literal.
func (s *scanner) number() []byte {
	start := s.i
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return nil
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return nil
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return nil
		}
	}
	return s.b[start:s.i]
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	if s.i == start {
		s.syntax("a number needs a digit here")
	}
	return s.i > start
}

// duration reads a duration of lo to hi.
func (s *scanner) duration(lo, hi time.Duration) time.Duration {
	return s.durationOf(s.string(), lo, hi)
}

func (s *scanner) durationOf(text string, lo, hi time.Duration) time.Duration {
	if s.err != nil {
		return 0
	}
	d, f := parseDuration(text, lo, hi)
	if f != nil {
		s.fail(f)
	}
	return d
}

func (s *scanner) time() time.Time { return s.timeOf(s.string()) }

func (s *scanner) timeOf(text string) time.Time {
	if s.err != nil {
		return time.Time{}
	}
	t, f := parseTime(text)
	if f != nil {
		s.fail(f)
	}
	return t
}

func parseDuration(text string, lo, hi time.Duration) (time.Duration, *fault) {
	d, err := api.ParseDuration(text)
	if err != nil || !strings.ContainsRune("smhd", rune(text[len(text)-1])) { // the package time takes "0" without a unit
		return 0, invalid("%q: %v", cut(text), api.ErrDuration)
	}
	if d < lo || d > hi {
		return 0, invalid("%q: must be %s to %s", cut(text), spanText(lo), spanText(hi))
	}
	return d, nil
}

// spanText writes a limit as people write it: "365d", not "8760h".
func spanText(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return api.Duration(d).String()
}

func parseTime(text string) (time.Time, *fault) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || text[13] != ':' || strings.Contains(text, ",") { // the package time takes hours of one digit, and a comma
		return time.Time{}, invalid(`%q: a time is written as in "2026-01-02T15:04:05.000Z"`, cut(text))
	}
	return t.UTC(), nil
}
