package blackbox_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sameDuration compares two durations however they are written; days count.
func sameDuration(a any, b string) bool {
	s, ok := a.(string)
	if !ok {
		return false
	}
	x, errX := parseDuration(s)
	y, errY := parseDuration(b)
	return errX == nil && errY == nil && x == y
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * float64(24*time.Hour)), err
	}
	return time.ParseDuration(s)
}

// sameConfig requires each field of want, durations as durations.
func sameConfig(t testing.TB, what string, got, want obj) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if object, ok := w.(obj); ok {
			inner, _ := g.(obj)
			sameConfig(t, what+"."+name, inner, object)
			continue
		}
		if s, ok := w.(string); ok && sameDuration(g, s) {
			continue
		}
		if !reflect.DeepEqual(g, jsonValue(w)) {
			t.Errorf("%s.%s is %v, want %v", what, name, g, w)
		}
	}
}

// jsonValue is what the value looks like after a round trip through JSON.
func jsonValue(v any) (out any) {
	data, _ := json.Marshal(v)
	json.Unmarshal(data, &out)
	return out
}

var topicDefaults = obj{
	"partitions": 4, "priorities": 1, "cleanup": "delete", "dedupe_window": "10m", "max_record_bytes": 1048576,
	"retention":   obj{"age": "168h", "bytes": 0, "keep_unsettled": true},
	"max_backlog": obj{"records": 0, "bytes": 0},
}

var groupDefaults = obj{
	"lease": "30s", "max_attempts": 5, "ordering": "none", "on_dead": "skip", "max_inflight": 10000,
	"backoff": obj{"initial": "1s", "multiplier": 2, "max": "10m", "jitter": 0.2},
	"rate":    obj{"per_second": 0, "burst": 0}, "key_concurrency": 0, "strict_leases": false,
	"dead_letter": obj{"enabled": true, "on_ttl": false}, "paused": false,
}

func TestTopicDefaults(t *testing.T) {
	t.Parallel()
	c := shared(t)
	name := c.makeTopic(unique("topic"), nil)
	v := c.topic(name)
	sameConfig(t, "config", configOf(t, v.Config), topicDefaults)
	if v.Name != name || len(v.Partitions) != 4 || len(v.Groups) != 0 || v.Groups == nil {
		t.Errorf("new topic %+v", v)
	}
	for i, p := range v.Partitions {
		if p.Partition != i || p.Lane == nil || *p.Lane != 0 || p.StartOffset != 0 || p.EndOffset != 0 || p.Bytes != 0 {
			t.Errorf("partition %d is %+v", i, p)
		}
	}
}

func TestGroupDefaults(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := c.makeTopic(unique("topic"), nil)
	name := c.makeGroup(unique("group"), obj{"topics": list{topic}})
	v := c.group(name)
	sameConfig(t, "config", configOf(t, v.Config), groupDefaults)
	if v.Name != name || v.Kind != "share" || len(v.Topics) != 1 || v.Topics[0] != topic || len(v.Partitions) != 4 || v.Totals != (totals{}) {
		t.Errorf("new group %+v", v)
	}
	letter, _ := configOf(t, v.Config)["dead_letter"].(obj)
	if letter["topic"] != name+".dlq" {
		t.Errorf("dead-letter topic is %v", letter["topic"])
	}
}

func TestPutMerges(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := unique("topic")
	path := "/v1/topics/" + topic
	config := func() obj { return configOf(t, c.topic(topic).Config) }
	c.put(path, obj{"partitions": 2, "retention": obj{"age": "1h"}}).is(201)
	sameConfig(t, "nested object", config(), obj{"partitions": 2, "retention": obj{"age": "1h", "bytes": 0, "keep_unsettled": true}})
	c.put(path, obj{"retention": obj{"bytes": 1000}}).is(200)
	sameConfig(t, "merged", config(), obj{"partitions": 2, "retention": obj{"age": "1h", "bytes": 1000, "keep_unsettled": true}})
	c.put(path, obj{"config": obj{"retention": obj{"keep_unsettled": false}}}).is(200)
	sameConfig(t, "under config", config(), obj{"retention": obj{"age": "1h", "bytes": 1000, "keep_unsettled": false}})
	c.put(path, obj{"retention": obj{"age": nil}}).is(200)
	sameConfig(t, "null in an object", config(), obj{"retention": obj{"age": "168h", "bytes": 1000}})
	c.put(path, obj{"retention": nil, "max_record_bytes": nil}).is(200)
	sameConfig(t, "null", config(), obj{"retention": topicDefaults["retention"], "max_record_bytes": 1048576, "partitions": 2})
}

func TestPutMergesGroups(t *testing.T) {
	t.Parallel()
	c := shared(t)
	a, b := c.makeTopic(unique("topic"), nil), c.makeTopic(unique("topic"), nil)
	group := c.makeGroup(unique("group"), obj{"topics": list{a}, "backoff": obj{"steps": list{"1s", "2s"}}, "lease": "10s"})
	path := "/v1/groups/" + group
	config := func() obj { return configOf(t, c.group(group).Config) }
	c.put(path, obj{"max_attempts": 9}).is(200)
	sameConfig(t, "left alone", config(), obj{"lease": "10s", "max_attempts": 9})
	if got := c.group(group).Topics; len(got) != 1 || got[0] != a {
		t.Errorf("topics %v after a change of something else", got)
	}
	c.put(path, obj{"topics": list{b}, "backoff": obj{"steps": list{"5s"}}}).is(200)
	if got := c.group(group).Topics; len(got) != 1 || got[0] != b {
		t.Errorf("topics %v, arrays replace", got)
	}
	backoff, _ := config()["backoff"].(obj)
	steps, _ := backoff["steps"].(list)
	if len(steps) != 1 || !sameDuration(steps[0], "5s") {
		t.Errorf("steps are %v, arrays replace", backoff)
	}
	c.put(path, obj{"backoff": nil, "lease": nil, "max_attempts": nil}).is(200)
	sameConfig(t, "null", config(), groupDefaults)
}

// What GET answers can be PUT back, and makes the same again.
func TestGetCanBePutBack(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := unique("topic")
	c.put("/v1/topics/"+topic, obj{"partitions": 3, "retention": obj{"age": "2h"}}).is(201)
	group := unique("group")
	c.put("/v1/groups/"+group, obj{"topics": list{topic}, "lease": "7s", "max_attempts": 2, "start": "latest", "pin": false}).is(201)
	c.publish(topic, obj{"value": 1})
	for _, path := range []string{"/v1/groups/" + group, "/v1/topics/" + topic} {
		before := c.get(path).is(200)
		c.put(path, before.body).is(200)
		after := c.get(path)
		if !reflect.DeepEqual(before.object(), after.object()) {
			t.Errorf("%s put back: %s, was %s", path, after.body, before.body)
		}
	}
	for _, path := range []string{"/v1/groups/" + group, "/v1/topics/" + topic} {
		before := c.get(path).is(200)
		c.delete(path).is(204)
		if path == "/v1/groups/"+group {
			c.put(path, before.body).is(201)
			sameConfig(t, "group", configOf(t, c.group(group).Config), before.object()["config"].(obj))
			c.delete(path).is(204)
			continue
		}
		c.put(path, before.body).is(201)
		sameConfig(t, "topic", configOf(t, c.topic(topic).Config), before.object()["config"].(obj))
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for kind, change := range map[string]obj{"topics": {"max_record_bytes": 1000}, "groups": {"max_attempts": 3}} {
		path := "/v1/" + kind + "/" + unique("tagged")
		c.put(path, nil, "If-Match", `"x"`).problem(412, "precondition_failed")
		c.put(path, nil, "If-Match", "*").problem(412, "precondition_failed")
		c.get(path).is(404)
		c.put(path, nil, "If-None-Match", "*").is(201)
		c.put(path, change, "If-None-Match", "*").problem(412, "precondition_failed")
		first := c.get(path).is(200).header.Get("ETag")
		if !strings.HasSuffix(first, `"`) {
			t.Fatalf("ETag of %s is %q", path, first)
		}
		if again := c.get(path).header.Get("ETag"); again != first {
			t.Errorf("ETag of an unchanged %s went from %s to %s", kind, first, again)
		}
		c.put(path, change, "If-Match", first).is(200)
		second := c.get(path).header.Get("ETag")
		if second == first {
			t.Errorf("ETag of a changed %s is still %s", kind, first)
		}
		c.put(path, nil, "If-Match", first).problem(412, "precondition_failed")
		c.put(path, nil, "If-Match", `"other", `+second).is(200)
		c.put(path, nil, "If-Match", "*").is(200)
		c.call("DELETE", path, nil, "If-Match", first).problem(412, "precondition_failed")
		c.call("DELETE", path, nil, "If-None-Match", "*").problem(412, "precondition_failed")
		c.get(path).is(200)
		c.call("DELETE", path, nil, "If-Match", c.get(path).header.Get("ETag")).is(204)
	}
}

// Records going through do not make the tag of the configuration stale.
func TestETagIsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	topicTag, groupTag := q.get(q.topicPath()).header.Get("ETag"), q.get(q.groupPath()).header.Get("ETag")
	q.fill(0, 0, 3)
	q.ack(q.take(2)...)
	q.put(q.topicPath(), obj{"max_record_bytes": 5000}, "If-Match", topicTag).is(200)
	q.put(q.groupPath(), obj{"max_attempts": 4}, "If-Match", groupTag).is(200)
}

func TestInvalidTopicConfig(t *testing.T) {
	t.Parallel()
	c := shared(t)
	kept := c.makeTopic(unique("topic"), obj{"partitions": 2})
	before := c.get("/v1/topics/" + kept).is(200)
	absent := unique("topic")
	for _, bad := range []string{
		`{"partitions":0}`, `{"partitions":-1}`, `{"partitions":1.5}`, `{"partitions":"4"}`, `{"partitions":2147483648}`,
		`{"partitions":1e400}`, `{"partitions":99999999999999999999}`, `{"partitions":true}`,
		`{"priorities":0}`, `{"priorities":11}`, `{"priorities":"2"}`,
		`{"cleanup":"bogus"}`, `{"cleanup":1}`, `{"retention":5}`, `{"retention":"1h"}`,
		`{"retention":{"age":"x"}}`, `{"retention":{"age":"-1h"}}`, `{"retention":{"age":5}}`, `{"retention":{"bytes":-1}}`,
		`{"retention":{"bytes":"1"}}`, `{"retention":{"keep_unsettled":"yes"}}`, `{"dedupe_window":"-1s"}`, `{"dedupe_window":"x"}`,
		`{"max_record_bytes":0}`, `{"max_record_bytes":-1}`, `{"max_record_bytes":"1"}`, `{"max_backlog":{"records":-1}}`,
		`{"config":{"partitions":0}}`,
	} {
		c.put("/v1/topics/"+absent, bad).problem(400, "invalid_config")
		c.put("/v1/topics/"+kept, bad).problem(400, "invalid_config")
	}
	c.get("/v1/topics/"+absent).problem(404, "topic_not_found")
	if after := c.get("/v1/topics/" + kept).is(200); string(after.body) != string(before.body) {
		t.Errorf("topic is %s after refused changes, was %s", after.body, before.body)
	}
	c.put("/v1/topics/"+kept, obj{"partitions": 1}).problem(409, "partitions_cannot_shrink")
	c.put("/v1/topics/"+kept, obj{"partitions": 5}).is(200)
	if n := len(c.topic(kept).Partitions); n != 5 {
		t.Errorf("%d partitions after growing to 5", n)
	}
}

func TestInvalidGroupConfig(t *testing.T) {
	t.Parallel()
	c := shared(t)
	kept := c.makeGroup(unique("group"), nil)
	before := c.get("/v1/groups/" + kept).is(200)
	absent := unique("group")
	for _, bad := range []string{
		`{"kind":"bogus"}`, `{"start":"bogus"}`, `{"start":"2020-13-01T00:00:00Z"}`, `{"pin":"yes"}`,
		`{"max_attempts":-1}`, `{"max_attempts":1.5}`, `{"max_attempts":"5"}`, `{"max_attempts":99999999999999999999}`,
		`{"backoff":{"initial":"-1s"}}`, `{"backoff":{"multiplier":-1}}`, `{"backoff":{"jitter":1.5}}`, `{"backoff":{"jitter":-0.1}}`,
		`{"backoff":{"multiplier":1e400}}`, `{"backoff":{"steps":["x"]}}`, `{"backoff":{"steps":["-1s"]}}`, `{"backoff":"1s"}`,
		`{"ordering":"bogus"}`, `{"on_dead":"bogus"}`, `{"max_inflight":-1}`, `{"max_inflight":"1"}`,
		`{"rate":{"per_second":-1}}`, `{"key_concurrency":-1}`, `{"strict_leases":"yes"}`, `{"paused":1}`,
		`{"dead_letter":{"enabled":"no"}}`, `{"dead_letter":{"topic":"a/b"}}`, `{"dead_letter":{"topic":".."}}`,
		`{"on_dead":"hold","ordering":"key","dead_letter":{"enabled":false}}`,
	} {
		c.put("/v1/groups/"+absent, bad).problem(400, "invalid_config")
		c.put("/v1/groups/"+kept, bad).problem(400, "invalid_config")
	}
	c.get("/v1/groups/"+absent).problem(404, "group_not_found")
	if after := c.get("/v1/groups/" + kept).is(200); string(after.body) != string(before.body) {
		t.Errorf("group is %s after refused changes, was %s", after.body, before.body)
	}
	c.put("/v1/groups/"+kept, obj{"kind": "ordered"}).problem(409, "group_kind_mismatch")
}
