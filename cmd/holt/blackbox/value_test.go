package blackbox_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// store publishes one JSON record to a topic of one partition.
func (q queue) store(record string) place {
	q.t.Helper()
	var p published
	q.post(q.topicPath()+"/records", record).is(200).into(&p)
	return p.Records[0]
}

// field reads one record and returns its fields as they were written.
func (q queue) field(offset int64, query string) map[string]json.RawMessage {
	q.t.Helper()
	var all map[string]json.RawMessage
	q.get(fmt.Sprintf("%s/partitions/0/records/%d%s", q.topicPath(), offset, query)).is(200).into(&all)
	return all
}

// form requires that exactly one of the value's forms is there.
func form(t testing.TB, got map[string]json.RawMessage, want, bytes string) {
	t.Helper()
	for _, name := range []string{"value", "text", "value_base64", "tombstone"} {
		raw, there := got[name]
		switch {
		case name != want && there && string(raw) != "false" && (string(raw) != "null" || name == "value"):
			t.Errorf("record has %s %s, want only %s", name, clip(raw), want)
		case name == want && !there:
			t.Errorf("record has no %s: %v", want, got)
		case name == want && string(raw) != bytes:
			t.Errorf("record has %s %s, want %s", name, clip(raw), bytes)
		}
	}
}

func TestJSONIsKeptAsWritten(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	for _, value := range []string{
		`null`, `true`, `0`, `-0`, `-0.0`, `1.0`, `1E5`, `1e+05`, `12345678901234567890123456789.12345678901234567890`,
		`1e999999999`, `0.1e-400`, `""`, `"\u00e9\/\ud83d\ude00"`, `"é/😀"`, `"\u0000"`, `"<script>&"`, `"\u2028"`,
		`"\ud800"`, `[]`, `{}`, `[1,[2,[3,{"a":[]}]]]`,
		`{"b":1,"a":2,"b":3,"":{},"a":{"z":1,"y":2}}`,
	} {
		at := q.store(`{"value":` + value + `}`)
		form(t, q.field(at.Offset, ""), "value", value)
		q.store(fmt.Sprintf(`{"value":%s,"headers":{},"partition":0}`, value))
	}
	for _, r := range q.take(44) {
		if !json.Valid(r.bytes()) {
			t.Errorf("record %d was leased as %s", r.Offset, r.bytes())
		}
	}
}

func TestJSONWhiteSpaceMayGo(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	written := "{ \"b\" : [ 1.00 ,\t2 ] ,\n \"a\" : \"x  y\" }"
	at := q.store(`{"value": ` + written + ` }`)
	var want, got bytes.Buffer
	json.Compact(&want, []byte(written))
	json.Compact(&got, q.field(at.Offset, "")["value"])
	if got.String() != want.String() {
		t.Errorf("value %s, want %s", got.String(), want.String())
	}
}

func TestValueForms(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	b64 := func(s string) string { return `"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"` }
	for _, tt := range []struct{ record, form, want string }{
		{`{"text":"plain"}`, "text", `"plain"`},
		{`{"text":""}`, "text", `""`},
		{`{"text":"{\"a\":1}"}`, "value", `{"a":1}`},
		{`{"text":"12"}`, "value", `12`},
		{`{"text":"12 x"}`, "text", `"12 x"`},
		{`{"value_base64":` + b64("\xff\x00") + `}`, "value_base64", b64("\xff\x00")},
		{`{"value_base64":` + b64("plain") + `}`, "text", `"plain"`},
		{`{"value_base64":` + b64("[1]") + `}`, "value", `[1]`},
		{`{"value_base64":""}`, "text", `""`},
		{`{"tombstone":true}`, "tombstone", `true`},
		{`{"tombstone":true,"key":"k"}`, "tombstone", `true`},
		{`{"value":null}`, "value", `null`},
		{`{"value":"text"}`, "value", `"text"`},
	} {
		at := q.store(tt.record)
		form(t, q.field(at.Offset, ""), tt.form, tt.want)
	}
}

func TestLeasesCarryTheForms(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.publish(q.name, obj{"value": nil}, obj{"text": "x"}, obj{"value_base64": "/w=="}, obj{"tombstone": true, "key": "k"})
	got := q.take(4)
	if string(got[0].Value) != "null" || got[1].Text == nil || *got[1].Text != "x" ||
		got[2].ValueBase64 == nil || *got[2].ValueBase64 != "/w==" || !got[3].Tombstone || got[3].Value != nil {
		t.Errorf("leased %+v", got)
	}
	q.settle(obj{"release": receipts(got)}).ok(4)
	var again leased
	q.post(q.groupPath()+"/lease?encoding=base64", obj{"max": 4}).is(200).into(&again)
	for _, r := range again.Records {
		if r.Value != nil || r.Text != nil || (r.ValueBase64 == nil) != r.Tombstone {
			t.Errorf("leased with encoding=base64: %+v", r)
		}
	}
}

func TestEncoding(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	at := q.store(`{"value":{"a":"é"}}`).Offset
	form(t, q.field(at, "?encoding=text"), "text", `"{\"a\":\"é\"}"`)
	form(t, q.field(at, "?encoding=base64"), "value_base64", `"`+base64.StdEncoding.EncodeToString([]byte(`{"a":"é"}`))+`"`)
	page := q.read(q.name, 0, "offset=0&encoding=base64")
	if len(page.Records) != 1 || page.Records[0].ValueBase64 == nil {
		t.Errorf("page with encoding=base64: %+v", page)
	}
	for _, bad := range []string{"hex", "", "json", "TEXT"} {
		q.get(fmt.Sprintf("%s/partitions/0/records/%d?encoding=%s", q.topicPath(), at, bad)).problem(400, "invalid_request")
		q.post(q.groupPath()+"/lease?encoding="+bad, obj{}).problem(400, "invalid_request")
	}
}

func TestExactlyOneValue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	for _, bad := range []string{
		`{}`, `{"key":"k"}`, `{"tombstone":false}`, `{"value":1,"text":"x"}`, `{"value":null,"text":"x"}`, `{"text":"x","value_base64":""}`,
		`{"value":1,"tombstone":true}`, `{"tombstone":"yes"}`, `{"tombstone":null}`, `{"text":5}`, `{"value_base64":5}`,
		`{"value_base64":"%%%"}`, `{"value_base64":"YQ"}`, `{"value_base64":"YQ==="}`, `{"value_base64":"YQ==x"}`,
		`{"key":"a","key_base64":"YQ==","value":1}`, `{"key":5,"value":1}`, `{"key_base64":"%","value":1}`,
	} {
		q.post(q.topicPath()+"/records", bad).problem(400, "invalid_request")
		q.post(q.topicPath()+"/records", `{"records":[{"value":1},`+bad+`]}`).problem(400, "invalid_request")
	}
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 0 {
		t.Errorf("%d records were stored", end)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	for _, tt := range []struct{ record, field, want string }{
		{`{"value":1,"key":"k"}`, "key", `"k"`},
		{`{"value":1,"key_base64":"aw=="}`, "key", `"k"`},
		{`{"value":1,"key":""}`, "key", `""`},
		{`{"value":1,"key_base64":""}`, "key", `""`},
		{`{"value":1,"key":"é\u0000"}`, "key", `"é\u0000"`},
		{`{"value":1,"key_base64":"/w=="}`, "key_base64", `"/w=="`},
		{`{"value":1}`, "", ""},
		{`{"value":1,"key":null}`, "", ""},
	} {
		got := q.field(q.store(tt.record).Offset, "")
		for _, name := range []string{"key", "key_base64"} {
			raw := got[name]
			if name == tt.field && string(raw) != tt.want {
				t.Errorf("%s: %s is %s, want %s", tt.record, name, raw, tt.want)
			}
			if name != tt.field && raw != nil && string(raw) != "null" {
				t.Errorf("%s: %s is %s, want none", tt.record, name, raw)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	at := q.store(`{"value":1,"headers":{"Trace-ID":"A","z":"","a.b_c-9":"é"},"headers_base64":{"bin":"/wA=","plain":"eA=="}}`)
	r := q.readAll(q.name, 0)[at.Offset]
	want := map[string]string{"trace-id": "A", "z": "", "a.b_c-9": "é", "plain": "x"}
	if !reflect.DeepEqual(r.Headers, want) || r.HeadersBase64["bin"] != "/wA=" || len(r.HeadersBase64) != 1 {
		t.Errorf("headers %v and %v", r.Headers, r.HeadersBase64)
	}
	leased := q.one()
	if !reflect.DeepEqual(leased.Headers, r.Headers) || !reflect.DeepEqual(leased.HeadersBase64, r.HeadersBase64) {
		t.Errorf("leased with headers %v and %v", leased.Headers, leased.HeadersBase64)
	}
	long := strings.Repeat("n", 129)
	for _, bad := range []string{
		`{"holt-x":"1"}`, `{"Holt-x":"1"}`, `{"nats-x":"1"}`, `{"NATS-Msg-Id":"1"}`, `{"a b":"1"}`, `{"":"1"}`, `{"é":"1"}`, `{"a:b":"1"}`, `{"a\n":"1"}`,
		`{"` + long + `":"1"}`, `{"a":1}`, `{"a":null}`, `{"a":["1"]}`, `{"a":"1","A":"2"}`, `[]`, `"a"`,
	} {
		q.post(q.topicPath()+"/records", `{"value":1,"headers":`+bad+`}`).problem(400, "invalid_request")
	}
	for _, bad := range []string{`"headers_base64":{"a":"%"}`, `"headers_base64":{"holt-a":""}`, `"headers":{"a":"1"},"headers_base64":{"a":"YQ=="}`} {
		q.post(q.topicPath()+"/records", `{"value":1,`+bad+`}`).problem(400, "invalid_request")
	}
	q.store(`{"value":1,"headers":{"` + long[1:] + `":"1"}}`)
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 2 {
		t.Errorf("%d records were stored, want the two good ones", end)
	}
}

func TestHeaderOrderIsKept(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	at := q.store(`{"value":1,"headers":{"z":"1","a":"2","m":"3"}}`)
	if got := string(q.field(at.Offset, "")["headers"]); got != `{"z":"1","a":"2","m":"3"}` {
		t.Errorf("headers %s, want them in the order published", got)
	}
}
