package httpapi

import (
	"encoding/base64"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// states are the names of the states of a record in a group. One whose dead letter is being written is still held.
var states = map[queue.RecordState]string{
	queue.Available: "available", queue.Leased: "leased", queue.Deferred: "deferred", queue.Dying: "leased", queue.Settled: "settled",
}

// outcomes are the names of how a record was settled.
var outcomes = map[lease.Outcome]string{lease.Acked: "acked", lease.Dead: "dead_lettered", lease.Dropped: "dropped", lease.Skipped: "skipped"}

// listGroupRecords lists the unsettled records of a group that are in one state.
func (a *API) listGroupRecords(x *exchange) error {
	state, err := x.queryState()
	if err != nil {
		return err
	}
	list := "groups/" + x.group + "/records?state=" + states[state]
	limit, at, err := x.page(list)
	if err != nil {
		return err
	}
	from, err := parsePlace(at)
	if err != nil {
		return err
	}
	entries, next, err := a.broker.GroupRecords(x.ctx(), x.group, state, from, limit)
	if err != nil {
		return err
	}
	out := api.GroupRecordList{Items: make([]api.GroupRecord, len(entries))}
	for i := range entries {
		out.Items[i] = wireEntry(&entries[i])
	}
	if next != nil {
		out.NextCursor = cursor{list: list, at: placeText(*next)}.String()
	}
	return x.json(http.StatusOK, out)
}

func (x *exchange) queryState() (queue.RecordState, error) {
	switch v := x.query.Get("state"); v {
	case "available":
		return queue.Available, nil
	case "leased":
		return queue.Leased, nil
	case "deferred":
		return queue.Deferred, nil
	default:
		return 0, invalid("state: say which records: leased, deferred or available, not %q", cut(v))
	}
}

// placeText writes a place as cursors hold it.
func placeText(p queue.GroupPlace) string {
	return p.Topic + "/" + strconv.Itoa(p.Partition) + "/" + strconv.FormatInt(int64(p.Offset), 10)
}

// parsePlace reads the place of a cursor; "" is the beginning.
func parsePlace(text string) (p queue.GroupPlace, err error) {
	if text == "" {
		return p, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 || !catalog.ValidName(parts[0]) {
		return p, errCursor
	}
	partition, err := whole("partition", parts[1], 0, math.MaxInt)
	if err != nil {
		return p, errCursor
	}
	offset, err := whole("offset", parts[2], 0, math.MaxInt64)
	if err != nil {
		return p, errCursor
	}
	return queue.GroupPlace{Topic: parts[0], Partition: int(partition), Offset: queue.Offset(offset)}, nil
}

// place is the record that the path names.
func (x *exchange) place() queue.GroupPlace {
	return queue.GroupPlace{Topic: x.topic, Partition: x.partition, Offset: x.offset}
}

// getGroupRecord tells what one record of a group waits for, and what became of its last attempts.
func (a *API) getGroupRecord(x *exchange) error {
	r, err := a.broker.GroupRecord(x.ctx(), x.group, x.place())
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, wireGroupRecord(&r))
}

// settleAt settles one record by its place.
func (a *API) settleAt(v queue.Verb) handler {
	return func(x *exchange) error {
		if err := x.noFields(); err != nil {
			return err
		}
		if err := a.broker.SettleAt(x.ctx(), x.group, x.place(), v); err != nil {
			return err
		}
		return x.json(http.StatusOK, api.SettleResponse{Settled: 1})
	}
}

// extendAt moves the deadline of the lease on one record, by its place.
func (a *API) extendAt(x *exchange) error {
	var length time.Duration
	s := x.scanBody()
	s.object(func(name []byte) bool {
		if string(name) != "for" {
			return false
		}
		if !s.null() {
			length = s.duration(catalog.MinLease, catalog.MaxLease)
		}
		return true
	})
	if err := s.done(); err != nil {
		return err
	}
	until, err := a.broker.ExtendAt(x.ctx(), x.group, x.place(), length)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, api.ExtendedRecord{ExpiresAt: api.Time(until)})
}

// noFields reads the body of a call that takes no fields.
func (x *exchange) noFields() error {
	s := x.scanBody()
	s.object(func([]byte) bool { return false })
	return s.done()
}

func wireEntry(e *queue.GroupEntry) api.GroupRecord {
	out := api.GroupRecord{
		Topic: e.Topic, Partition: e.Partition, Offset: int64(e.Offset), State: states[e.State], Attempt: e.Attempt, Deliveries: e.Deliveries,
		Member: e.Member, LeasedAt: optionalTime(e.LeasedAt), ExpiresAt: optionalTime(e.ExpiresAt), DueAt: optionalTime(e.DueAt), Error: e.Error,
		Why: api.Why{Code: string(e.Why.Code), Detail: e.Why.Detail},
	}
	if out.Why.Code == whyKey && e.Why.Behind >= 0 {
		out.Why.Offset = new(int64(e.Why.Behind))
	}
	switch {
	case e.Key == nil:
	case utf8.Valid(e.Key):
		out.Key = new(string(e.Key))
	default:
		out.KeyBase64 = new(base64.StdEncoding.EncodeToString(e.Key))
	}
	return out
}

func wireGroupRecord(r *queue.GroupRecord) api.GroupRecordDetail {
	return api.GroupRecordDetail{GroupRecord: wireEntry(&r.Entry), Outcome: outcomes[r.Outcome], History: wireAttempts(r.History)}
}

func wireAttempts(history []queue.Attempt) []api.Attempt {
	out := make([]api.Attempt, len(history))
	for i, h := range history {
		out[i] = api.Attempt{
			Attempt: h.Attempt, Delivery: int(h.Delivery), At: api.Time(time.UnixMilli(h.At)), TookMS: h.Took, Member: h.Member, Outcome: h.Outcome,
		}
		if e := h.Error; e != nil {
			out[i].Error = &api.WorkerError{Type: e.Type, Message: e.Message, Stack: e.Stack, Fingerprint: e.Fingerprint}
		}
	}
	return out
}

// whyKey is the code of a record that waits behind another one of its key.
const whyKey = "key"
