package schema

import (
	"errors"
	"fmt"
)

// Errors of this package.
var (
	ErrInvalid      = errors.New("invalid schema")        // a schema is none, or over a limit
	ErrIncompatible = errors.New("schema not compatible") // a schema may not take the place of the one before it
)

// Violation says where and why a value is not what a schema asks for.
type Violation struct {
	Pointer string // RFC 6901; "" is the whole value
	Reason  string
}

// Error implements error.
func (v *Violation) Error() string {
	at := v.Pointer
	if at == "" {
		at = "the value"
	}
	return at + ": " + v.Reason
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
