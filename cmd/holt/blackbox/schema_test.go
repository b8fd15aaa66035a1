package blackbox_test

import (
	"fmt"
	"strings"
	"testing"
)

func schemaTopic(c client, compatibility string) string {
	return c.makeTopic(unique("orders"), obj{"partitions": 1, "schema": obj{
		"type": "object", "required": list{"id"}, "properties": obj{"id": obj{"type": "integer"}}, "additionalProperties": false,
	}, "schema_compatibility": compatibility})
}

func TestSchemaViolationsSayWhere(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := schemaTopic(c, "none")
	records := "/v1/topics/" + topic + "/records"
	for _, bad := range []struct {
		body    string
		record  int
		pointer string
	}{
		{`{"value":{"id":"x"}}`, 0, "/id"},
		{`{"records":[{"value":{"id":1}},{"value":{"id":1.5}}]}`, 1, "/id"},
		{`{"value":{}}`, 0, ""},
		{`{"text":"no JSON"}`, 0, ""},
		{`{"value_base64":"/wA="}`, 0, ""},
		{`{"value":{"id":1},"delay":"1h","headers":{"a":"b"}}`, -1, ""},
		{`{"value":{"id":"x"},"delay":"1h"}`, 0, "/id"},
		{`{"value":{"id":1,"id":2}}`, 0, ""},
		{`{"value":{"id":1e9999}}`, 0, ""},
		{`{"value":null}`, 0, ""},
		{`{"tombstone":true,"key":"k"}`, -1, ""},
	} {
		a := c.call("POST", records, bad.body, "Content-Type", "application/json")
		if bad.record < 0 {
			a.is(200)
			continue
		}
		a.problem(422, "schema_violation")
		v := a.object()["violation"].(map[string]any)
		if v["record"] != float64(bad.record) || v["pointer"] != bad.pointer || v["reason"] == "" || v["topic"] != topic {
			t.Errorf("%s: %v", bad.body, v)
		}
	}
	if n := len(c.readAll(topic, 0)); n != 1 {
		t.Errorf("%d records are stored, want the tombstone alone", n)
	}
	c.put("/v1/schedules/"+unique("s"), obj{"cron": "@daily", "topic": topic, "record": obj{"value": 1}}).problem(422, "schema_violation")
}

func TestSchemaRefusesWhatReachesOut(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for _, bad := range []any{
		obj{"$ref": "http://" + c.s.addr + "/v1/info"},
		obj{"$ref": "file:///etc/passwd"}, obj{"$schema": "http://example.com/x"}, obj{"pattern": "(a+)+(?=x)"},
		obj{"pattern": "((a{99}){99}){99}"}, obj{"type": "nonsense"}, 7, list{}, "x",
		obj{"description": strings.Repeat("x", 40_000)},
	} {
		c.put("/v1/topics/"+unique("t"), obj{"schema": bad}).problem(400, "invalid_config")
	}
	c.put("/v1/topics/"+unique("t"), obj{"schema_compatibility": "sideways"}).problem(400, "invalid_config")
}

func TestSchemaVersionsOverARestart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := newClient(t, s)
	topic := schemaTopic(c, "backward")
	c.publish(topic, obj{"value": obj{"id": 1}})
	c.put("/v1/topics/"+topic, obj{"schema": obj{"type": "object", "required": list{"id", "n"}}}).problem(400, "invalid_config")
	c.put("/v1/topics/"+topic, obj{"schema": obj{"type": "object", "required": list{"id"}}}).is(200)
	c.publish(topic, obj{"value": obj{"id": "any"}})
	s.crash(t)
	var got []string
	for _, r := range c.readAll(topic, 0) {
		got = append(got, r.Headers["holt-schema-version"])
	}
	if fmt.Sprint(got) != "[1 2]" {
		t.Errorf("versions %v", got)
	}
	if v := c.get("/v1/topics/" + topic + "/schema/versions/1").is(200).object(); v["version"] != 1.0 {
		t.Errorf("%v", v)
	}
	if a := c.get("/v1/topics/" + topic + "/schema/versions/1"); !strings.Contains(string(a.body), `"additionalProperties":false`) {
		t.Errorf("%s", a.body)
	}
	c.call("POST", "/v1/topics/"+topic+"/records", `{"value":{}}`, "Content-Type", "application/json").problem(422, "schema_violation")

	// A dead letter is exempt, and keeps the version.
	group := c.makeGroup("g", obj{"topics": list{topic}, "max_attempts": 1})
	var l leased
	c.post("/v1/groups/"+group+"/lease", obj{}).into(&l)
	c.post("/v1/groups/"+group+"/reject", obj{"receipt": l.Records[0].Receipt}).is(200)
	if r := c.readAll(group+".dlq", 0); len(r) != 1 || r[0].Headers["holt-schema-version"] != "1" {
		t.Errorf("letters %+v", r)
	}
}
