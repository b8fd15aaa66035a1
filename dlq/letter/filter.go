package letter

import (
	"fmt"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// State of a letter.
type State uint8

// The states.
const (
	Open     State = 1 + iota // the group has given the record up
	Redriven                  // it was delivered again; a record that dies again opens its letter again
	Purged                    // nobody wants it any more
)

var stateNames = [...]string{Open: "open", Redriven: "redriven", Purged: "purged"}

func (s State) String() string {
	if s < Open || s > Purged {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return stateNames[s]
}

// ParseState reads a state's name.
func ParseState(name string) (State, bool) {
	for s := Open; s <= Purged; s++ {
		if stateNames[s] == name {
			return s, true
		}
	}
	return 0, false
}

// Info is what is kept in memory of a letter to find it by.
type Info struct {
	Reason      Reason
	Topic       string
	Key         string // not more than MaxKey bytes of it
	HasKey      bool
	Error       string
	Fingerprint string
	At          int64 // ms: of the death
}

// MaxKey is how many bytes of a key letters are told apart by.
const MaxKey = 256

// KeyOf gives what Info keeps of a key.
func KeyOf(key []byte) (string, bool) {
	return string(key[:min(len(key), MaxKey)]), key != nil
}

// InfoOf gives what Info keeps of a letter.
func InfoOf(key []byte, o Origin) Info {
	i := Info{Reason: o.Reason, Topic: o.Topic, Error: o.Error, Fingerprint: o.Fingerprint, At: o.At.UnixMilli()}
	i.Key, i.HasKey = KeyOf(key)
	if i.Fingerprint == "" { // of a letter older than fingerprints
		i.Fingerprint = Fingerprint("", o.ErrorType, o.Error)
	}
	return i
}

// InfoIn is InfoOf of the letter that a reader is at, as Wrap made it, at the least cost.
func InfoIn(l *record.Reader, t Texts) Info {
	i := Info{At: time.Time{}.UnixMilli()}
	var kind []byte
	l.EachHeader(func(name, value []byte) {
		switch string(name) {
		case HeaderReason:
			i.Reason = Reason(t.Of(value))
		case HeaderTopic:
			i.Topic = t.Of(value)
		case HeaderError:
			i.Error = t.Of(value)
		case HeaderFingerprint:
			i.Fingerprint = t.Of(value)
		case HeaderType:
			kind = value
		case HeaderAt:
			i.At = parseTime(string(value)).UnixMilli()
		}
	})
	i.Key, i.HasKey = KeyOf(l.Key())
	if i.Fingerprint == "" {
		i.Fingerprint = Fingerprint("", string(kind), i.Error)
	}
	return i
}

// Texts lets equal strings share their bytes, as long as they come soon after each other: letters of one error are many. For one goroutine.
type Texts map[string]string

// maxTexts is how many strings Texts remembers.
const maxTexts = 256

// Of returns the string of some bytes.
func (t Texts) Of(b []byte) string {
	s, known := t[string(b)]
	if !known {
		if len(t) == maxTexts {
			clear(t)
		}
		s = string(b)
		t[s] = s
	}
	return s
}

// Filter chooses letters; what is zero chooses all.
type Filter struct {
	State       State
	Reason      Reason
	Error       string // a substring
	Fingerprint string
	Topic       string
	Key         []byte // nil = any; empty = the empty key
	Since       time.Time
	Until       time.Time // not included
}

// All says that the filter chooses by nothing but the state.
func (f *Filter) All() bool {
	return f.Reason == "" && f.Error == "" && f.Fingerprint == "" && f.Topic == "" && f.Key == nil && f.Since.IsZero() && f.Until.IsZero()
}

// Match tells whether a letter is chosen.
func (f *Filter) Match(s State, i *Info) bool {
	switch {
	case f.State != 0 && f.State != s,
		f.Reason != "" && f.Reason != i.Reason,
		f.Fingerprint != "" && f.Fingerprint != i.Fingerprint,
		f.Topic != "" && f.Topic != i.Topic,
		!f.Since.IsZero() && i.At < f.Since.UnixMilli(),
		!f.Until.IsZero() && i.At >= f.Until.UnixMilli(),
		f.Key != nil && (!i.HasKey || string(f.Key[:min(len(f.Key), MaxKey)]) != i.Key):
		return false
	}
	return f.Error == "" || strings.Contains(i.Error, f.Error)
}

// ParseReason reads a reason.
func ParseReason(s string) (Reason, bool) {
	switch r := Reason(s); r {
	case MaxAttempts, Rejected, TTL:
		return r, true
	}
	return "", false
}
