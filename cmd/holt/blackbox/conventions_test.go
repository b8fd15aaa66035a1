package blackbox_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := c.makeTopic(unique("topic"), obj{"partitions": 1})
	c.publish(topic, obj{"value": 1})
	for _, tt := range []struct {
		method, path string
		body         any
		status       int
		code         string
	}{
		{"GET", "/v1/topics/absent", nil, 404, "topic_not_found"},
		{"DELETE", "/v1/topics/absent", nil, 404, "topic_not_found"},
		{"GET", "/v1/topics/absent/partitions/0/records?offset=0", nil, 404, "topic_not_found"},
		{"GET", "/v1/topics/" + topic + "/partitions/1/records?offset=0", nil, 404, "partition_not_found"},
		{"GET", "/v1/topics/" + topic + "/partitions/0/records/1", nil, 404, "record_not_found"},
		{"GET", "/v1/topics/" + topic + "/partitions/0/records?offset=2", nil, 416, "offset_out_of_range"},
		{"POST", "/v1/topics/" + topic + "/records", obj{"value": 1, "partition": 1}, 404, "partition_not_found"},
		{"GET", "/v1/groups/absent", nil, 404, "group_not_found"},
		{"DELETE", "/v1/groups/absent", nil, 404, "group_not_found"},
		{"POST", "/v1/groups/absent/lease", obj{}, 404, "group_not_found"},
		{"POST", "/v1/groups/absent/settle", obj{}, 404, "group_not_found"},
		{"PUT", "/v1/groups/absent", obj{"topics": list{"absent"}}, 404, "topic_not_found"},
		{"GET", "/v1/absent", nil, 404, "not_found"},
		{"GET", "/absent", nil, 404, "not_found"},
		{"GET", "/v1", nil, 404, "not_found"},
		{"POST", "/v1/topics/" + topic + "/absent", obj{}, 404, "not_found"},
		{"PATCH", "/v1/topics/" + topic, obj{}, 405, "method_not_allowed"},
		{"POST", "/v1/topics/" + topic, obj{}, 405, "method_not_allowed"},
		{"POST", "/v1/topics", obj{}, 405, "method_not_allowed"},
		{"PUT", "/v1/topics/" + topic + "/records", obj{}, 405, "method_not_allowed"},
		{"GET", "/v1/groups/absent/lease", nil, 405, "method_not_allowed"},
		{"GET", "/v1/groups/absent/settle", nil, 405, "method_not_allowed"},
		{"DELETE", "/v1/info", nil, 405, "method_not_allowed"},
	} {
		a := c.call(tt.method, tt.path, tt.body)
		a.problem(tt.status, tt.code)
		if tt.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s: 405 without Allow", a.what)
		}
	}
	c.get("/v1/groups/absent").problem(404, "group_not_found")
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for _, id := range []string{"abc-123", "0f9c"} {
		p := c.call("GET", "/v1/topics/absent", nil, "X-Request-Id", id).problem(404, "topic_not_found")
		if p.RequestID != id {
			t.Errorf("request_id %q, want the request's %q", p.RequestID, id)
		}
		if got := c.call("GET", "/v1/info", nil, "X-Request-Id", id).is(200).header.Get("X-Request-Id"); got != id {
			t.Errorf("X-Request-Id of a 200 is %q, want %q", got, id)
		}
	}
	a, b := c.get("/v1/info").header.Get("X-Request-Id"), c.get("/v1/info").header.Get("X-Request-Id")
	if a == "" || a == b {
		t.Errorf("request ids %q and %q, want two of the server's own", a, b)
	}
}

func TestUnknownFieldsAndParameters(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	r := q.one()
	absent := unique("absent")
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"PUT", "/v1/topics/" + absent, obj{"colour": 1}},
		{"PUT", "/v1/topics/" + absent, obj{"retention": obj{"colour": 1}}},
		{"PUT", "/v1/topics/" + absent, obj{"config": obj{"colour": 1}}},
		{"PUT", "/v1/topics/" + absent + "?colour=1", obj{}},
		{"PUT", "/v1/groups/" + absent, obj{"colour": 1}},
		{"PUT", "/v1/groups/" + absent, obj{"backoff": obj{"colour": 1}}},
		{"PUT", "/v1/groups/" + absent, obj{"dead_letter": obj{"colour": 1}}},
		{"GET", q.topicPath() + "?colour=1", nil},
		{"GET", "/v1/topics?colour=1", nil},
		{"GET", q.groupPath() + "?colour=1", nil},
		{"GET", "/v1/groups?colour=1", nil},
		{"GET", q.topicPath() + "/partitions/0/records?offset=0&colour=1", nil},
		{"GET", q.topicPath() + "/partitions/0/records/0?colour=1", nil},
		{"DELETE", q.topicPath() + "?colour=1", nil},
		{"DELETE", q.groupPath() + "?colour=1", nil},
		{"POST", "/v1/topics/" + absent + "/records", obj{"value": 1, "colour": 1}},
		{"POST", "/v1/topics/" + absent + "/records", obj{"records": list{obj{"value": 1, "colour": 1}}}},
		{"POST", "/v1/topics/" + absent + "/records", obj{"records": list{obj{"value": 1}}, "colour": 1}},
		{"POST", "/v1/topics/" + absent + "/records?colour=1", obj{"value": 1}},
		{"POST", q.groupPath() + "/lease", obj{"colour": 1}},
		{"POST", q.groupPath() + "/lease", obj{"Max": 1}},
		{"POST", q.groupPath() + "/lease?max=1", obj{}},
		{"POST", q.groupPath() + "/settle", obj{"ack": list{r.Receipt}, "colour": 1}},
		{"POST", q.groupPath() + "/settle", obj{"nack": list{obj{"receipt": r.Receipt, "colour": 1}}}},
		{"POST", q.groupPath() + "/ack", obj{"receipt": r.Receipt, "colour": 1}},
	} {
		q.call(tt.method, tt.path, tt.body).problem(400, "invalid_request")
	}
	q.get("/v1/topics/"+absent).problem(404, "topic_not_found")
	q.get("/v1/groups/"+absent).problem(404, "group_not_found")
	q.ack(r)
}

func TestDurations(t *testing.T) {
	t.Parallel()
	c := shared(t)
	group := c.makeGroup(unique("group"), nil)
	path := "/v1/groups/" + group
	for _, good := range []string{"1s", "1.5s", "1500ms", "30m", "12h", "1h30m", "0.5h"} {
		c.put(path, obj{"lease": good}).is(200)
		c.post(path+"/lease", obj{"lease": good}).is(200)
	}
	c.put(path, obj{"backoff": obj{"max": "7d", "initial": "0.5d"}}).is(200)
	for _, bad := range []any{"", "5", 5, 5.5, "x", "1x", "s", "1 s", " 1s", "NaNs", "Infs", "-1s", "0s", "1ns", "999ms", "12h1s", "1d",
		"100y", "1e9s", "99999999999999999999h", true, list{"1s"}, obj{}, "1s1", "١s"} {
		c.put(path, obj{"lease": bad}).problem(400, "invalid_config")
		c.post(path+"/lease", obj{"lease": bad}).problem(400, "invalid_request")
	}
	for _, bad := range []any{"-1s", "61s", "60.001s", "1e9s", "5", 5, "", "x"} {
		c.post(path+"/lease", obj{"wait": bad}).problem(400, "invalid_request")
	}
	if got := configOf(t, c.group(group).Config)["lease"]; !sameDuration(got, "30m") {
		t.Errorf("lease is %v after refused changes, want 30m", got)
	}
}

func TestEmptyBodyIsEmptyObject(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic, group := unique("topic"), unique("group")
	c.put("/v1/topics/"+topic, nil).is(201)
	c.put("/v1/topics/"+topic, "").is(200)
	c.put("/v1/groups/"+group, nil).is(201)
	c.post("/v1/groups/"+group+"/lease", nil).is(200)
	c.post("/v1/groups/"+group+"/settle", nil).ok(0)
	c.post("/v1/topics/"+topic+"/records", "").problem(400, "invalid_request")
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	form := "application/x-www-form-urlencoded"
	for _, kind := range []string{form, "multipart/form-data; boundary=x"} {
		p := q.post(q.topicPath()+"/records", `{"value":1}`, "Content-Type", kind).problem(415, "unsupported_media_type")
		if !strings.Contains(p.Detail, "curl") {
			t.Errorf("415 for %s does not say the right curl call: %q", kind, p.Detail)
		}
	}
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 0 {
		t.Errorf("%d records were stored", end)
	}
	for _, kind := range []string{form, "text/plain", "nonsense", ""} {
		q.post(q.groupPath()+"/lease", `{"max":1}`, "Content-Type", kind).is(200)
		q.post(q.groupPath()+"/settle", `{}`, "Content-Type", kind).is(200)
		q.put(q.groupPath(), `{"max_attempts":7}`, "Content-Type", kind).is(200)
		q.put(q.topicPath(), `{"partitions":1}`, "Content-Type", kind).is(200)
	}
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		q.post(q.topicPath()+"/records", `{"value":1}`, "Content-Type", kind).is(200)
	}
	for _, r := range q.readAll(q.name, 0) {
		if string(r.Value) != "1" {
			t.Errorf("a JSON publish stored %s", r.bytes())
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	c := shared(t)
	port := c.s.addr[strings.LastIndex(c.s.addr, ":"):]
	for _, host := range []string{"127.0.0.1" + port, "localhost" + port, "localhost", "[::1]" + port} {
		c.call("GET", "/v1/info", nil, "Host", host).is(200)
	}
	for _, host := range []string{"evil.example", "evil.example" + port, "localhost.evil.example", "127.0.0.1.evil.example" + port} {
		c.call("GET", "/v1/info", nil, "Host", host).problem(421, "unknown_host")
		c.call("PUT", "/v1/topics/"+unique("rebound"), nil, "Host", host).problem(421, "unknown_host")
	}
}

func TestCrossOriginIsRefused(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	for _, headers := range [][]string{
		{"Origin", "http://evil.example"},
		{"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"},
	} {
		for _, kind := range []string{"text/plain", "application/json"} {
			a := q.post(q.topicPath()+"/records", "1", append(headers, "Content-Type", kind)...)
			a.problem(403, "forbidden")
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("a refused origin is allowed to read the answer")
			}
		}
		q.post(q.groupPath()+"/lease", "", headers...).problem(403, "forbidden")
		q.put("/v1/topics/"+unique("cross"), "", headers...).problem(403, "forbidden")
		q.call("DELETE", q.topicPath()+"?force=true", nil, headers...).problem(403, "forbidden")
	}
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 0 {
		t.Errorf("%d records were stored from another origin", end)
	}
	own := []string{"Origin", "http://" + q.s.addr, "Sec-Fetch-Site", "same-origin"}
	q.post(q.topicPath()+"/records", `{"value":1}`, own...).is(200)
}

var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestTimesAreUTCWithMilliseconds(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	p := q.publish(q.name, obj{"value": 1}).Records[0]
	r := q.one()
	v := q.only()
	for what, s := range map[string]string{
		"publish timestamp": p.Timestamp, "lease timestamp": r.Timestamp, "expires_at": r.ExpiresAt,
		"read timestamp": q.readAll(q.name, 0)[0].Timestamp, "topic created_at": q.topic(q.name).CreatedAt,
		"group created_at": q.view().CreatedAt, "oldest_unsettled_at": *v.Oldest,
	} {
		if !stamp.MatchString(s) {
			t.Errorf("%s is %q", what, s)
		}
	}
	if p.Timestamp != r.Timestamp || *v.Oldest != p.Timestamp {
		t.Errorf("one record has times %s, %s and %s", p.Timestamp, r.Timestamp, *v.Oldest)
	}
}

// walk pages through a list and returns the names under the prefix, in order.
func walk(c client, path, prefix string, limit int, between func()) []string {
	c.t.Helper()
	var found []string
	cursor := ""
	for range 1000 {
		var l struct {
			Items []struct {
				Name string `json:"name"`
			} `json:"items"`
			Next *string `json:"next_cursor"`
		}
		a := c.get(fmt.Sprintf("%s?limit=%d%s", path, limit, cursor)).is(200)
		a.into(&l)
		if l.Items == nil || len(l.Items) > limit {
			c.t.Fatalf("%s: %d items, limit %d: %s", a.what, len(l.Items), limit, clip(a.body))
		}
		for _, it := range l.Items {
			if strings.HasPrefix(it.Name, prefix) {
				found = append(found, it.Name)
			}
		}
		if l.Next == nil {
			return found
		}
		if *l.Next == "" {
			c.t.Fatalf("%s: an empty cursor instead of none", a.what)
		}
		cursor = "&cursor=" + *l.Next
		between()
	}
	c.t.Fatalf("%s: the list has no end", path)
	return nil
}

func TestListsPage(t *testing.T) {
	t.Parallel()
	c := newClient(t, newServer(t))
	const n = 25
	for kind := range map[string]bool{"topics": true, "groups": true} {
		prefix := "page-" + kind
		want := map[string]bool{}
		for i := range n {
			name := fmt.Sprintf("%s-%02d", prefix, i)
			c.put("/v1/"+kind+"/"+name, nil).is(201)
			want[name] = true
		}
		for _, limit := range []int{1, 7, 25, 26, 1000} {
			extra := 0
			got := walk(c, "/v1/"+kind, prefix+"-", limit, func() {
				// What comes and goes between pages does not disturb the rest.
				if extra++; extra <= 3 {
					c.put(fmt.Sprintf("/v1/%s/%s-05-extra%d", kind, prefix, extra), nil)
					c.delete(fmt.Sprintf("/v1/%s/%s-05-extra%d", kind, prefix, extra-1))
				}
			})
			seen := map[string]int{}
			for _, name := range got {
				seen[name]++
			}
			for name := range want {
				if seen[name] != 1 {
					t.Errorf("%s with limit %d: %s came %d times", kind, limit, name, seen[name])
				}
			}
		}
		for _, bad := range []string{"limit=0", "limit=-1", "limit=1001", "limit=x", "limit=", "limit=1.5", "limit=99999999999999999999", "cursor=nonsense", "cursor=%00", "cursor=../.."} {
			c.get("/v1/"+kind+"?"+bad).problem(400, "invalid_request")
		}
	}
}

func TestCursorSurvivesRestart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := newClient(t, s)
	for i := range 6 {
		c.makeTopic(fmt.Sprint("t", i), nil)
	}
	crashed := false
	got := walk(c, "/v1/topics", "t", 4, func() {
		if !crashed {
			s.crash(t)
			crashed = true
		}
	})
	if !crashed || fmt.Sprint(got) != "[t0 t1 t2 t3 t4 t5]" {
		t.Errorf("topics %v over a restart (%v)", got, crashed)
	}
}

// No state changes on GET, and none of the bodies matters to it.
func TestGetChangesNothing(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 3)
	before := q.view()
	for range 3 {
		q.readAll(q.name, 0)
		q.get(q.topicPath() + "/partitions/0/records/1").is(200)
		q.get("/v1/groups").is(200)
		q.get("/metrics").is(200)
	}
	if after := q.view(); after.Totals != before.Totals {
		t.Errorf("totals %+v after reading, were %+v", after.Totals, before.Totals)
	}
}

// configOf decodes a configuration.
func configOf(t testing.TB, raw json.RawMessage) obj {
	t.Helper()
	var o obj
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatalf("config %s: %v", raw, err)
	}
	return o
}
