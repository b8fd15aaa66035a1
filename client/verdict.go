package client

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

const (
	maxMessageBytes = 4 << 10 // of a worker's error message
	maxStackBytes   = 8 << 10 // of a panic's stack
)

// verdict is what a handler wants done with its record, as an error that it may wrap.
type verdict struct {
	verb  verb
	delay *api.Duration // of a nack
	cause error
}

type verb int

const (
	ack verb = iota
	nack
	release
	reject
)

// Reject has a handler give its record up: it becomes a dead letter now. cause may be nil.
func Reject(cause error) error { return &verdict{verb: reject, cause: cause} }

// RetryAfter has a handler fail its record, to be tried again after d (0 to 365 days) instead of the group's backoff.
func RetryAfter(cause error, d time.Duration) error {
	return &verdict{verb: nack, delay: new(api.Duration(d)), cause: cause}
}

// Release has a handler give its record back untried: the attempt does not count, and it is available at once.
func Release() error { return &verdict{verb: release} }

// Error says the cause, or the verb when there is none.
func (v *verdict) Error() string {
	switch {
	case v.cause != nil:
		return v.cause.Error()
	case v.verb == release:
		return "released"
	case v.verb == reject:
		return "rejected"
	}
	return "failed"
}

func (v *verdict) Unwrap() error { return v.cause }

// settlement is the settle that a handler's result asks for.
func settlement(receipt string, result error) api.SettleRequest {
	if result == nil {
		return api.SettleRequest{Ack: []string{receipt}}
	}
	v := &verdict{verb: nack}
	errors.As(result, &v)
	switch v.verb {
	case release:
		return api.SettleRequest{Release: []string{receipt}}
	case reject:
		return api.SettleRequest{Reject: []api.Reject{{Receipt: receipt, Error: workerError(result)}}}
	}
	return api.SettleRequest{Nack: []api.Nack{{Receipt: receipt, Delay: v.delay, Error: workerError(result)}}}
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack string
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Unwrap gives the error that was the panic's value.
func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

func recovered(value any) error {
	return &panicError{value: value, stack: cut(string(debug.Stack()), maxStackBytes)}
}

// workerError is err for the wire. An *api.WorkerError in its chain is taken as it is, with err's message.
func workerError(err error) *api.WorkerError {
	if err == nil {
		return nil
	}
	var w api.WorkerError
	var given *api.WorkerError
	var p *panicError
	switch {
	case errors.As(err, &given):
		w = *given
	case errors.As(err, &p):
		w = api.WorkerError{Type: "panic", Stack: p.stack}
	default:
		w.Type = typeOf(err)
	}
	w.Message = cut(strings.ToValidUTF8(err.Error(), "\uFFFD"), maxMessageBytes)
	w.Stack = cut(w.Stack, maxStackBytes)
	return &w
}

// typeOf names the first type in err's chain that says something: not one of errors, fmt or this package.
func typeOf(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		t := reflect.TypeOf(err)
		name := t.String()
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.PkgPath() {
		case "errors", "fmt", reflect.TypeFor[verdict]().PkgPath():
		default:
			return strings.TrimPrefix(name, "*")
		}
	}
	return ""
}
