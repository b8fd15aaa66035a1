package httpapi

import (
	"bytes"
	"fmt"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/trace"
	"github.com/holtmq/holt/queue"
)

// publish appends the records of one request: one JSON record or several, one a line, or the body as one value.
func (a *API) publish(x *exchange) error {
	form, err := bodyForm(x.r, x.topic)
	if err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	b := a.batch()
	switch form {
	case formJSON:
		err = b.json(x.r, body)
	case formLines:
		err = b.lines(x.r, body)
	default:
		err = b.raw(x.r, body)
	}
	if err != nil {
		a.done(b)
		return err
	}
	carry(x.begin(trace.Publish, len(b.msgs)), b.msgs, &a.limits)
	places, created, err := a.broker.Publish(x.ctx(), x.topic, b.msgs, x.wait)
	if err != nil {
		x.keepBody() // nor is the batch done
		return err
	}
	a.done(b)
	a.broker.Published(x.client(), x.topic, len(places))
	x.encode().published(places, created)
	return x.answer(http.StatusOK)
}

// form is how a publish's body is written.
type form int

const (
	formJSON form = iota
	formLines
	formRaw
)

// bodyForm tells by the content type how a body is written.
func bodyForm(r *http.Request, topic string) (form, error) {
	if n := len(r.Header["Content-Type"]); n > 1 {
		return 0, newFault(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "the Content-Type is given %d times: give it once", n)
	}
	header := r.Header.Get("Content-Type")
	switch header { // the usual ones without a look at parameters
	case "":
		return formRaw, nil
	case "application/json":
		return formJSON, nil
	case "application/x-ndjson":
		return formLines, nil
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil {
		return 0, newFault(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "the Content-Type %q cannot be read: send application/json, application/x-ndjson, or the type of the value", cut(header))
	}
	f := formRaw
	switch media {
	case "application/x-www-form-urlencoded", "multipart/form-data":
		return 0, newFault(http.StatusUnsupportedMediaType, api.UnsupportedMediaType,
			"a form is not taken, and curl -d says it sends one: use curl --json '{\"value\":{\"any\":\"json\"}}' http://%[1]s/v1/topics/%[2]s/records, or, for any bytes, curl -H 'Content-Type: application/octet-stream' --data-binary @FILE http://%[1]s/v1/topics/%[2]s/records", cut(r.Host), topic)
	case "application/json":
		f = formJSON
	case "application/x-ndjson":
		f = formLines
	}
	if charset := params["charset"]; f != formRaw && charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return 0, newFault(http.StatusUnsupportedMediaType, api.UnsupportedMediaType, "JSON is UTF-8: charset %q is not supported", cut(charset))
	}
	return f, nil
}

func (b *batch) json(r *http.Request, body []byte) error {
	if err := noHoltHeaders(r); err != nil {
		return err
	}
	s := newScanner(body)
	b.oneOrMany(s)
	return s.done()
}

// lines reads one record a line; empty lines do not count.
func (b *batch) lines(r *http.Request, body []byte) error {
	if err := noHoltHeaders(r); err != nil {
		return err
	}
	for n := 1; len(body) > 0; n++ {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		s := newScanner(line)
		if s.err == nil && s.empty() {
			continue
		}
		b.one(s)
		if err := s.done(); err != nil {
			f := *faultOf(err)
			f.detail = fmt.Sprintf("line %d: %s", n, f.detail)
			return &f
		}
	}
	if len(b.msgs) == 0 {
		return invalid(`no record: send one a line, as in {"value":{"any":"json"}}`)
	}
	return nil
}

// headerPrefix leads the HTTP headers that carry a raw value's other fields.
const headerPrefix = "Holt-"

// clientHeader names the program that calls, on any route; it is no field of a record.
const clientHeader = "Holt-Client"

// noHoltHeaders refuses record fields in HTTP headers beside a JSON body, which has fields for them.
func noHoltHeaders(r *http.Request) error {
	for name := range r.Header {
		if strings.HasPrefix(name, headerPrefix) && name != clientHeader {
			return invalid("the header %s goes with a body that is one value; in JSON it is a field of the record", cut(name))
		}
	}
	return nil
}

// raw takes the body as one value, and the record's other fields from Holt-* headers.
func (b *batch) raw(r *http.Request, body []byte) error {
	var s scanner // for its sticky error
	m := b.add(&s)
	if m == nil {
		return s.done()
	}
	m.Value = present(body)
	given := fields{value: 1}
	for _, name := range holtHeaders(r) {
		values := r.Header[name]
		if len(values) > 1 {
			return invalid("the header %s is given %d times", cut(name), len(values))
		}
		b.holtHeader(&s, m, &given, strings.TrimPrefix(name, headerPrefix), values[0])
		if s.err != nil {
			s.under(cut(name))
			return s.done()
		}
	}
	b.check(&s, m, &given)
	return s.done()
}

// holtHeaders returns the names of the Holt-* headers in order.
func holtHeaders(r *http.Request) []string {
	var names []string
	for name := range r.Header {
		if strings.HasPrefix(name, headerPrefix) && name != clientHeader {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (b *batch) holtHeader(s *scanner, m *queue.Message, given *fields, name, value string) {
	switch name {
	case "Key":
		m.Key = []byte(value)
	case "Id":
		m.ID = value
		b.checkID(s, value)
	case "Delay":
		given.delay++
		m.Delay = s.durationOf(value, 0, b.limits.MaxDelay)
	case "Deliver-At":
		given.delay++
		m.DeliverAt = s.timeOf(value)
	case "Ttl":
		m.TTL = s.durationOf(value, time.Millisecond, maxTTL)
	case "Priority":
		given.place++
		m.Priority = new(int(headerInt(s, value, maxLane)))
	case "Partition":
		given.place++
		m.Partition = new(int(headerInt(s, value, math.MaxInt64)))
	default:
		user, ok := strings.CutPrefix(name, "Header-")
		if !ok {
			s.fail(invalid("no such header; a record's own headers are Holt-Header-NAME"))
			return
		}
		b.header(s, given, user, []byte(value))
	}
}

func headerInt(s *scanner, value string, hi int64) int64 {
	n := newScanner([]byte(value))
	v := n.int(0, hi)
	if err := n.done(); err != nil {
		s.fail(invalid("must be a whole number from 0 to %d, not %q", hi, cut(value)))
	}
	return v
}
