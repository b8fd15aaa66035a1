package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// letterFilters are the parameters that choose dead letters.
var letterFilters = []string{"state", "reason", "error", "fingerprint", "topic", "key", "key_base64", "since", "until"}

// letterQuery returns the filter of the query, which may have other parameters, too.
func (x *exchange) letterQuery() (f letter.Filter, err error) {
	f.State = letter.Open
	for _, name := range letterFilters {
		if !x.query.Has(name) {
			continue
		}
		if fault := letterField(&f, name, x.query.Get(name)); fault != nil {
			fault.detail = name + ": " + fault.detail
			return f, fault
		}
	}
	return f, nil
}

// letterField sets one field of a filter.
func letterField(f *letter.Filter, name, text string) *fault {
	ok := true
	switch name {
	case "state":
		if f.State, ok = letter.ParseState(text); !ok {
			return invalid("must be open, redriven or purged, not %q", cut(text))
		}
	case "reason":
		if f.Reason, ok = letter.ParseReason(text); !ok {
			return invalid("must be max_attempts, rejected or ttl, not %q", cut(text))
		}
	case "error":
		f.Error = text
	case "fingerprint":
		f.Fingerprint = text
	case "topic":
		f.Topic = text
	case "key", "key_base64":
		if f.Key != nil {
			return invalid("give key or key_base64, not both")
		}
		if name == "key" {
			f.Key = []byte(text)
			break
		}
		key, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return invalid("is not base64: use the standard alphabet (RFC 4648 §4) with its padding")
		}
		f.Key = present(key)
	case "since":
		return letterTime(&f.Since, text)
	case "until":
		return letterTime(&f.Until, text)
	}
	return nil
}

// letterTime reads a time, or how long ago it was, as in "-1h".
func letterTime(to *time.Time, text string) *fault {
	ago, isAgo := strings.CutPrefix(text, "-")
	if !isAgo {
		t, f := parseTime(text)
		if f == nil {
			*to = t
		}
		return f
	}
	d, f := parseDuration(ago, 0, maxTTL)
	if f == nil {
		*to = time.Now().Add(-d)
	}
	return f
}

// letterList names the list that a query's filters choose, for its cursors.
func (x *exchange) letterList() string {
	q := url.Values{"state": {letter.Open.String()}} // said or not
	for _, name := range letterFilters {
		if x.query.Has(name) {
			q.Set(name, x.query.Get(name))
		}
	}
	return "groups/" + x.group + "/dead-letters?" + q.Encode()
}

// listLetters lists the dead letters of a group. A page ends early when it has become large.
func (a *API) listLetters(x *exchange) error {
	filter, err := x.letterQuery()
	if err != nil {
		return err
	}
	list := x.letterList()
	limit, at, err := x.page(list)
	if err != nil {
		return err
	}
	from, err := parseMark(at)
	if err != nil {
		return err
	}
	page, err := a.cfg.DeadLetters.List(x.ctx(), x.group, filter, from, limit)
	if err != nil {
		return err
	}
	e := x.encode()
	e.raw(`{"items":[`)
	for i := range page.Items {
		e.comma(i)
		e.raw("{")
		e.letter(&page.Items[i])
		e.raw("}")
	}
	e.raw(`],"total":`)
	e.int(int64(page.Total))
	if page.Next != nil {
		e.raw(`,"next_cursor":`)
		e.string(cursor{list: list, at: markText(*page.Next)}.String())
	}
	e.raw("}")
	return x.answer(http.StatusOK)
}

func markText(m dlq.Mark) string {
	return strconv.FormatUint(uint64(m.Log), 10) + "/" + strconv.FormatInt(int64(m.At), 10)
}

// parseMark reads the place of a cursor; "" is the beginning.
func parseMark(text string) (m dlq.Mark, err error) {
	if text == "" {
		return m, nil
	}
	log, at, _ := strings.Cut(text, "/")
	n, err1 := strconv.ParseUint(log, 10, 64)
	o, err2 := strconv.ParseInt(at, 10, 64)
	if err1 != nil || err2 != nil || o < 0 {
		return m, errCursor
	}
	return dlq.Mark{Log: store.LogID(n), At: queue.Offset(o)}, nil
}

// letter appends the fields of a dead letter, without braces.
func (e *encoder) letter(l *dlq.Letter) {
	e.raw(`"id":`)
	e.string(l.ID)
	e.raw(`,"state":`)
	e.string(l.State.String())
	e.raw(`,"topic":`)
	e.string(l.Topic)
	e.raw(`,"partition":`)
	e.int(int64(l.Partition))
	e.raw(`,"offset":`)
	e.int(int64(l.Offset))
	e.raw(",")
	e.content(l.Key, topic.Visible(l.Headers), l.Value)
	e.raw(`,"attempts":`)
	e.int(int64(l.Attempts))
	e.raw(`,"reason":`)
	e.string(string(l.Reason))
	for _, f := range [...]struct{ name, value string }{
		{`,"error":`, l.Error}, {`,"error_type":`, l.ErrorType}, {`,"fingerprint":`, l.Fingerprint}, {`,"member":`, l.Member},
	} {
		if f.value != "" {
			e.raw(f.name)
			e.string(strings.ToValidUTF8(f.value, "\uFFFD"))
		}
	}
	if !l.FirstAt.IsZero() {
		e.raw(`,"first_delivered_at":`)
		e.time(l.FirstAt)
	}
	if !l.DeadAt.IsZero() {
		e.raw(`,"dead_at":`)
		e.time(l.DeadAt)
	}
	e.raw(`,"redrives":`)
	e.int(int64(l.Redrives))
	if l.Pending {
		e.raw(`,"pending":true`)
	}
	if l.Damaged {
		e.raw(`,"damaged":true`)
	}
}

// letterDetail appends a dead letter with stack and history.
func (e *encoder) letterDetail(d *dlq.Detail) error {
	e.raw("{")
	e.letter(&d.Letter)
	if d.Stack != "" {
		e.raw(`,"stack":`)
		e.string(strings.ToValidUTF8(d.Stack, "\uFFFD"))
	}
	e.raw(`,"history":`)
	if err := e.marshal(wireAttempts(d.History)); err != nil {
		return err
	}
	e.raw("}")
	return nil
}

// getLetter shows one dead letter.
func (a *API) getLetter(x *exchange) error {
	d, err := a.cfg.DeadLetters.Get(x.ctx(), x.group, x.item)
	if err != nil {
		return err
	}
	if err := x.encode().letterDetail(&d); err != nil {
		return err
	}
	return x.answer(http.StatusOK)
}

// maxBuckets is how many error groups a summary shows, unless the query asks for less.
const maxBuckets = 1000

// summarizeLetters counts dead letters by their errors, or by something else.
func (a *API) summarizeLetters(x *exchange) error {
	filter, err := x.letterQuery()
	if err != nil {
		return err
	}
	by, ok := letter.ByFingerprint, true
	if x.query.Has("by") {
		if by, ok = letter.ParseBy(x.query.Get("by")); !ok {
			return invalid("by: must be fingerprint, error, reason, topic or key, not %q", cut(x.query.Get("by")))
		}
	}
	limit, err := x.queryInt("limit", maxBuckets, 1, maxBuckets)
	if err != nil {
		return err
	}
	buckets, total, err := a.cfg.DeadLetters.Summary(x.ctx(), x.group, filter, by, int(limit))
	if err != nil {
		return err
	}
	out := api.LetterSummary{Items: make([]api.LetterBucket, len(buckets)), Total: total}
	for i := range out.Items {
		b := &buckets[i]
		out.Items[i] = api.LetterBucket{Count: b.Count, DiedAgain: b.Again, FirstAt: api.Time(b.FirstAt), LastAt: api.Time(b.LastAt), SampleID: b.SampleID}
		switch {
		case b.Missing:
		case utf8.ValidString(b.Value):
			out.Items[i].Value = &b.Value
		default:
			out.Items[i].ValueBase64 = new(base64.StdEncoding.EncodeToString([]byte(b.Value)))
		}
	}
	return x.json(http.StatusOK, out)
}

// exportBytes is about how much of an export is written at a time.
const exportBytes = 64 << 10

// exportLetters streams dead letters, one a line, with stacks and histories. An answer that breaks off ends within its chunked coding, which whoever reads it notices.
func (a *API) exportLetters(x *exchange) error {
	filter, err := x.letterQuery()
	if err != nil {
		return err
	}
	out := &streamed{x: x, media: mediaLines}
	e := encoder{values: x.values}
	err = a.cfg.DeadLetters.Export(x.ctx(), x.group, filter, func(d *dlq.Detail) error {
		if err := e.letterDetail(d); err != nil {
			return err
		}
		if e.raw("\n"); len(e.b) < exportBytes {
			return nil
		}
		_, err := out.Write(e.b)
		e = encoder{b: e.b[:0], values: x.values}
		return err
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = out.Write(e.b)
	return x.sent(err)
}

// mediaLines is the type of answers that are JSON, one text a line.
const mediaLines = "application/x-ndjson"
