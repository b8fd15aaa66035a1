package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// one publishes to a topic of one partition and returns the fields of what is stored, as they are written.
func (h *house) one(body, query string, headers ...string) map[string]json.RawMessage {
	h.t.Helper()
	if len(headers) == 0 {
		headers = []string{"Content-Type", "application/json"}
	}
	got := into[api.PublishResponse](h.call("POST", "/v1/topics/t/records", body, headers...).is(200))
	if len(got.Records) != 1 {
		h.t.Fatalf("%.100s: published as %+v", body, got)
	}
	return into[map[string]json.RawMessage](h.get(fmt.Sprintf("/v1/topics/t/partitions/0/records/%d%s", got.Records[0].Offset, query)).is(200))
}

func TestValuesKeepTheirForm(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
		for _, tt := range []struct{ record, query, field, want string }{
			{`{"value":{"b":1e5,"a":-0,"b":"\u00e9\/\ud800<&>"}}`, "", "value", `{"b":1e5,"a":-0,"b":"\u00e9\/\ud800<&>"}`},
			{`{"value":1e999999999}`, "", "value", `1e999999999`},
			{`{"value":null}`, "", "value", `null`},
			{`{"value":` + deep + `}`, "", "value", deep},
			{`{"text":"12"}`, "", "value", `12`},
			{`{"text":""}`, "", "text", `""`},
			{`{"text":"12 x\n\u0001\"\\"}`, "", "text", `"12 x\n\u0001\"\\"`},
			{`{"text":"` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `"}`, "", "text", `"` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `"`},
			{`{"value_base64":"/wA="}`, "", "value_base64", `"/wA="`},
			{`{"value_base64":""}`, "", "text", `""`},
			{`{"value_base64":"WzFd"}`, "", "value", `[1]`},
			{`{"tombstone":true}`, "", "tombstone", `true`},
			{`{"tombstone":true}`, "?encoding=base64", "tombstone", `true`},
			{`{"tombstone":false,"value":1}`, "", "value", `1`},
			{`{"text":null,"value":1,"headers":null,"key":null,"id":null,"delay":null,"ttl":null}`, "", "value", `1`},
			{`{"value":"é"}`, "?encoding=text", "text", `"\"é\""`},
			{`{"value_base64":"/w=="}`, "?encoding=text", "value_base64", `"/w=="`},
			{`{"value":1}`, "?encoding=base64", "value_base64", `"MQ=="`},
			{`{"records":[{"value":{"a":  1}}]}`, "", "value", `{"a":  1}`},
		} {
			got := h.one(tt.record, tt.query)
			for _, field := range []string{"value", "text", "value_base64", "tombstone"} {
				if raw, there := got[field]; there != (field == tt.field) || there && string(raw) != tt.want {
					t.Errorf("%.80s: %s is %.80s, want %s %.80s", tt.record, field, raw, tt.field, tt.want)
				}
			}
		}
	})
}

func TestKeysAndHeaders(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		for record, want := range map[string]string{
			`{"value":1,"key":"k"}`:             `"k"`,
			`{"value":1,"key":""}`:              `""`,
			`{"value":1,"key_base64":""}`:       `""`,
			`{"value":1,"key_base64":"aw=="}`:   `"k"`,
			`{"value":1,"key":"\u0000é"}`:       `"\u0000é"`,
			`{"value":1}`:                       ``,
			`{"value":1,"key_base64":"/w=="}`:   ``,
			`{"value":1,"key":null,"id":null}`:  ``,
			`{"text":"x","key":"a\"b\\","x":1}`: `refused`,
		} {
			if want == "refused" {
				h.publish("t", record).problem(400, api.InvalidRequest)
				continue
			}
			got := h.one(record, "")
			if string(got["key"]) != want || (got["key_base64"] != nil) != strings.Contains(record, "/w==") {
				t.Errorf("%s: key %s, key_base64 %s", record, got["key"], got["key_base64"])
			}
		}
		got := h.one(`{"value":1,"headers":{"Z-x":"1","a.b_c-9":"é"},"headers_base64":{"bin":"/wA=","plain":"eA=="}}`, "")
		if string(got["headers"]) != `{"z-x":"1","a.b_c-9":"é","plain":"x"}` || string(got["headers_base64"]) != `{"bin":"/wA="}` {
			t.Errorf("headers %s and %s", got["headers"], got["headers_base64"])
		}
		for _, bad := range []string{
			`{"holt-x":"1"}`, `{"Nats-x":"1"}`, `{"a b":"1"}`, `{"":"1"}`, `{"é":"1"}`, `{"a:b":"1"}`, `{"a@":"1"}`, `{"a[":"1"}`, `{"a` + "`" + `":"1"}`,
			`{"a{":"1"}`, `{"` + strings.Repeat("n", 129) + `":"1"}`, `{"a":1}`, `{"a":null}`, `{"a":"1","A":"2"}`, `{"a":"1","a":"2"}`, `[]`,
		} {
			h.publish("t", `{"value":1,"headers":`+bad+`}`).problem(400, api.InvalidRequest)
		}
		h.publish("t", `{"value":1,"headers":{"a":"1"},"headers_base64":{"A":"MQ=="}}`).problem(400, api.InvalidRequest)
	})
}

func TestBadRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, bad := range []string{
			`{}`, `{"key":"k"}`, `{"tombstone":false}`, `{"value":1,"text":"x"}`, `{"value":null,"text":"x"}`, `{"value":1,"tombstone":true}`, `{"tombstone":"yes"}`,
			`{"text":5}`, `{"value_base64":"%"}`, `{"value_base64":"YQ"}`, `{"value_base64":"YR=="}`, `{"value":1,"key":"a","key_base64":"YQ=="}`,
			`{"value":1,"id":""}`, `{"value":1,"id":"` + strings.Repeat("x", 257) + `"}`, `{"value":1,"delay":"1s","deliver_at":"2026-01-01T00:00:00Z"}`,
			`{"value":1,"delay":"366d"}`, `{"value":1,"delay":"-1s"}`, `{"value":1,"deliver_at":"2999-01-01T00:00:00Z"}`, `{"value":1,"deliver_at":5}`,
			`{"value":1,"ttl":"0s"}`, `{"value":1,"ttl":5}`, `{"value":1,"priority":10}`, `{"value":1,"priority":-1}`, `{"value":1,"partition":-1}`,
			`{"value":1,"partition":0,"priority":0}`, `{"value":1,"colour":2}`, `{"Value":1}`, `{"text":"\ud800"}`, `{"value":1}{"value":2}`, `{"value":1,"value":2}`,
		} {
			h.publish("t", bad).problem(400, api.InvalidRequest)
			h.publish("t", `{"records":[{"value":1},`+bad+`]}`).problem(400, api.InvalidRequest)
		}
		for _, bad := range []string{`{"records":[]}`, `{"records":null}`, `{"records":{}}`, `[{"value":1}]`, `null`, ``, `{"records":[{"value":1}],"value":2}`, `{"value":1,"records":[]}`, `{"records":[{"value":1}],"x":1}`} {
			h.publish("t", bad).problem(400, api.InvalidRequest)
		}
		h.get("/v1/topics/t").problem(404, api.TopicNotFound) // none of it made anything
		h.publish("t", `{"value":1,"partition":4}`).problem(404, api.PartitionNotFound)
		h.publish("t", `{"value":1,"partition":2147483648}`).problem(404, api.PartitionNotFound)
		h.get("/v1/topics/t").problem(404, api.TopicNotFound)
	})
}

// The broker gets these fields as they are.
func TestFieldsArePassedOn(t *testing.T) {
	inBubble(t, func(h *house) {
		var got []queue.Message
		h.spy.publish = func(msgs []queue.Message) error {
			for _, m := range msgs {
				m.Value, m.Headers = nil, nil
				got = append(got, m)
			}
			return queue.ErrInvalidRequest
		}
		h.publish("t", `{"records":[{"value":1,"id":"x","delay":"1.5s","ttl":"1d","priority":3},{"value":1,"deliver_at":"2000-01-01T01:00:00.5+01:00","partition":7}]}`).problem(400, api.InvalidRequest)
		want := []queue.Message{
			{ID: "x", Delay: 1500 * time.Millisecond, TTL: 24 * time.Hour, Priority: new(3)},
			{DeliverAt: time.Date(2000, 1, 1, 0, 0, 0, 5e8, time.UTC), Partition: new(7)},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the broker got:\n%s", d)
		}
		got = nil
		h.call("POST", "/v1/topics/t/records", "v", "Holt-Id", "x", "Holt-Delay", "1.5s", "Holt-Ttl", "1d", "Holt-Priority", "3").problem(400, api.InvalidRequest)
		h.call("POST", "/v1/topics/t/records", "v", "Holt-Deliver-At", "2000-01-01T01:00:00.5+01:00", "Holt-Partition", "7").problem(400, api.InvalidRequest)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("of raw bodies the broker got:\n%s", d)
		}
	})
}

func TestRecordLimits(t *testing.T) {
	qc := queue.Config{Limits: queue.Limits{MaxValue: 10, MaxKey: 5, MaxHeaders: 2, MaxHeaderBytes: 12, MaxPublish: 3, MaxBody: 200}}
	inBubbleWith(t, qc, Config{}, func(h *house) {
		raw := func(body string, headers ...string) answer {
			return h.call("POST", "/v1/topics/t/records", body, headers...)
		}
		h.put("/v1/topics/t", `{"partitions":1,"max_record_bytes":10}`).is(201)
		for _, good := range []string{
			`{"text":"0123456789"}`, `{"value":1,"key":"12345"}`, `{"value":1,"headers":{"a":"12345","b":"12345"}}`, `{"records":[{"value":1},{"value":1},{"value":1}]}`,
		} {
			h.publish("t", good).is(200)
		}
		for _, bad := range []string{
			`{"text":"0123456789x"}`, `{"value":1,"key":"123456"}`, `{"value":1,"headers":{"a":"","b":"","c":""}}`, `{"value":1,"headers":{"a":"12345","b":"123456"}}`,
		} {
			h.publish("t", bad).problem(413, api.RecordTooLarge)
		}
		h.publish("t", `{"records":[{"value":1},{"value":1},{"value":1},{"value":1}]}`).problem(413, api.RequestTooLarge)
		raw(strings.Repeat("{\"value\":1}\n", 4), "Content-Type", "application/x-ndjson").problem(413, api.RequestTooLarge)
		raw("0123456789").is(200)
		raw("0123456789x").problem(413, api.RecordTooLarge)
		raw("x", "Holt-Key", "123456").problem(413, api.RecordTooLarge)
		h.publish("t", `{"value":1}`+strings.Repeat(" ", 189)).is(200)
		a := h.publish("t", `{"value":1}`+strings.Repeat(" ", 190))
		a.problem(413, api.RequestTooLarge)
		if a.header.Get("Connection") != "close" {
			t.Error("the connection stays though the body was not read")
		}
		r := httptest.NewRequest("POST", "http://localhost/v1/topics/t/records", strings.NewReader(strings.Repeat("x", 201)))
		r.ContentLength = -1 // chunked
		h.do(r).problem(413, api.RequestTooLarge)
		h.put("/v1/topics/t", strings.Repeat(" ", 201)).problem(413, api.RequestTooLarge)
	})
}

func TestLargeBodiesShareAMemory(t *testing.T) {
	inBubbleWith(t, queue.Config{}, Config{MaxBodies: 1 << 20}, func(h *house) {
		big := strings.Repeat("x", 400<<10)
		h.call("POST", "/v1/topics/t/records", big).is(200)
		if got := h.held.Load(); got != 0 {
			t.Errorf("%d bytes are held after the answer", got)
		}
		h.held.Store(1 << 20) // as if others were under way
		h.call("POST", "/v1/topics/t/records", big).problem(503, api.Unavailable)
		h.call("POST", "/v1/topics/t/records", strings.Repeat("x", 60<<10)).is(200)
		if got := h.held.Load(); got != 1<<20 {
			t.Errorf("%d bytes are held", got)
		}
	})
}

func TestPublishForms(t *testing.T) {
	inBubble(t, func(h *house) {
		post := func(contentType, body string, headers ...string) answer {
			if contentType != "" {
				headers = append(headers, "Content-Type", contentType)
			}
			return h.call("POST", "/v1/topics/t/records", body, headers...)
		}
		got := into[api.PublishResponse](post("application/json", `{"value":1}`).is(200))
		if len(got.Created) != 1 || got.Created[0] != "topics/t" {
			t.Errorf("created %v", got.Created)
		}
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			p := post(kind, `{"value":1}`).problem(415, api.UnsupportedMediaType)
			if !strings.Contains(p.Detail, "curl --json") || !strings.Contains(p.Detail, "http://localhost:4658/v1/topics/t/records") {
				t.Errorf("415 says %q", p.Detail)
			}
		}
		post("application/json; charset=latin1", `{"value":1}`).problem(415, api.UnsupportedMediaType)
		post("nonsense/", `x`).problem(415, api.UnsupportedMediaType)
		h.call("POST", "/v1/topics/t/records", "x", "Content-Type", "text/plain", "Content-Type", "application/json").problem(415, api.UnsupportedMediaType)
		post("Application/JSON; charset=UTF-8", `{"value":1}`).is(200)
		lines := "application/x-ndjson"
		if got := into[api.PublishResponse](post(lines, "{\"value\":1}\r\n\n  \n{\"text\":\"x\"}").is(200)); len(got.Records) != 2 {
			t.Errorf("two lines: %+v", got)
		}
		for body, want := range map[string]string{
			"": "no record", "\n\n": "no record", "{\"value\":1}\n{\"value\":": "line 2:", "{\"value\":1} {\"value\":2}": "line 1:", "[]": "line 1:", "\ufeff{\"value\":1}": "byte order mark",
			"{\"records\":[]}": "no such field",
		} {
			if p := post(lines, body).problem(400, api.InvalidRequest); !strings.Contains(p.Detail, want) {
				t.Errorf("%q: %q, want %q", body, p.Detail, want)
			}
		}
		post("application/json", `{"value":1}`, "Holt-Key", "k").problem(400, api.InvalidRequest)
		post(lines, `{"value":1}`, "Holt-Key", "k").problem(400, api.InvalidRequest)
	})
}

func TestPublishRaw(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		for _, kind := range []string{"text/plain", "application/octet-stream", "application/cloudevents+json", "image/png; x=y"} {
			for _, body := range []string{"{ \"a\" :\n 1.0 }\n", "\xff\x00", "", `{"records":[1]}`, "\ufeff{}"} {
				got := h.one(body, "?encoding=base64", "Content-Type", kind)
				if want, _ := json.Marshal([]byte(body)); string(got["value_base64"]) != string(want) {
					t.Errorf("%q as %s is %s", body, kind, got["value_base64"])
				}
			}
		}
		got := h.one("x", "", "Holt-Key", "k", "Holt-Partition", "0", "holt-header-Trace-ID", "a b", "Holt-Header-a.b_c", "\xff")
		if string(got["key"]) != `"k"` || string(got["headers"]) != `{"trace-id":"a b"}` || string(got["headers_base64"]) != `{"a.b_c":"/w=="}` {
			t.Errorf("raw record %s", got)
		}
		h.call("POST", "/v1/topics/t/records", "x", "Holt-Client", "worker/1").is(200)
		h.call("POST", "/v1/topics/t/records", `{"value":1}`, "Holt-Client", "worker/1", "Content-Type", "application/json").is(200)
		if got := h.one("x", "", "Holt-Key", ""); string(got["key"]) != `""` {
			t.Errorf("the empty key is %s", got["key"])
		}
		for _, bad := range [][]string{
			{"Holt-Keyy", "k"}, {"Holt-Partition", "x"}, {"Holt-Partition", "1e0"}, {"Holt-Partition", ""}, {"Holt-Priority", "10"}, {"Holt-Delay", "5"}, {"Holt-Deliver-At", "x"},
			{"Holt-Ttl", "0s"}, {"Holt-Id", ""}, {"Holt-Header-Holt-X", "1"}, {"Holt-Header-", "1"}, {"Holt-Key", "a", "Holt-Key", "b"}, {"Holt-Partition", "0", "Holt-Priority", "0"},
		} {
			h.call("POST", "/v1/topics/t/records", "x", bad...).problem(400, api.InvalidRequest)
		}
	})
}

func TestPublishWaits(t *testing.T) {
	inBubble(t, func(h *house) {
		h.spy.publish = func([]queue.Message) error { return fmt.Errorf("topic t: %w", queue.ErrBacklogFull) }
		a := h.call("POST", "/v1/topics/t/records?wait=5s", "x")
		if p := a.problem(429, api.BacklogFull); p.RetryAfterMS != 1000 || a.header.Get("Retry-After") != "1" {
			t.Errorf("retry after %d ms, %s s", p.RetryAfterMS, a.header.Get("Retry-After"))
		}
		h.call("POST", "/v1/topics/t/records?wait=61s", "x").problem(400, api.InvalidRequest)
	})
}

func TestPublishLaterAndOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		start := time.Now().UTC()
		at := func(d time.Duration) string { return start.Add(d).Format(api.TimeFormat) }
		a := h.publish("t", `{"records":[{"value":1,"id":"x"},{"value":2,"id":"x"},{"value":3,"delay":"1.5s","id":"y"},{"value":4,"deliver_at":"`+at(time.Hour)+`"},{"value":5,"deliver_at":"2000-01-01T00:00:00Z"},{"value":6,"delay":"0s"}]}`).is(200)
		got := into[api.PublishResponse](a).Records
		if len(got) != 6 || got[0].Duplicate || !got[1].Duplicate || got[1].Offset != got[0].Offset || got[4].Offset != 1 || got[5].Offset != 2 {
			t.Fatalf("published as %s", a.body)
		}
		soon, late := got[2].Scheduled, got[3].Scheduled
		if soon == nil || late == nil || soon.ID == "" || soon.ID == late.ID || time.Time(soon.DeliverAt) != start.Add(1500*time.Millisecond) || time.Time(late.DeliverAt) != start.Add(time.Hour) {
			t.Fatalf("scheduled as %s", a.body)
		}
		if list := into[api.ScheduledList](h.get("/v1/topics/t/scheduled?limit=1").is(200)); list.Total != 2 || len(list.Items) != 1 || list.NextCursor == "" {
			t.Errorf("listed as %+v", list)
		}
		if want := fmt.Sprintf(`{"scheduled":{"id":%q,"deliver_at":%q}},`, soon.ID, at(1500*time.Millisecond)); !strings.Contains(a.body, want) {
			t.Errorf("a scheduled record is answered in %s, want %s", a.body, want)
		}
		a = h.publish("t", `{"value":7,"id":"y"}`).is(200)
		if want := fmt.Sprintf(`{"records":[{"scheduled":{"id":%q,"deliver_at":%q},"duplicate":true}]}`+"\n", soon.ID, at(1500*time.Millisecond)); a.body != want {
			t.Errorf("a duplicate of a scheduled record is %s, want %s", a.body, want)
		}
		time.Sleep(2 * time.Second)
		a = h.call("POST", "/v1/topics/t/records", "7", "Holt-Id", "y").is(200)
		if want := fmt.Sprintf(`{"records":[{"partition":0,"offset":3,"timestamp":%q,"duplicate":true}]}`+"\n", at(1500*time.Millisecond)); a.body != want {
			t.Errorf("a duplicate of a record that was due is %s, want %s", a.body, want)
		}
		if a := h.call("POST", "/v1/topics/t/records", "8", "Holt-Delay", "1h").is(200); !strings.Contains(a.body, `"scheduled"`) {
			t.Errorf("with Holt-Delay: %s", a.body)
		}
	})
}

func TestBacklog(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1,"max_backlog":{"records":2}}`).is(201)
		if got := into[api.Topic](h.get("/v1/topics/t")).Config.MaxBacklog; got != (api.MaxBacklog{Records: 2}) {
			t.Errorf("max_backlog %+v", got)
		}
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		h.publish("t", `{"records":[{"value":1},{"value":2},{"value":3}]}`).is(200) // below the limit, whatever its size
		start := time.Now()
		full := h.publish("t", `{"value":4}`)
		if p := full.problem(429, api.BacklogFull); full.header.Get("Retry-After") != "1" || !strings.Contains(p.Detail, "group g") {
			t.Errorf("a full backlog: %s, Retry-After %s", p.Detail, full.header.Get("Retry-After"))
		}
		wait := func() answer {
			return h.call("POST", "/v1/topics/t/records?wait=5s", `{"value":4}`, "Content-Type", "application/json")
		}
		if wait().problem(429, api.BacklogFull); time.Since(start) != 5*time.Second {
			t.Errorf("it waited %v", time.Since(start))
		}
		r := h.take(2)
		got := make(chan answer)
		go func() { got <- wait() }()
		time.Sleep(time.Second)
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipts":[%q,%q]}`, r[0], r[1])).is(200)
		if a := (<-got).is(200); time.Since(start) != 6*time.Second {
			t.Errorf("a waiting publish: %s after %v", a.body, time.Since(start))
		}
		h.put("/v1/topics/t", `{"max_backlog":{"records":null,"bytes":1}}`).is(200)
		h.publish("t", `{"value":5}`).problem(429, api.BacklogFull)
		h.spy.publish = func([]queue.Message) error { return fmt.Errorf("topic t: %w", queue.ErrRateLimited) }
		if a := h.publish("t", `{"value":6}`); a.problem(429, api.RateLimited).RetryAfterMS != 1000 {
			t.Errorf("rate_limited: %s", a.body)
		}
	})
}

// A publish whose outcome is unknown may still be at work on the records: their bytes are not used again.
func TestBytesOfAFailedPublishAreLeftAlone(t *testing.T) {
	inBubble(t, func(h *house) {
		var kept []queue.Message
		h.spy.publish = func(msgs []queue.Message) error {
			if kept == nil {
				kept = msgs
				return queue.ErrUnknown
			}
			return errors.New("no more")
		}
		h.publish("t", `{"value":"first","headers":{"a":"one"}}`).problem(503, api.Unavailable)
		for range 100 {
			h.publish("t", `{"value":"other","headers":{"b":"two"}}`).is(500)
		}
		if len(kept) != 1 || string(kept[0].Value) != `"first"` || kept[0].Headers[0].Name != "a" || string(kept[0].Headers[0].Value) != "one" {
			t.Errorf("the record became %+v", kept)
		}
	})
}

func TestRead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		for i := range 5 {
			h.publish("t", fmt.Sprintf(`{"value":%d}`, i)).is(200)
			time.Sleep(time.Second)
		}
		read := func(query string) (offsets string) {
			t.Helper()
			got := into[api.ReadResponse](h.get("/v1/topics/t/partitions/0/records" + query).is(200))
			if got.Records == nil || got.StartOffset != 0 || got.EndOffset != 5 {
				t.Errorf("%s: %+v", query, got)
			}
			for _, r := range got.Records {
				offsets += fmt.Sprint(r.Offset)
			}
			return offsets + ">" + fmt.Sprint(got.NextOffset)
		}
		third := time.Now().Add(-3 * time.Second).UTC().Format(time.RFC3339)
		for query, want := range map[string]string{
			"": "01234>5", "?offset=earliest&max=2": "01>2", "?offset=3": "34>5", "?offset=5": ">5", "?offset=latest": ">5", "?offset=2999-01-01T00:00:00Z": ">5",
			"?offset=" + third: "234>5", "?max_bytes=1": "0>1", "?max_bytes=0": "01234>5", "?offset=latest&wait=5s": ">5",
		} {
			if got := read(query); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		got := make(chan answer)
		go func() { got <- h.get("/v1/topics/t/partitions/0/records?offset=latest&wait=60s") }()
		time.Sleep(time.Second)
		h.publish("t", `{"value":5}`).is(200)
		if a := into[api.ReadResponse](<-got); len(a.Records) != 1 || a.Records[0].Offset != 5 {
			t.Errorf("a parked read gave %+v", a)
		}
	})
}

// FuzzRecord: what is taken as a record is answered as JSON that means the same record.
func FuzzRecord(f *testing.F) {
	for _, record := range []string{
		benchRecord, `{"records":[{"text":"x","key_base64":"/w=="},{"tombstone":true,"ttl":"1d"}]}`, `{"value": [1e5, "\ud800"] ,"headers_base64":{"A":"/w=="}}`,
		`{"value_base64":"AA==","partition":3,"id":"a","delay":"1s"}`,
	} {
		f.Add([]byte(record))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := &batch{limits: testLimits()}
		s := newScanner(body)
		b.oneOrMany(s)
		if s.done() != nil {
			return
		}
		for _, m := range b.msgs {
			e := encoder{}
			e.appendRead(1, &queue.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: time.Unix(0, 0)})
			var got api.Record
			if err := json.Unmarshal(e.b, &got); err != nil {
				t.Fatalf("%q: answered as %q: %v", body, e.b, err)
			}
			sameBytes(t, "key", m.Key, got.Key, got.KeyBase64, nil)
			sameBytes(t, "value", m.Value, got.Text, got.ValueBase64, got.Value.Value)
			if got.Tombstone != (m.Value == nil) || len(got.Headers)+len(got.HeadersBase64) != len(m.Headers) {
				t.Errorf("%q: answered as %q", body, e.b)
			}
		}
	})
}

// sameBytes requires that exactly one form is there, and that it means want; none for nil.
func sameBytes(t *testing.T, what string, want []byte, text, base *string, raw json.RawMessage) {
	t.Helper()
	forms, got := 0, []byte(nil)
	if text != nil {
		forms, got = forms+1, []byte(*text)
	}
	if base != nil {
		b, err := base64.StdEncoding.DecodeString(*base)
		if err != nil {
			t.Error(err)
		}
		forms, got = forms+1, b
	}
	if raw != nil {
		forms, got = forms+1, raw
		want = bytes.Trim(want, " \t\r\n")
	}
	if (forms == 1) != (want != nil) || !bytes.Equal(got, want) {
		t.Errorf("%s %q came as %q in %d forms", what, want, got, forms)
	}
}
