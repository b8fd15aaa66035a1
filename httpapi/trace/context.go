package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Names of the headers of a context (W3C Trace Context), of requests and of records.
const (
	ParentHeader = "traceparent"
	StateHeader  = "tracestate"
)

const (
	parentLen = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	maxState  = 512 // bytes of a tracestate (W3C Trace Context §3.3.1.5)
	sampled   = 1   // flag
)

// Context is a place in a trace. The zero value is none.
type Context struct {
	Trace [16]byte
	Span  [8]byte
	Flags byte
	State string
}

// Valid tells whether there is a context.
func (c Context) Valid() bool { return c.Trace != [16]byte{} && c.Span != [8]byte{} }

// Sampled tells whether the caller records this trace.
func (c Context) Sampled() bool { return c.Flags&sampled != 0 }

// Parse reads the two headers. A traceparent that is none gives the zero Context, as W3C Trace Context §3.2 wants it; a tracestate that is none is left out.
func Parse(parent, state string) Context {
	// A later version may go on after the flags, behind another dash.
	if len(parent) < parentLen || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' || len(parent) > parentLen && (parent[:2] == "00" || parent[parentLen] != '-') {
		return Context{}
	}
	version, ok1 := unhex(parent[:2])
	traceID, ok2 := unhex(parent[3:35])
	spanID, ok3 := unhex(parent[36:52])
	flags, ok4 := unhex(parent[53:55])
	if !ok1 || !ok2 || !ok3 || !ok4 || version[0] == 0xff {
		return Context{}
	}
	c := Context{Trace: [16]byte(traceID), Span: [8]byte(spanID), Flags: flags[0]}
	if !c.Valid() {
		return Context{}
	}
	if len(state) <= maxState && printable(state) {
		c.State = state
	}
	return c
}

// unhex reads hexadecimal digits, lower case only.
func unhex(s string) ([]byte, bool) {
	if strings.ToLower(s) != s {
		return nil, false
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Parent writes the context as a traceparent.
func (c Context) Parent() string {
	b := make([]byte, 0, parentLen)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.Trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.Span[:])
	b = append(b, '-')
	return string(hex.AppendEncode(b, []byte{c.Flags}))
}

// within returns a new place below c; below none, in a new trace that is recorded.
func (c Context) within() Context {
	if !c.Valid() {
		binary.NativeEndian.PutUint64(c.Trace[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(c.Trace[8:], rand.Uint64()|1) // never all zeros
		c.Flags = sampled
	}
	binary.NativeEndian.PutUint64(c.Span[:], rand.Uint64()|1)
	return c
}
