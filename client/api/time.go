package api

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written as "250ms", "1.5s", "30m", "24h" or "7d"; combinations as in "1h30m" are accepted.
type Duration time.Duration

// ErrDuration is wrapped by every error of ParseDuration.
var ErrDuration = errors.New(`a duration is written as in "250ms", "1.5s", "30m", "24h" or "7d"`)

// ParseDuration reads a duration. Days ("d", 24 hours) are accepted beside the units of time.ParseDuration.
func ParseDuration(s string) (time.Duration, error) {
	if head, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.ParseFloat(head, 64)
		if err != nil || math.IsNaN(days) || math.Abs(days) > 100_000 {
			return 0, fmt.Errorf("%q: %w", s, ErrDuration)
		}
		return time.Duration(days * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, ErrDuration)
	}
	return d, nil
}

// String writes the shortest of the accepted forms, as in "30s", "10m", "168h".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// TimeFormat is how times are written: RFC 3339, UTC, milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// Time is a point in time in whole milliseconds, UTC.
type Time time.Time

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, TimeFormat), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("%q: a time is written as in \"2026-01-02T15:04:05.000Z\"", b)
	}
	*t = Time(v.UTC())
	return nil
}
