package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// planPublish publishes one record of a form.
func planPublish(_ *visit, f url.Values) (*plan, error) {
	topic := f.Get("topic")
	record, err := recordOf(f)
	if err != nil {
		return nil, err
	}
	body := jsonBody(record)
	p := &plan{
		Title: "Publish to " + topic, Button: "Publish",
		Calls: []call{{method: http.MethodPost, path: apiPath("topics", topic, "records"), body: body}},
		CLI:   []string{"printf %s " + quote(string(body)) + " | " + command("publish", topic, "--ndjson")},
	}
	for _, name := range []string{"value", "as", "key", "headers", "id", "delay", "ttl", "priority", "partition"} {
		p.Inputs = append(p.Inputs, input{Name: name}) // of the page's own form
	}
	p.Done = func(answers []*answer) done {
		var r api.PublishResponse
		if json.Unmarshal(answers[0].body.Bytes(), &r) != nil || len(r.Records) != 1 {
			return done{Text: "Published."}
		}
		one := r.Records[0]
		if one.Scheduled != nil {
			return done{"Scheduled for " + stamp(one.Scheduled.DeliverAt) + ".", "topics/" + topic + "/scheduled", "Scheduled records"}
		}
		at := strconv.Itoa(one.Partition) + "/" + strconv.FormatInt(one.Offset, 10)
		text := "Published at " + topic + "/" + at + "."
		if one.Duplicate {
			text = "Not stored: a record with this id is at " + topic + "/" + at + "."
		}
		return done{text, "topics/" + topic + "/messages/" + at, "Open the record"}
	}
	return p, nil
}

// recordOf makes a record of a form; JSON values are kept as they are written.
func recordOf(f url.Values) (r api.NewRecord, err error) {
	if r.Value, err = formValue(f); err != nil {
		return r, err
	}
	if key := f.Get("key"); key != "" {
		r.Key = &key
	}
	if r.Headers, err = formHeaders(f.Get("headers")); err != nil {
		return r, err
	}
	r.ID = f.Get("id")
	for name, to := range map[string]**api.Duration{"delay": &r.Delay, "ttl": &r.TTL} {
		if text := strings.TrimSpace(f.Get(name)); text != "" {
			d, err := api.ParseDuration(text)
			if err != nil {
				return r, badf("%s: %v", name, err)
			}
			*to = new(api.Duration(d))
		}
	}
	for name, to := range map[string]**int{"priority": &r.Priority, "partition": &r.Partition} {
		if f.Get(name) == "" {
			continue
		}
		n, err := queryInt(f, name, 0, 0, 1<<31-1)
		if err != nil {
			return r, err
		}
		*to = new(int(n))
	}
	return r, nil
}

// formValue is the value of a form: "as" says whether it is json, text or base64, or a tombstone.
func formValue(f url.Values) (v api.Value, err error) {
	text := f.Get("value")
	switch f.Get("as") {
	case "", "json":
		if !json.Valid([]byte(text)) {
			var syntax *json.SyntaxError
			err := json.Unmarshal([]byte(text), new(any))
			if e, ok := err.(*json.SyntaxError); ok {
				syntax = e
				line := 1 + strings.Count(text[:min(int(syntax.Offset), len(text))], "\n")
				return v, badf("the value is not JSON: line %d: %v", line, err)
			}
			return v, badf("the value is not JSON: %v", err)
		}
		v.Value = json.RawMessage(strings.TrimSpace(text))
	case "text":
		v.Text = &text
	case "base64":
		v.ValueBase64 = new(strings.Join(strings.Fields(text), ""))
	case "tombstone":
		v.Tombstone = true
	default:
		return v, badf("as must be json, text, base64 or tombstone, not %q", clip(f.Get("as"), 20))
	}
	return v, nil
}

// formHeaders reads headers, one a line, as "name: value".
func formHeaders(text string) (map[string]string, error) {
	var out map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, badf("headers are lines as in \"name: value\"; %q has no colon", clip(line, 40))
		}
		if out == nil {
			out = map[string]string{}
		}
		out[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return out, nil
}

// fillIn fills a form from a record.
func fillIn(f url.Values, r *api.Record) {
	f.Set("as", "base64")
	switch b, tombstone := bytesOf(r.Value); {
	case tombstone:
		f.Set("as", "tombstone")
		f.Set("value", "")
	case r.Value.Value != nil:
		f.Set("as", "json")
		f.Set("value", string(indented(b)))
	case r.Text != nil:
		f.Set("as", "text")
		f.Set("value", *r.Text)
	default:
		f.Set("value", textOf(r.ValueBase64))
	}
	f.Set("key", textOf(r.Key))
	var lines []string
	for _, h := range headersOf(r.Headers, nil) {
		if !h.System {
			lines = append(lines, h.Name+": "+r.Headers[h.Name])
		}
	}
	f.Set("headers", strings.Join(lines, "\n"))
}

// cutPlace splits "partition/offset".
func cutPlace(s string) (partition, offset string, ok bool) { return strings.Cut(s, "/") }
