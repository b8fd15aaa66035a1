package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/queue/record"
)

// dead publishes values to "jobs" and rejects them in the group "g", which it makes.
func (h *house) dead(values ...string) {
	h.t.Helper()
	h.put("/v1/topics/jobs", `{"partitions":1}`)
	h.put("/v1/groups/g", `{"topics":["jobs"]}`)
	for _, v := range values {
		h.publish("jobs", v).is(200)
		l := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"member":"w1"}`).is(200))
		h.post("/v1/groups/g/reject", fmt.Sprintf(`{"receipt":%q,"error":{"type":"Refused","message":"card 12 is no good","stack":"at pay"}}`, l.Records[0].Receipt)).is(200)
	}
}

const letters = "/v1/groups/g/dead-letters"

func (h *house) letters(query string) api.LetterList {
	h.t.Helper()
	return into[api.LetterList](h.get(letters + query).is(200))
}

func TestLettersAreShown(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"key":"k","value":{"n": 1.50},"headers":{"trace":"x"}}`, `{"value_base64":"/w=="}`, `{"tombstone":true}`)
		list := h.letters("")
		if list.Total != 3 || len(list.Items) != 3 || list.NextCursor != "" {
			t.Fatalf("%+v", list)
		}
		l := list.Items[0]
		if l.DeadAt == nil || l.FirstDeliveredAt == nil {
			t.Fatalf("times are missing: %+v", l)
		}
		l.DeadAt, l.FirstDeliveredAt = nil, nil
		want := api.Letter{
			ID: l.ID, State: "open", Topic: "jobs", Key: new("k"), Headers: map[string]string{"trace": "x"}, Value: api.Value{Value: json.RawMessage(`{"n": 1.50}`)},
			Attempts: 1, Reason: "rejected", Error: "card 12 is no good", ErrorType: "Refused", Fingerprint: "Refused: card <n> is no good", Member: "w1",
		}
		if diff := cmp.Diff(want, l); diff != "" {
			t.Errorf("letter (-want +got):\n%s", diff)
		}
		if v := list.Items[1].ValueBase64; v == nil || *v != "/w==" || !list.Items[2].Tombstone {
			t.Errorf("%+v", list.Items[1:])
		}
		d := into[api.Letter](h.get(letters + "/" + l.ID + "?encoding=text").is(200))
		if d.Text == nil || *d.Text != `{"n": 1.50}` || d.Stack != "at pay" || len(d.History) != 1 || d.History[0].Outcome != "rejected" {
			t.Errorf("%+v", d)
		}
		sum := into[api.LetterSummary](h.get(letters + "/summary").is(200))
		if sum.Total != 1 || sum.Items[0].Count != 3 || *sum.Items[0].Value != d.Fingerprint || sum.Items[0].SampleID != list.Items[2].ID {
			t.Errorf("%+v", sum)
		}
		byKey := into[api.LetterSummary](h.get(letters + "/summary?by=key").is(200))
		if len(byKey.Items) != 2 || byKey.Items[0].Value != nil || byKey.Items[0].Count != 2 || *byKey.Items[1].Value != "k" {
			t.Errorf("%+v", byKey)
		}
		lines := strings.Split(strings.TrimSpace(h.get(letters+"/export").is(200).body), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], `"stack":"at pay"`) {
			t.Errorf("export: %q", lines)
		}
		if got := h.get(letters + "/export?state=purged").is(200); got.body != "" || got.header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("export of nothing: %q %s", got.body, got.header.Get("Content-Type"))
		}
	})
}

func TestSummariesOfKeysLoseNothing(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"key_base64":"/w==","value":1}`, `{"key_base64":"/g==","value":2}`, `{"key":"","value":3}`, `{"value":4}`)
		got := map[string]int{}
		for _, b := range into[api.LetterSummary](h.get(letters + "/summary?by=key").is(200)).Items {
			switch {
			case b.ValueBase64 != nil && b.Value == nil:
				got["base64 "+*b.ValueBase64] += b.Count
				if n := h.letters("?key_base64=" + url.QueryEscape(*b.ValueBase64)).Total; n != b.Count {
					t.Errorf("the filter finds %d letters of %s", n, *b.ValueBase64)
				}
			case b.ValueBase64 == nil && b.Value != nil:
				got["text "+*b.Value] += b.Count
			case b.Value == nil:
				got["none"] += b.Count
			}
		}
		if diff := cmp.Diff(map[string]int{"base64 /w==": 1, "base64 /g==": 1, "text ": 1, "none": 1}, got); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}

func TestLettersAreFilteredAndPaged(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"key":"a","value":1}`, `{"key":"b","value":2}`, `{"key":"a","value":3}`)
		began := time.Now()
		time.Sleep(time.Minute)
		h.dead(`{"key":"","value":4}`)
		for query, want := range map[string]int{
			"?key=a": 2, "?key=": 1, "?key_base64=YQ==": 2, "?error=card+12": 4, "?error=nothing": 0, "?reason=rejected": 4, "?reason=ttl": 0, "?topic=jobs": 4, "?topic=other": 0,
			"?state=redriven": 0, "?since=-30s": 1, "?until=-30s": 3, "?fingerprint=" + url.QueryEscape("Refused: card <n> is no good"): 4,
			"?since=" + began.Add(time.Second).Format("2006-01-02T15:04:05Z"): 1,
		} {
			if got := h.letters(query); got.Total != want || len(got.Items) != want {
				t.Errorf("%s: %d of %d, want %d", query, len(got.Items), got.Total, want)
			}
		}
		page := h.letters("?limit=3")
		if len(page.Items) != 3 || page.Total != 4 || page.NextCursor == "" {
			t.Fatalf("%+v", page)
		}
		h.get(letters + "?state=open&cursor=" + page.NextCursor).is(200)
		if rest := h.letters("?limit=3&cursor=" + page.NextCursor); len(rest.Items) != 1 || rest.NextCursor != "" {
			t.Errorf("%+v", rest)
		}
		h.get(letters+"?key=a&cursor="+page.NextCursor).problem(400, api.InvalidRequest)
		for _, bad := range []string{"?state=dead", "?reason=bored", "?since=yesterday", "?until=-1", "?key_base64=*", "?key=a&key_base64=YQ==", "?limit=0", "?limit=1001", "?x=1", "/summary?by=colour", "/export?limit=3"} {
			h.get(letters+bad).problem(400, api.InvalidRequest)
		}
		h.get("/v1/groups/none/dead-letters").problem(404, api.GroupNotFound)
		h.get(letters+"/1-1").problem(404, api.DeadLetterNotFound)
		h.put("/v1/groups/stream", `{"kind":"ordered"}`).is(201)
		h.get("/v1/groups/stream/dead-letters").problem(409, api.GroupKindMismatch)
	})
}

func TestOneLetterIsRedriven(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"key":"k","value":{"bad":true},"headers":{"a":"1"}}`)
		id := h.letters("").Items[0].ID
		for body, code := range map[string]api.Code{
			`{"to":"moon"}`: api.InvalidRequest, `{"value":1,"text":"x"}`: api.InvalidRequest, `{"key":"x"}`: api.InvalidRequest, `{"headers":{"holt-x":"1"}}`: api.InvalidRequest,
			`{"delay":"400d"}`: api.InvalidRequest, `[]`: api.InvalidRequest, `{"value":"` + strings.Repeat("x", 1<<20) + `"}`: api.RecordTooLarge,
		} {
			status := 400
			if code == api.RecordTooLarge {
				status = 413
			}
			h.post(letters+"/"+id+"/redrive", body).problem(status, code)
		}
		got := into[api.Redriven](h.post(letters+"/"+id+"/redrive", `{"value":{"bad":false},"headers":{"B":"2"},"delay":"1s"}`).is(200))
		if diff := cmp.Diff(api.Redriven{ID: id, State: "redriven", Redrives: 1, To: "group", Topic: "jobs"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if l := h.letters("?state=redriven").Items[0]; !l.Pending || l.Redrives != 1 || string(l.Value.Value) != `{"bad":true}` {
			t.Errorf("%+v", l)
		}
		h.post(letters+"/"+id+"/redrive", ``).problem(404, api.DeadLetterNotFound)
		l := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"wait":"5s"}`).is(200)).Records[0]
		if string(l.Value.Value) != `{"bad":false}` || l.Attempt != 1 || l.Deliveries != 2 || l.Headers["b"] != "2" || l.Headers["a"] != "" || *l.Key != "k" {
			t.Errorf("%+v", l)
		}
		h.post("/v1/groups/g/reject", fmt.Sprintf(`{"receipt":%q}`, l.Receipt)).is(200)
		got = into[api.Redriven](h.post(letters+"/"+id+"/redrive", `{"to":"topic"}`).is(200))
		if got.Redrives != 2 || got.Offset != 1 || got.To != "topic" {
			t.Errorf("%+v", got)
		}
		h.dead(`{"value":2}`)
		id = h.letters("").Items[0].ID
		a := h.post(letters+"/"+id+"/redrive", `{"to":"topic","delay":"1h"}`).is(200)
		if got = into[api.Redriven](a); got.Scheduled == nil || got.Scheduled.ID == "" || strings.Contains(a.body, "partition") || strings.Contains(a.body, "offset") {
			t.Errorf("what is not due yet has no place: %s", a.body)
		}
	})
}

// A group may read the letters of another: what dies there comes back with the headers of the letter that it was.
func TestALetterThatDiesAsARecordIsRedrivenWhole(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"value":1,"headers":{"a":"1"}}`)
		h.call("PUT", "/v1/groups/second", `{"topics":["g.dlq"]}`).is(201)
		lease := func() api.LeasedRecord {
			return into[api.LeaseResponse](h.post("/v1/groups/second/lease", `{"wait":"5s"}`).is(200)).Records[0]
		}
		first := lease()
		h.post("/v1/groups/second/reject", fmt.Sprintf(`{"receipt":%q,"error":"two"}`, first.Receipt)).is(200)
		l := into[api.LetterList](h.get("/v1/groups/second/dead-letters").is(200)).Items[0]
		if diff := cmp.Diff(first.Headers, l.Headers); diff != "" || first.Headers["holt-dl-group"] != "g" || l.Error != "two" {
			t.Errorf("the letter (−want +got):\n%s", diff)
		}
		h.post("/v1/groups/second/dead-letters/"+l.ID+"/redrive", `{"value":2}`).is(200)
		again := lease()
		if diff := cmp.Diff(first.Headers, again.Headers); diff != "" || string(again.Value.Value) != "2" {
			t.Errorf("the record again (−want +got):\n%s", diff)
		}
		h.post("/v1/groups/second/reject", fmt.Sprintf(`{"receipt":%q}`, again.Receipt)).is(200)
		h.post("/v1/groups/second/dead-letters/"+l.ID+"/redrive", `{"to":"topic"}`).is(200)
		if fresh := lease(); len(fresh.Headers) != 1 || fresh.Headers["a"] != "1" {
			t.Errorf("published afresh: %v", fresh.Headers)
		}
	})
}

func TestLettersAreRedrivenByAJob(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"value":1}`, `{"value":2}`, `{"value":3}`)
		for _, bad := range []string{``, `{}`, `{"ramp":true}`, `{"all":false}`, `{"state":"open"}`, `{"all":true,"rate":-1}`, `{"all":true,"to":"x"}`, `{"all":true,"stop_on_redeath":2}`, `{"ids":"x"}`, `{"all":true,"limit":0}`, `{"all":true,"x":1}`} {
			h.post(letters+"/redrive", bad).problem(400, api.InvalidRequest)
			h.post(letters+"/redrive", strings.Replace(bad, "{", `{"dry_run":true,`, 1)).problem(400, api.InvalidRequest)
		}
		dry := into[api.RedrivePreview](h.post(letters+"/redrive", `{"all":true,"dry_run":true}`).is(200))
		if dry.Matched != 3 || len(dry.Samples) != 3 {
			t.Errorf("%+v", dry)
		}
		a := h.post(letters+"/redrive", `{"reason":"rejected","limit":2}`).is(202)
		j := into[api.Redrive](a)
		if a.header.Get("Location") != "/v1/redrives/"+j.ID || j.Matched != 2 || string(j.Filter) != `{"limit":2,"reason":"rejected"}` {
			t.Errorf("%+v", j)
		}
		j = into[api.Redrive](h.get("/v1/redrives/" + j.ID + "?wait=10s").is(200))
		if j.State != "done" || j.Redriven != 2 || j.FinishedAt == nil {
			t.Errorf("%+v", j)
		}
		slow := into[api.Redrive](h.post(letters+"/redrive", `{"all":true,"rate":0.01}`).is(202))
		synctest.Wait()
		if list := into[api.RedriveList](h.get("/v1/redrives?limit=1").is(200)); len(list.Items) != 1 || list.Items[0].ID != slow.ID || list.NextCursor == "" {
			t.Errorf("%+v", list)
		} else if list = into[api.RedriveList](h.get("/v1/redrives?cursor=" + list.NextCursor).is(200)); len(list.Items) != 1 || list.Items[0].ID != j.ID {
			t.Errorf("%+v", list)
		}
		h.call("DELETE", "/v1/redrives/"+slow.ID, "").is(204)
		h.call("DELETE", "/v1/redrives/none", "").problem(404, api.RedriveNotFound)
		h.get("/v1/redrives/none").problem(404, api.RedriveNotFound)
	})
}

func TestLettersArePurged(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"value":1}`, `{"value":2}`, `{"value":3}`)
		ids := h.letters("").Items
		h.call("DELETE", letters+"/"+ids[0].ID, "").is(204)
		h.call("DELETE", letters+"/"+ids[0].ID, "").problem(404, api.DeadLetterNotFound)
		h.post(letters+"/purge", `{}`).problem(400, api.InvalidRequest)
		h.post(letters+"/purge", `{"all":true,"ramp":true}`).problem(400, api.InvalidRequest)
		for body, want := range map[string]string{`{"all":true,"dry_run":true}`: `{"purged":2}`, fmt.Sprintf(`{"ids":[%q,%q]}`, ids[0].ID, ids[1].ID): `{"purged":1}`} {
			if got := strings.TrimSpace(h.post(letters+"/purge", body).is(200).body); !strings.Contains(body, "dry_run") && got != want {
				t.Errorf("%s: %s", body, got)
			}
		}
		if got := h.letters("?state=purged"); got.Total != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// What is not known is refused, whatever its value: a null is no way around.
func TestUnknownFieldsOfAChoice(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"value":1}`)
		for path, body := range map[string]string{
			"/purge":   `{"all":true,"colour":null}`,
			"/redrive": `{"all":true,"colour":null}`,
		} {
			h.post(letters+path, body).problem(400, api.InvalidRequest)
		}
		h.post(letters+"/purge", `{"all":true,"rate":null}`).problem(400, api.InvalidRequest)
		if n := h.letters("").Total; n != 1 {
			t.Fatalf("%d letters are open", n)
		}
		h.post(letters+"/redrive", `{"all":true,"rate":null,"reason":null,"ids":null}`).is(202)
	})
}

// leftLetters are dead letters whose redrive is still at work on the edit when its caller has left.
type leftLetters struct {
	DeadLetters
	edit dlq.Edit
}

func (l *leftLetters) Redrive(_ context.Context, _, _ string, e dlq.Edit) (dlq.Redriven, error) {
	l.edit = e
	return dlq.Redriven{}, context.Canceled
}

// TestEditStaysWhileItIsWritten: the edit of a redrive whose client left may wait for its commit still, so that no other request may have its memory.
func TestEditStaysWhileItIsWritten(t *testing.T) {
	inBubble(t, func(h *house) {
		left := &leftLetters{DeadLetters: h.cfg.DeadLetters}
		h.cfg.DeadLetters = left
		defer func() { h.cfg.DeadLetters = left.DeadLetters }()
		h.post(letters+"/x/redrive", `{"text":"the edited value","headers":{"h1":"v1"}}`)
		for range 4 {
			h.publish("jobs", `{"text":"something different","headers":{"h2":"v2"}}`)
			h.post("/v1/groups/g/ack", `{"receipt":"`+strings.Repeat("x", 100)+`"}`)
		}
		want := dlq.Edit{Value: []byte("the edited value"), SetValue: true, Headers: []record.Header{{Name: "h1", Value: []byte("v1")}}, SetHeaders: true}
		if diff := cmp.Diff(want, left.edit); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
