package httpapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
)

func TestScheduledRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":2,"priorities":2}`).is(201)
		path := "/v1/topics/t/scheduled"
		if got := h.get(path).is(200).body; got != "{\"items\":[],\"total\":0}\n" {
			t.Errorf("nothing scheduled: %s", got)
		}
		due := time.Now().Add(time.Hour).UTC().Format(api.TimeFormat)
		ids := []string{}
		for _, r := range into[api.PublishResponse](h.publish("t", `{"records":[
			{"value":{"n" : 1},"delay":"1h","key":"k","headers":{"a":"b"},"priority":1,"id":"own"},
			{"text":"x","delay":"1h","partition":3,"key_base64":"/w==","ttl":"1m"},
			{"tombstone":true,"delay":"1h"}]}`).is(200)).Records {
			ids = append(ids, r.Scheduled.ID)
		}
		item := func(i int, rest string) string { return fmt.Sprintf(`{"id":%q,"deliver_at":%q,%s}`, ids[i], due, rest) }
		want := `{"items":[` + item(0, `"key":"k","headers":{"a":"b"},"value":{"n" : 1},"priority":1`) + "," + item(1, `"key_base64":"/w==","text":"x","partition":3`) + "," + item(2, `"tombstone":true`) + "],\"total\":3}\n"
		if got := h.get(path).is(200).body; got != want {
			t.Errorf("scheduled:\n%s, want\n%s", got, want)
		}
		if got := h.get("/metrics").is(200).body; !strings.Contains(got, "\nholt_topic_scheduled{topic=\"t\"} 3\n") {
			t.Error("the metrics do not tell of 3 scheduled records")
		}
		if got := h.get(path + "?encoding=base64").is(200).body; !strings.Contains(got, `"value_base64":"eyJuIiA6IDF9"`) {
			t.Errorf("as base64: %s", got)
		}
		h.call("DELETE", path+"/"+ids[1], "").is(204)
		h.call("DELETE", path+"/"+ids[1], "").problem(404, api.RecordNotFound)
		for _, id := range []string{"zzz", "-1", "%2e%2e", "a%2Fb", strings.Repeat("9", 300)} {
			h.call("DELETE", path+"/"+id, "").problem(404, api.RecordNotFound)
		}
		h.call("DELETE", path+"/"+ids[0]+"?force=true", "").problem(400, api.InvalidRequest)
		h.call("DELETE", "/v1/topics/absent/scheduled/0", "").problem(404, api.TopicNotFound)
		h.post(path+"/"+ids[1]+"/run", "").problem(404, api.RecordNotFound)
		h.post("/v1/topics/absent/scheduled/0/run", "").problem(404, api.TopicNotFound)
		h.post(path+"/"+ids[0]+"/run?force=true", "").problem(400, api.InvalidRequest)
		h.post(path+"/"+ids[0]+"/run", `{"at":"now"}`).problem(400, api.InvalidRequest)
		h.get("/v1/topics/absent/scheduled").problem(404, api.TopicNotFound)
		if got := into[api.ScheduledList](h.get(path)).Items; len(got) != 2 || got[0].ID != ids[0] || got[1].ID != ids[2] {
			t.Errorf("after a cancellation: %+v", got)
		}
		time.Sleep(61 * time.Minute)
		if got := into[api.ScheduledList](h.get(path)).Items; len(got) != 0 || h.ends("t") != 2 {
			t.Errorf("when they were due: %+v, %d records", got, h.ends("t"))
		}
		h.call("DELETE", path+"/"+ids[0], "").problem(404, api.RecordNotFound)
	})
}

func TestScheduledRunsNow(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":2,"dedupe_window":"1h"}`).is(201)
		path := "/v1/topics/t/scheduled/"
		r := into[api.PublishResponse](h.publish("t", `{"records":[{"value":{"n" : 1},"delay":"1h","key":"k","headers":{"a":"b"},"partition":1,"id":"own"},{"text":"x","delay":"1h"}]}`).is(200)).Records
		now := time.Now().UTC().Format(api.TimeFormat)
		a := h.post(path+r[0].Scheduled.ID+"/run", "").is(200)
		if want := fmt.Sprintf(`{"partition":1,"offset":0,"timestamp":%q}`+"\n", now); a.body != want {
			t.Errorf("run: %s, want %s", a.body, want)
		}
		if got := h.get("/v1/topics/t/partitions/1/records/0").is(200).body; !strings.Contains(got, `"key":"k","headers":{"a":"b"},"value":{"n" : 1}`) {
			t.Errorf("its record: %s", got)
		}
		h.post(path+r[0].Scheduled.ID+"/run", "{}").problem(404, api.RecordNotFound)
		h.call("DELETE", path+r[0].Scheduled.ID, "").problem(404, api.RecordNotFound)
		if again := into[api.PublishResponse](h.publish("t", `{"value":2,"id":"own"}`).is(200)).Records[0]; !again.Duplicate || again.Partition != 1 {
			t.Errorf("its id afterwards: %+v", again)
		}
		time.Sleep(2 * time.Hour)
		if h.ends("t") != 2 {
			t.Errorf("%d records, 2 were published", h.ends("t"))
		}
	})
}

func TestScheduledPages(t *testing.T) {
	inBubbleWith(t, queue.Config{Limits: queue.Limits{MaxBytes: 20 << 10}}, Config{}, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/topics/u", `{"partitions":1}`).is(201)
		var want []string
		for i := range 50 {
			want = append(want, fmt.Sprint(i))
			h.publish("t", fmt.Sprintf(`{"key":"%d","delay":"1h","text":%q}`, i, strings.Repeat("x", 1000))).is(200)
		}
		for _, limit := range []int{1, 7, 16, 50, 1000} {
			var got []string
			for cursor, pages := "", 0; pages < 60; pages++ {
				a := h.get(fmt.Sprintf("/v1/topics/t/scheduled?limit=%d%s", limit, cursor)).is(200)
				list := into[api.ScheduledList](a)
				if len(list.Items) > limit || len(a.body) > 40<<10 {
					t.Errorf("by %d: a page of %d items, %d bytes", limit, len(list.Items), len(a.body))
				}
				for _, item := range list.Items {
					got = append(got, *item.Key)
				}
				if list.NextCursor == "" {
					break
				}
				cursor = "&cursor=" + list.NextCursor
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("by %d:\n%s", limit, d)
			}
		}
		cursor := into[api.ScheduledList](h.get("/v1/topics/t/scheduled?limit=2")).NextCursor
		for _, bad := range []string{
			"t/scheduled?limit=0", "t/scheduled?cursor=x", "t/scheduled?cursor=", "u/scheduled?cursor=" + cursor, "t/scheduled?cursor=" + cursorOf("topics/t/scheduled", "!"), "t/scheduled?state=x", "t/scheduled?encoding=x",
		} {
			h.get("/v1/topics/"+bad).problem(400, api.InvalidRequest)
		}
	})
}

func TestSchedules(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		path, now := "/v1/schedules/s", time.Now().UTC()
		a := h.put(path, `{"cron":"*/5 * * * *","zone":"Europe/Paris","topic":"t","record":{"value":{"n" : 1},"key":"k","headers":{"B":"2","a":"1"},"ttl":"1h"}}`).is(201)
		want := fmt.Sprintf(`{"name":"s","cron":"*/5 * * * *","zone":"Europe/Paris","topic":"t","record":{"key":"k","headers":{"b":"2","a":"1"},"value":{"n" : 1},"ttl":"1h"},"catch_up":"one","created_at":%q,"next_at":%q}`+"\n",
			now.Format(api.TimeFormat), now.Add(5*time.Minute).Format(api.TimeFormat))
		if a.body != want || a.header.Get("Location") != path || a.header.Get("ETag") == "" {
			t.Errorf("created: %s, want %s; %v", a.body, want, a.header)
		}
		if got := h.get(path).is(200); got.body != want || got.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("then: %s", got.body)
		}
		time.Sleep(5*time.Minute + time.Second)
		if got := into[api.Schedule](h.get(path)); got.LastAt == nil || !time.Time(*got.LastAt).Equal(now.Add(5*time.Minute)) || h.ends("t") != 1 {
			t.Errorf("after a firing: %+v, %d records", got, h.ends("t"))
		}
		if got := h.get("/v1/topics/t/partitions/0/records/0").is(200).body; !strings.Contains(got, `"key":"k","headers":{"b":"2","a":"1"},"value":{"n" : 1}`) {
			t.Errorf("fired: %s", got)
		}
		before := h.get(path)
		h.put(path, before.body).is(200)
		if d := cmp.Diff(into[any](before), into[any](h.get(path))); d != "" {
			t.Errorf("put back:\n%s", d)
		}
		h.call("PUT", path, `{}`, "If-None-Match", "*").problem(412, api.PreconditionFailed)
		h.call("DELETE", path, "", "If-Match", `"x"`).problem(412, api.PreconditionFailed)
		h.call("DELETE", path, "").is(204)
		h.get(path).problem(404, api.ScheduleNotFound)
		h.call("DELETE", path, "").problem(404, api.ScheduleNotFound)
		for i := range 5 {
			h.put(fmt.Sprintf("/v1/schedules/x%d", i), `{"cron":"@daily","topic":"t","record":{"value":1}}`).is(201)
		}
		for limit := 1; limit <= 6; limit++ {
			if got := h.walk("/v1/schedules", limit); got != "x0 x1 x2 x3 x4" {
				t.Errorf("by %d: %s", limit, got)
			}
		}
		h.get("/v1/schedules?cursor="+cursorOf("schedules", "a/b")).problem(400, api.InvalidRequest)
	})
}

func TestSchedulesMerge(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":2,"priorities":2}`).is(201)
		change := func(body string) string {
			t.Helper()
			a := h.put("/v1/schedules/s", `{"record":`+body+`}`).is(200).body
			_, a, _ = strings.Cut(a, `"record":`)
			a, _, _ = strings.Cut(a, `,"catch_up"`)
			return a
		}
		h.put("/v1/schedules/s", `{"cron":"@daily","topic":"t","record":{"value":1,"key":"k","headers":{"a":"1","b":"2"},"ttl":"1h","priority":1}}`).is(201)
		for _, tt := range []struct{ body, want string }{
			{`{}`, `{"key":"k","headers":{"a":"1","b":"2"},"value":1,"ttl":"1h","priority":1}`},
			{`{"text":"x","headers":{"A":null,"c":"3"}}`, `{"key":"k","headers":{"b":"2","c":"3"},"text":"x","ttl":"1h","priority":1}`},
			{`{"key":null,"headers":null,"ttl":null,"priority":null,"partition":3}`, `{"text":"x","partition":3}`},
			{`{"key_base64":"/w==","value":null,"headers_base64":{"z":"/w=="},"partition":null}`, `{"key_base64":"/w==","headers_base64":{"z":"/w=="},"value":null}`},
			{`{"tombstone":true,"key":""}`, `{"key":"","headers_base64":{"z":"/w=="},"tombstone":true}`},
			{`{"value_base64":"","tombstone":false}`, `{"key":"","headers_base64":{"z":"/w=="},"text":""}`},
		} {
			if got := change(tt.body); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
			}
		}
		big := `{"value":"` + strings.Repeat("x", 30<<10) + `"}`
		change(big)
		for range 20 { // buffers are used again: nothing of a schedule points into them
			h.publish("t", `{"value":"`+strings.Repeat("y", 30<<10)+`"}`).is(200)
		}
		if got := h.get("/v1/schedules/s").body; !strings.Contains(got, strings.Repeat("x", 30<<10)) {
			t.Errorf("a schedule's record changed: %.200s", got)
		}
		h.put("/v1/schedules/s", `{"zone":"Asia/Tokyo","catch_up":"none"}`).is(200)
		if got := into[api.Schedule](h.put("/v1/schedules/s", `{"zone":null,"catch_up":null}`).is(200)); got.Zone != "" || got.CatchUp != "one" {
			t.Errorf("after null: %+v", got)
		}
	})
}

func TestBadSchedules(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		good := `"cron":"@daily","topic":"t","record":{"value":1}`
		for _, bad := range []string{
			``, `{"cron":"@daily","topic":"t"}`, `{"cron":"@daily","topic":"t","record":{}}`, `{"cron":"@daily","topic":"t","record":{"key":"k"}}`, `{"topic":"t","record":{"value":1}}`, `{"cron":"@daily","record":{"value":1}}`,
			`{"cron":"x","topic":"t","record":{"value":1}}`, `{"cron":5,"topic":"t","record":{"value":1}}`, `{` + good + `,"zone":"Mars/Olympus"}`, `{` + good + `,"catch_up":"all"}`,
			`{"cron":"@daily","topic":"t","record":{"value":1,"text":"x"}}`, `{"cron":"@daily","topic":"t","record":{"value":1,"key":"k","key_base64":"aw=="}}`, `{"cron":"@daily","topic":"t","record":{"value":1,"ttl":"0s"}}`,
			`{"cron":"@daily","topic":"t","record":{"value":1,"headers":{"holt-x":"1"}}}`, `{"cron":"@daily","topic":"t","record":{"value":1,"headers":{"a":"1","A":"2"}}}`, `{"cron":"@daily","topic":"t","record":{"value":1,"priority":10}}`,
			`{"cron":"@daily","topic":"t","record":{"value":1,"headers":{"a":"1"},"headers_base64":{"a":"MQ=="}}}`,
		} {
			h.put("/v1/schedules/s", bad).problem(400, api.InvalidConfig)
		}
		for _, bad := range []string{
			`{`, `[]`, `{"colour":1,` + good + `}`, `{"cron":"@daily","topic":"t","record":{"value":1,"delay":"1h"}}`, `{"cron":"@daily","topic":"t","record":{"value":1,"id":"x"}}`, `{"cron":"@daily","cron":"@daily"}`,
		} {
			h.put("/v1/schedules/s", bad).problem(400, api.InvalidRequest)
		}
		h.put("/v1/schedules/s?force=true", `{`+good+`}`).problem(400, api.InvalidRequest)
		h.put("/v1/schedules/__s", `{`+good+`}`).problem(400, api.InvalidRequest)
		h.put("/v1/schedules/a%2Fb", `{`+good+`}`).problem(400, api.InvalidRequest)
		h.put("/v1/schedules/s", `{"cron":"@daily","topic":"absent","record":{"value":1}}`).problem(404, api.TopicNotFound)
		h.put("/v1/schedules/s", `{"cron":"@daily","topic":"t","record":{"value":1,"partition":9}}`).problem(404, api.PartitionNotFound)
		h.put("/v1/schedules/s", `{"cron":"@daily","topic":"t","record":{"text":"`+strings.Repeat("x", 1<<20+1)+`"}}`).problem(413, api.RecordTooLarge)
		h.get("/v1/schedules/s").problem(404, api.ScheduleNotFound)
		if got := h.get("/v1/schedules").is(200).body; got != "{\"items\":[]}\n" {
			t.Errorf("after refused calls: %s", got)
		}
	})
}

// FuzzSchedule: a body that is taken leaves a schedule whose own answer puts the same schedule back.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte(`{"cron":"@daily","zone":"UTC","topic":"t","record":{"value": {"a":1e5},"key":"k","headers":{"a":"1"},"headers_base64":{"b":"/w=="},"ttl":"1h","priority":1}}`))
	f.Add([]byte(`{"config":{"record":{"tombstone":true,"key_base64":"/w==","partition":3}},"catch_up":"none"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, again queue.ScheduleConfig
		if valued, err := mergeSchedule(&got, body); err != nil || !valued {
			return
		}
		e := encoder{}
		e.appendSchedule(&queue.ScheduleInfo{Config: got, CreatedAt: time.Unix(0, 0)})
		if _, err := mergeSchedule(&again, e.b); err != nil {
			t.Fatalf("%q, answered as %q: %v", body, e.b, err)
		}
		for _, c := range []*queue.ScheduleConfig{&got, &again} {
			slices.SortFunc(c.Record.Headers, func(a, b record.Header) int { return strings.Compare(a.Name, b.Name) }) // text comes before bytes
			if len(c.Record.Headers) == 0 {
				c.Record.Headers = nil
			}
		}
		if d := cmp.Diff(got, again); d != "" {
			t.Errorf("%q, answered as %q:\n%s", body, e.b, d)
		}
	})
}
