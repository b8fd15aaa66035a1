package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
)

const orderSchema = `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}},"additionalProperties":false}`

func (a answer) violation() api.Violation {
	a.t.Helper()
	p := a.problem(422, api.SchemaViolation)
	if p.Violation == nil {
		a.t.Fatalf("%s: no violation in %s", a.what, a.body)
	}
	return *p.Violation
}

// into decodes a 200.
func (a answer) into(v any) {
	a.t.Helper()
	a.is(200)
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
}

func TestSchemaIsCheckedAtPublish(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1,"schema":`+orderSchema+`}`).is(201)
		h.publish("t", `{"records":[{"value":{"id":1}},{"tombstone":true,"key":"k"}]}`).is(200)
		v := h.publish("t", `{"records":[{"value":{"id":2}},{"value":{"id":"3"}}]}`).violation()
		if v != (api.Violation{Topic: "t", Version: 1, Record: 1, Pointer: "/id", Reason: "got string, want integer"}) {
			t.Errorf("%+v", v)
		}
		for _, bad := range []string{`{"text":"no JSON"}`, `{"value_base64":"/wA="}`, `{"value":{"id":1,"id":1}}`, `{"value":7}`, `{"value":{"id":"1"},"delay":"1h"}`} {
			h.publish("t", bad).violation()
		}
		h.call("POST", "/v1/topics/t/records", `{"id":"x"}`, "Content-Type", "text/plain").violation()
		h.call("POST", "/v1/topics/t/records", `{"id":4}`, "Content-Type", "text/plain").is(200)
		a := h.get("/v1/topics/t/partitions/0/records")
		a.is(200)
		if n := strings.Count(a.body, `"offset"`); n != 3 {
			t.Errorf("%d records: %s", n, a.body)
		}
		if n := strings.Count(a.body, `"holt-schema-version":"1"`); n != 2 {
			t.Errorf("%d records name their version: %s", n, a.body)
		}
	})
}

// A refused settle settles nothing and makes no topic.
func TestSchemaIsCheckedAtSettle(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/out", `{"schema":`+orderSchema+`}`).is(201)
		h.publish("in", `{"value":1}`).is(200)
		var leased api.LeaseResponse
		h.post("/v1/groups/g/lease", `{"topics":["in"]}`).into(&leased)
		receipt := leased.Records[0].Receipt
		v := h.call("POST", "/v1/groups/g/settle", `{"ack":["`+receipt+`"],"publish":[{"topic":"new","records":[{"value":1}]},{"topic":"out","records":[{"value":{"id":1}},{"value":{}}]}]}`).violation()
		if v.Topic != "out" || v.Record != 1 || v.Pointer != "" {
			t.Errorf("%+v", v)
		}
		h.get("/v1/topics/new").problem(404, api.TopicNotFound)
		h.call("POST", "/v1/groups/g/settle", `{"ack":["`+receipt+`"],"publish":[{"topic":"out","records":[{"value":{"id":1}}]}]}`).is(200)
	})
}

func TestSchemaOfDelayedAndRecurringRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1,"schema":`+orderSchema+`}`).is(201)
		h.publish("t", `{"value":{"id":1},"delay":"1h"}`).is(200)
		h.put("/v1/schedules/s", `{"cron":"0 * * * *","topic":"t","record":{"value":{"id":"x"}}}`).violation()
		h.put("/v1/schedules/s", `{"cron":"0 * * * *","topic":"t","record":{"value":{"id":7}}}`).is(201)
		h.put("/v1/topics/t", `{"schema":{"type":"object","required":["no"]}}`).problem(400, api.InvalidConfig) // the schedule's is none of it
		h.put("/v1/topics/t", `{"schema":{"type":"object","maxProperties":1,"properties":{"id":{"minimum":5}}}}`).is(200)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		a := h.get("/v1/topics/t/partitions/0/records")
		if !strings.Contains(a.body, `"headers":{"holt-schema-version":"1"},"value":{"id":1}`) || !strings.Contains(a.body, `"headers":{"holt-schema-version":"2"},"value":{"id":7}`) {
			t.Errorf("what was checked when it was published comes, with the version of then: %s", a.body)
		}
	})
}

func TestSchemaVersions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{}`).is(201)
		h.get("/v1/topics/t/schema").problem(404, api.NotFound)
		h.get("/v1/topics/none/schema").problem(404, api.TopicNotFound)
		h.put("/v1/topics/t", `{"schema": `+orderSchema+`,"schema_compatibility":"backward"}`).is(200)
		h.put("/v1/topics/t", `{"schema":  {"type":"object", "required":["id"],"properties":{"id":{"type":"integer"}},"additionalProperties":false}}`).is(200) // but for white space
		h.put("/v1/topics/t", `{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"n":{"type":"integer"}},"additionalProperties":false}}`).is(200)
		a := h.put("/v1/topics/t", `{"schema":{"type":"object","required":["id","n"],"properties":{"id":{"type":"integer"},"n":{"type":"integer"}},"additionalProperties":false}}`)
		a.problem(400, api.InvalidConfig)
		if !strings.Contains(a.body, "is required on one side only") {
			t.Error(a.body)
		}
		h.put("/v1/topics/t", `{"schema":null}`).is(200) // everything is allowed: backward
		h.get("/v1/topics/t/schema").problem(404, api.NotFound)
		h.publish("t", `{"text":"anything"}`).is(200)
		h.put("/v1/topics/t", `{"schema":`+orderSchema+`}`).problem(400, api.InvalidConfig) // the newest there was counts
		h.put("/v1/topics/t", `{"schema":`+orderSchema+`,"schema_compatibility":"none"}`).is(200)

		var list api.SchemaVersionList
		h.get("/v1/topics/t/schema/versions?limit=2").into(&list)
		if len(list.Items) != 2 || list.Items[0].Version != 1 || string(list.Items[0].Schema) != orderSchema || list.Items[0].Compatibility != "backward" || list.NextCursor == "" {
			t.Errorf("%+v", list)
		}
		cursor := list.NextCursor
		list = api.SchemaVersionList{}
		h.get("/v1/topics/t/schema/versions?cursor=" + cursor).into(&list)
		if len(list.Items) != 1 || list.Items[0].Version != 3 || list.NextCursor != "" {
			t.Errorf("%+v", list)
		}
		h.get("/v1/topics/u/schema/versions?cursor="+cursor).problem(400, api.InvalidRequest)
		var v api.SchemaVersion
		h.get("/v1/topics/t/schema").into(&v)
		if v.Version != 3 || time.Time(v.CreatedAt).IsZero() {
			t.Errorf("%+v", v)
		}
		h.get("/v1/topics/t/schema/versions/2").is(200)
		for _, bad := range []string{"0", "-1", "x", "1.5"} {
			h.get("/v1/topics/t/schema/versions/"+bad).problem(400, api.InvalidRequest)
		}
		h.get("/v1/topics/t/schema/versions/4").problem(404, api.NotFound)

		h.call("DELETE", "/v1/topics/t", "").is(204)
		synctest.Wait()
		h.put("/v1/topics/t", `{}`).is(201)
		h.get("/v1/topics/t/schema/versions/1").problem(404, api.NotFound) // nothing of the old topic shows
	})
}

func TestSchemaCheckChangesNothing(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"schema":`+orderSchema+`,"schema_compatibility":"full"}`).is(201)
		h.put("/v1/topics/bare", `{}`).is(201)
		check := func(topic, body string) (out api.SchemaCheckResponse) {
			h.call("POST", "/v1/topics/"+topic+"/schema/check", body).into(&out)
			return out
		}
		if out := check("t", `{"values":[{"id":1},{"id":"1"},7]}`); out.Accepted || len(out.Violations) != 2 || out.Violations[0].Pointer != "/id" || out.Violations[1].Record != 2 {
			t.Errorf("%+v", out)
		}
		if out := check("t", `{"schema":true}`); out.Accepted || !strings.Contains(out.Reason, "forward") && !strings.Contains(out.Reason, "full") {
			t.Errorf("%+v", out)
		}
		if out := check("t", `{"schema":true,"schema_compatibility":"none","values":[1]}`); !out.Accepted {
			t.Errorf("%+v", out)
		}
		if out := check("bare", `{"schema":{"type":"x"}}`); out.Accepted || out.Reason == "" {
			t.Errorf("%+v", out)
		}
		if out := check("bare", `{}`); !out.Accepted {
			t.Errorf("%+v", out)
		}
		h.call("POST", "/v1/topics/bare/schema/check", `{"values":[1]}`).problem(404, api.NotFound)
		h.call("POST", "/v1/topics/t/schema/check", `{"schema_compatibility":"x"}`).problem(400, api.InvalidRequest)
		h.call("POST", "/v1/topics/t/schema/check", `{"value":1}`).problem(400, api.InvalidRequest)
		var v api.SchemaVersion
		h.get("/v1/topics/t/schema").into(&v)
		if v.Version != 1 {
			t.Errorf("%+v", v)
		}
	})
}
