package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
)

// fault is an error with its answer.
type fault struct {
	status     int
	code       api.Code
	detail     string        // what is wrong and what to do
	retry      time.Duration // > 0: when to try again
	start, end *int64        // of offset_out_of_range
	failed     []api.SettleFailure
	violation  *api.Violation
	damage     *api.Damage // of corrupt
	cause      error       // what a 5xx is logged with; never shown
	hangUp     bool        // the rest of the request is not worth reading
}

func (f *fault) Error() string { return string(f.code) + ": " + f.detail }

// Unwrap returns the broker's error, if there was one.
func (f *fault) Unwrap() error { return f.cause }

func newFault(status int, code api.Code, format string, args ...any) *fault {
	return &fault{status: status, code: code, detail: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *fault {
	return newFault(http.StatusBadRequest, api.InvalidRequest, format, args...)
}

// unavailable says that the server cannot serve the request for a moment.
func unavailable(code api.Code, format string, args ...any) *fault {
	f := newFault(http.StatusServiceUnavailable, code, format, args...)
	f.retry = time.Second
	return f
}

// problem appends the body of an error answer.
func (f *fault) problem(requestID string) []byte {
	p := api.Problem{
		Type: "urn:holt:problem:" + string(f.code), Title: title(f.code), Status: f.status, Detail: f.detail, Code: f.code,
		RequestID: requestID, RetryAfterMS: f.retry.Milliseconds(), StartOffset: f.start, EndOffset: f.end, Failed: f.failed, Violation: f.violation, Damage: f.damage,
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic("httpapi: a problem is always valid JSON: " + err.Error())
	}
	return append(b, '\n')
}

// title is a code in words: "lease_lost" is "Lease lost".
func title(c api.Code) string {
	words := strings.ReplaceAll(string(c), "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// retryAfter is a duration in whole seconds, at least 1, for the Retry-After header.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// maxQuoted is how many bytes of what a client sent a detail repeats.
const maxQuoted = 120

// cut shortens what a client sent for a detail.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	end := maxQuoted
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.ToValidUTF8(s[:end], "\ufffd") + "…"
}
