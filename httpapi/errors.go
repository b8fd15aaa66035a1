package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/queue"
)

// row says how one of the broker's sentinels is answered. The details of 5xx answers are the table's alone:
// what the broker said goes to the log.
type row struct {
	err    error
	status int
	code   api.Code
	do     string // what the client can do about it
	retry  time.Duration
}

// table maps every sentinel of the broker. An error that wraps several is answered by the first of them here.
var table = []row{
	{queue.ErrUnknown, http.StatusServiceUnavailable, api.Unavailable, "whether it was done is unknown: repeat it with the same ids and receipts", time.Second}, // first: it must never look like "not applied"
	{queue.ErrTopicNotFound, http.StatusNotFound, api.TopicNotFound, "create it with PUT /v1/topics/{topic}, or publish to it", 0},
	{queue.ErrGroupNotFound, http.StatusNotFound, api.GroupNotFound, "create it with PUT /v1/groups/{group}, or lease with \"topics\"", 0},
	{queue.ErrScheduleNotFound, http.StatusNotFound, api.ScheduleNotFound, "create it with PUT /v1/schedules/{schedule}", 0},
	{queue.ErrPartitionNotFound, http.StatusNotFound, api.PartitionNotFound, "GET /v1/topics/{topic} lists the partitions", 0},
	{queue.ErrRecordNotFound, http.StatusNotFound, api.RecordNotFound, "it is not in the partition, or no more", 0},
	{dlq.ErrLetterNotFound, http.StatusNotFound, api.DeadLetterNotFound, "GET /v1/groups/{group}/dead-letters lists those that are open; ?state=redriven or purged, the others", 0},
	{dlq.ErrRedriveNotFound, http.StatusNotFound, api.RedriveNotFound, "GET /v1/redrives lists those there are", 0},
	{queue.ErrSchemaNotFound, http.StatusNotFound, api.NotFound, "GET /v1/topics/{topic}/schema/versions lists those there are", 0},
	{queue.ErrSchemaViolation, http.StatusUnprocessableEntity, api.SchemaViolation, "", 0},
	{queue.ErrInvalidName, http.StatusBadRequest, api.InvalidRequest, nameRule, 0},
	{queue.ErrInvalidConfig, http.StatusBadRequest, api.InvalidConfig, "", 0},
	{queue.ErrInvalidRequest, http.StatusBadRequest, api.InvalidRequest, "", 0},
	{queue.ErrCannotShrink, http.StatusConflict, api.PartitionsCannotShrink, "make a new topic if you need fewer", 0},
	{queue.ErrKindMismatch, http.StatusConflict, api.GroupKindMismatch, "a group's kind is fixed when it is created; use another group", 0},
	{queue.ErrTopicInUse, http.StatusConflict, api.TopicInUse, "detach the groups and purge their dead letters first, or add ?force=true", 0},
	{queue.ErrGroupInUse, http.StatusConflict, api.GroupInUse, "wait until leases and members are gone and purge the dead letters first, or add ?force=true", 0},
	{queue.ErrPrecondition, http.StatusPreconditionFailed, api.PreconditionFailed, "GET it again and repeat the change with its ETag", 0},
	{queue.ErrBackupGone, http.StatusPreconditionFailed, api.PreconditionFailed, "begin a new one, without moment and offset", 0},
	{queue.ErrAlreadySettled, http.StatusConflict, api.AlreadySettled, "nothing is left to do for this lease", 0},
	{queue.ErrLeaseLost, http.StatusConflict, api.LeaseLost, "stop working on the record: it may be with somebody else", 0},
	{queue.ErrInvalidReceipt, http.StatusConflict, api.InvalidReceipt, "send the receipt as the lease gave it, to the same group", 0},
	{queue.ErrMemberNotFound, http.StatusNotFound, api.MemberNotFound, "its session is over, or it left: join again", 0},
	{queue.ErrFenced, http.StatusConflict, api.Fenced, "stop working on what was yours, and join again if you were replaced", 0},
	{queue.ErrRebalancing, http.StatusConflict, api.Rebalancing, "stop the members first, or add \"force\":true, which fences them", 0},
	{queue.ErrRecordTooLarge, http.StatusRequestEntityTooLarge, api.RecordTooLarge, "GET /v1/info and the topic's max_record_bytes tell the limits", 0},
	{queue.ErrRequestTooLarge, http.StatusRequestEntityTooLarge, api.RequestTooLarge, "send it in several requests; GET /v1/info tells the limits", 0},
	{queue.ErrBacklogFull, http.StatusTooManyRequests, api.BacklogFull, "wait for its workers, or publish with ?wait=", time.Second},
	{queue.ErrRateLimited, http.StatusTooManyRequests, api.RateLimited, "repeat it later, and more slowly", time.Second},
	{queue.ErrStorageFull, http.StatusInsufficientStorage, api.StorageFull, "settle what is held, or add space; leases and settles go on", 10 * time.Second},
	{queue.ErrShuttingDown, http.StatusServiceUnavailable, api.ShuttingDown, "the server is shutting down: nothing was done; repeat it on a new connection", time.Second},
	{queue.ErrUnavailable, http.StatusServiceUnavailable, api.Unavailable, "not available for the moment: repeat the request", time.Second},
	{queue.ErrCorrupt, http.StatusInternalServerError, api.Corrupt, "stored data is damaged: an operator should run holt doctor", 0},
}

// statusGone stands in metrics for a request whose client left before the answer.
const statusGone = 499

// faultOf gives an error its answer.
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var settle *queue.SettleError
	if errors.As(err, &settle) {
		f := newFault(http.StatusConflict, failureCode(settle.Failed[0].Err), "%v", settle)
		f.failed = failures(settle.Failed)
		return f
	}
	var fenced *queue.FencedError
	if errors.As(err, &fenced) {
		f := newFault(http.StatusConflict, api.Fenced, "%v; poll to see what is yours", err)
		for _, p := range fenced.Failed {
			f.failed = append(f.failed, api.SettleFailure{Topic: p.Topic, Partition: &p.Partition, Code: api.Fenced})
		}
		return f
	}
	var out *queue.RangeError
	if errors.As(err, &out) {
		start, end := int64(out.Start), int64(out.End)
		f := newFault(http.StatusRequestedRangeNotSatisfiable, api.OffsetOutOfRange, "go on at start_offset, or wait at end_offset: the partition holds offsets from %d up to, not including, %d", start, end)
		f.start, f.end = &start, &end
		return f
	}
	var bad *queue.SchemaViolation
	if errors.As(err, &bad) {
		f := newFault(http.StatusUnprocessableEntity, api.SchemaViolation, "%v; nothing was published; GET /v1/topics/{topic}/schema has the schema", bad)
		v := wireViolation(bad)
		f.violation = &v
		return f
	}
	for _, r := range table {
		if errors.Is(err, r.err) {
			f := r.fault(err)
			if f.damage = wireDamage(err); f.damage != nil {
				f.detail += fmt.Sprintf("; what lies from offset %d on in partition %d of topic %s cannot be read: go on at %d to pass over it", f.damage.Offset, f.damage.Partition, f.damage.Topic, f.damage.NextOffset)
			}
			return f
		}
	}
	if errors.Is(err, context.Canceled) {
		f := unavailable(api.Unavailable, "the client closed its side of the connection before the answer: keep it open until the answer is there; whether it was done is unknown: repeat it with the same ids and receipts")
		f.cause = err
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f := unavailable(api.Unavailable, "the request took too long; whether it was done is unknown: repeat it with the same ids and receipts")
		f.cause = err
		return f
	}
	f = newFault(http.StatusInternalServerError, api.Internal, "something went wrong within the server; its log has more under this request_id")
	f.cause = err
	return f
}

func (r row) fault(err error) *fault {
	f := &fault{status: r.status, code: r.code, detail: r.do, retry: r.retry, cause: err}
	if r.status >= 500 && r.status != http.StatusInsufficientStorage {
		return f
	}
	f.detail = err.Error()
	if r.do != "" {
		f.detail += "; " + r.do
	}
	return f
}

// failureCode is the code of one receipt's failure.
func failureCode(err error) api.Code {
	for _, r := range table {
		if errors.Is(err, r.err) {
			return r.code
		}
	}
	return api.Internal
}

func failures(failed []queue.Failure) []api.SettleFailure {
	out := make([]api.SettleFailure, len(failed))
	for i, f := range failed {
		out[i] = api.SettleFailure{Receipt: f.Receipt, Code: failureCode(f.Err)}
	}
	return out
}

// wireDamage tells where damage of a topic is that an error is about, if it is known how far it goes; else nil.
func wireDamage(err error) *api.Damage {
	d := (*queue.DamageError)(nil)
	if !errors.As(err, &d) || d.Partition < 0 || strings.HasPrefix(d.Topic, "__") { // the server's own
		return nil
	}
	return &api.Damage{Topic: d.Topic, Partition: d.Partition, Offset: int64(d.From), NextOffset: int64(d.Next)}
}
