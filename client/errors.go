package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

var (
	// ErrUnknown: the connection broke or the server failed, so the call may or may not have been applied.
	// Repeating it with the same record ids, receipts or request key is safe.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUnreachable: no connection to the server could be made, or none that is trusted; nothing was sent.
	ErrUnreachable = errors.New("server unreachable")
	// ErrAnswer: the server's answer cannot be understood. Such an error is ErrUnknown, too.
	ErrAnswer = errors.New("answer not understood")
)

// The sentinels of the API's error codes: an *Error is the one of its code.
var (
	ErrInvalidRequest         error = codeError(api.InvalidRequest)
	ErrInvalidConfig          error = codeError(api.InvalidConfig)
	ErrUnauthenticated        error = codeError(api.Unauthenticated)
	ErrForbidden              error = codeError(api.Forbidden)
	ErrTopicNotFound          error = codeError(api.TopicNotFound)
	ErrGroupNotFound          error = codeError(api.GroupNotFound)
	ErrPartitionNotFound      error = codeError(api.PartitionNotFound)
	ErrRecordNotFound         error = codeError(api.RecordNotFound)
	ErrDeadLetterNotFound     error = codeError(api.DeadLetterNotFound)
	ErrScheduleNotFound       error = codeError(api.ScheduleNotFound)
	ErrMemberNotFound         error = codeError(api.MemberNotFound)
	ErrRedriveNotFound        error = codeError(api.RedriveNotFound)
	ErrNotFound               error = codeError(api.NotFound)
	ErrMethodNotAllowed       error = codeError(api.MethodNotAllowed)
	ErrLeaseLost              error = codeError(api.LeaseLost)
	ErrAlreadySettled         error = codeError(api.AlreadySettled)
	ErrInvalidReceipt         error = codeError(api.InvalidReceipt)
	ErrFenced                 error = codeError(api.Fenced)
	ErrGroupKindMismatch      error = codeError(api.GroupKindMismatch)
	ErrPartitionsCannotShrink error = codeError(api.PartitionsCannotShrink)
	ErrTopicInUse             error = codeError(api.TopicInUse)
	ErrGroupInUse             error = codeError(api.GroupInUse)
	ErrRebalancing            error = codeError(api.Rebalancing)
	ErrPreconditionFailed     error = codeError(api.PreconditionFailed)
	ErrRecordTooLarge         error = codeError(api.RecordTooLarge)
	ErrRequestTooLarge        error = codeError(api.RequestTooLarge)
	ErrUnsupportedMediaType   error = codeError(api.UnsupportedMediaType)
	ErrOffsetOutOfRange       error = codeError(api.OffsetOutOfRange)
	ErrUnknownHost            error = codeError(api.UnknownHost)
	ErrSchemaViolation        error = codeError(api.SchemaViolation)
	ErrBacklogFull            error = codeError(api.BacklogFull)
	ErrRateLimited            error = codeError(api.RateLimited)
	ErrHeadersTooLarge        error = codeError(api.HeadersTooLarge)
	ErrInternal               error = codeError(api.Internal)
	ErrCorrupt                error = codeError(api.Corrupt)
	ErrShuttingDown           error = codeError(api.ShuttingDown)
	ErrUnavailable            error = codeError(api.Unavailable)
	ErrStorageFull            error = codeError(api.StorageFull)
)

// codeError is the sentinel of one code: errors of equal codes are equal.
type codeError api.Code

func (e codeError) Error() string { return strings.ReplaceAll(string(e), "_", " ") }

// Error is an error answer of the server.
type Error struct {
	api.Problem
}

// Error says what went wrong and what to do, in the server's words.
func (e *Error) Error() string {
	switch {
	case e.Detail != "" && e.Code != "":
		return string(e.Code) + ": " + e.Detail
	case e.Code != "":
		return codeError(e.Code).Error()
	case e.Detail != "":
		return fmt.Sprintf("status %d: %s", e.Status, e.Detail)
	}
	return fmt.Sprintf("status %d", e.Status)
}

// Is reports whether target is the sentinel of e's code, or ErrUnknown when the call may have been applied.
func (e *Error) Is(target error) bool {
	if target == ErrUnknown {
		return e.unknown()
	}
	code, ok := target.(codeError)
	return ok && e.Code == api.Code(code)
}

// RetryAfter is how long the server asks to wait before the next try; 0 = it did not say.
func (e *Error) RetryAfter() time.Duration { return time.Duration(e.RetryAfterMS) * time.Millisecond }

// unknown: every 5xx but shutting_down and storage_full may have been applied.
func (e *Error) unknown() bool {
	return e.Status >= 500 && e.Code != api.ShuttingDown && e.Code != api.StorageFull
}

// Temporary reports whether err may be gone at the next try: the server is away, restarting, full or overloaded.
func Temporary(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Status >= 500 || e.Status == http.StatusTooManyRequests
	}
	return errors.Is(err, ErrUnknown) || errors.Is(err, ErrUnreachable)
}
