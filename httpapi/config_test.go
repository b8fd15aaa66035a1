package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// A group made of what another one answers has the same configuration, zeros included.
func TestGroupConfigCanBeCopied(t *testing.T) {
	inBubble(t, func(h *house) {
		for i, backoff := range []string{`{"initial":"0s","jitter":0}`, `{"max":"0s"}`, `{"steps":["0s","1m"],"jitter":0.5}`, `{"steps":["1s"]}`} {
			config := func(group string) string {
				return string(marshal(t, into[struct{ Config api.GroupConfig }](h.get("/v1/groups/"+group).is(200)).Config))
			}
			from, to := fmt.Sprintf("from-%d", i), fmt.Sprintf("to-%d", i)
			h.put("/v1/groups/"+from, `{"dead_letter":{"topic":"letters"},"backoff":`+backoff+`}`).is(201)
			h.put("/v1/groups/"+to, h.get("/v1/groups/"+from).body).is(201)
			if got, want := config(to), config(from); got != want {
				t.Errorf("backoff %s: the copy has %s, the original %s", backoff, got, want)
			}
		}
	})
}

func TestPutMerges(t *testing.T) {
	def := catalog.DefaultGroup("g")
	with := func(edit func(c *queue.GroupConfig)) queue.GroupConfig {
		c := def
		edit(&c)
		return c
	}
	steps := with(func(c *queue.GroupConfig) { c.Backoff.Steps = []time.Duration{time.Second, time.Minute} })
	for _, tt := range []struct {
		from queue.GroupConfig
		body string
		want queue.GroupConfig
	}{
		{def, `{}`, def},
		{def, ``, def},
		{def, `{"lease":"7s","config":{"max_attempts":2}}`, with(func(c *queue.GroupConfig) { c.Lease, c.MaxAttempts = 7*time.Second, 2 })},
		{with(func(c *queue.GroupConfig) { c.Lease = time.Minute }), `{"lease":null}`, def},
		{with(func(c *queue.GroupConfig) { c.Backoff.Max = time.Minute }), `{"backoff":{"initial":"2s"}}`,
			with(func(c *queue.GroupConfig) { c.Backoff.Max, c.Backoff.Initial = time.Minute, 2*time.Second })},
		{with(func(c *queue.GroupConfig) { c.Backoff.Max = time.Minute }), `{"backoff":null}`, def},
		{with(func(c *queue.GroupConfig) { c.Backoff.Max = time.Minute }), `{"backoff":{"max":null}}`, def},
		{def, `{"backoff":{"steps":["1s","60s"]}}`, steps},
		{steps, `{"backoff":{"steps":["5m"]}}`, with(func(c *queue.GroupConfig) { c.Backoff.Steps = []time.Duration{5 * time.Minute} })},
		{steps, `{"backoff":{"jitter":0}}`, with(func(c *queue.GroupConfig) { c.Backoff.Steps, c.Backoff.Jitter = steps.Backoff.Steps, 0 })},
		{steps, `{"backoff":{"steps":null}}`, def},
		{steps, `{"backoff":{"initial":"1s"}}`, def},
		{def, `{"rate":{"per_second":2.5},"dead_letter":{"on_ttl":true}}`, with(func(c *queue.GroupConfig) { c.RatePerSecond, c.DeadLetterOnTTL = 2.5, true })},
		{with(func(c *queue.GroupConfig) { c.DeadLetterTopic, c.RateBurst = "x", 3 }), `{"dead_letter":null,"rate":null}`, def},
		{def, `{"name":"x","created_at":5,"totals":{"lag":1},"partitions":[{}],"members":[]}`, def},
	} {
		got := queue.GroupChange{Config: tt.from}
		if err := mergeGroup(&got, "g", []byte(tt.body)); err != nil {
			t.Errorf("%s: %v", tt.body, err)
		}
		if d := cmp.Diff(tt.want, got.Config); d != "" {
			t.Errorf("%s:\n%s", tt.body, d)
		}
	}
}

func TestTopicPutMerges(t *testing.T) {
	inBubble(t, func(h *house) {
		config := func() api.TopicConfig { return into[api.Topic](h.get("/v1/topics/t").is(200)).Config }
		a := h.put("/v1/topics/t", `{"partitions":2,"retention":{"age":"1h"}}`).is(201)
		if a.header.Get("Location") != "/v1/topics/t" || a.header.Get("ETag") == "" {
			t.Errorf("201 with %v", a.header)
		}
		h.put("/v1/topics/t", `{"config":{"retention":{"bytes":1000}}}`).is(200)
		if got := config().Retention; got != (api.Retention{Age: api.Duration(time.Hour), Bytes: 1000, KeepUnsettled: true}) {
			t.Errorf("retention %+v", got)
		}
		h.put("/v1/topics/t", `{"retention":{"age":null},"dedupe_window":"0s","max_record_bytes":5}`).is(200)
		if got := config(); got.Retention.Age != api.Duration(168*time.Hour) || got.DedupeWindow != 0 || got.MaxRecordBytes != 5 {
			t.Errorf("config %+v", got)
		}
		h.put("/v1/topics/t", `{"retention":null,"dedupe_window":null,"max_record_bytes":null,"max_backlog":null,"schema":null,"cleanup":null,"priorities":null}`).is(200)
		want := wireTopicConfig(catalog.DefaultTopic())
		want.Partitions = 2
		if d := cmp.Diff(want, config()); d != "" {
			t.Errorf("after null:\n%s", d)
		}
		h.put("/v1/topics/t", `{"partitions":1}`).problem(409, api.PartitionsCannotShrink)
		h.put("/v1/topics/t", `{"schema":{"type":"objekt"}}`).problem(400, api.InvalidConfig)
	})
}

func TestGetCanBePutBack(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":3,"priorities":2,"retention":{"age":"36h"}}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"],"lease":"7.5s","start":"latest","pin":false,"backoff":{"steps":["1s","90m"]},"rate":{"per_second":0.5}}`).is(201)
		h.publish("t", `{"value":1}`).is(200)
		h.post("/v1/groups/g/lease", `{"member":"w"}`).is(200)
		for _, path := range []string{"/v1/topics/t", "/v1/groups/g"} {
			before := h.get(path).is(200)
			h.put(path, before.body).is(200)
			if d := cmp.Diff(into[any](before), into[any](h.get(path))); d != "" {
				t.Errorf("%s put back:\n%s", path, d)
			}
		}
		before := into[api.Group](h.get("/v1/groups/g"))
		body, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		h.call("DELETE", "/v1/groups/g?force=true", "").is(204)
		h.put("/v1/groups/g", string(body)).is(201)
		if d := cmp.Diff(before.Config, into[api.Group](h.get("/v1/groups/g")).Config); d != "" {
			t.Errorf("made again from its GET:\n%s", d)
		}
	})
}

func TestBadConfigs(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, body := range []string{
			`{"partitions":0}`, `{"partitions":"4"}`, `{"partitions":1.5}`, `{"partitions":1e3}`, `{"partitions":2147483648}`, `{"retention":5}`, `{"retention":{"age":5}}`,
			`{"retention":{"age":"x"}}`, `{"retention":{"age":"5"}}`, `{"cleanup":1}`, `{"cleanup":"x"}`, `{"max_backlog":{"records":-1}}`, `{"config":{"priorities":99}}`,
		} {
			h.put("/v1/topics/t", body).problem(400, api.InvalidConfig)
		}
		for _, body := range []string{
			`{"kind":"x"}`, `{"kind":5}`, `{"lease":5}`, `{"lease":"0s"}`, `{"lease":"0"}`, `{"backoff":{"steps":["x"]}}`, `{"backoff":{"steps":"1s"}}`, `{"backoff":{"multiplier":1e400}}`,
			`{"topics":"t"}`, `{"topics":[5]}`, `{"topics":["a/b"]}`, `{"topics":["__x"]}`, `{"pin":1}`, `{"start":"x"}`, `{"dead_letter":{"topic":".."}}`,
		} {
			h.put("/v1/groups/g", body).problem(400, api.InvalidConfig)
		}
		for _, body := range []string{`{"colour":1}`, `{"config":{"colour":1}}`, `{"config":{"config":{}}}`, `{"Lease":"1s"}`, `{"lease":"1s","lease":"2s"}`, `{`, `[]`, `{"backoff":{"colour":1}}`} {
			h.put("/v1/groups/g", body).problem(400, api.InvalidRequest)
		}
		h.get("/v1/topics/t").is(404)
		h.get("/v1/groups/g").is(404)
	})
}

func TestConditions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", ``).is(201)
		for _, tt := range []struct{ path, first, change string }{
			{"/v1/topics/x", ``, `{"partitions":7}`},
			{"/v1/groups/x", ``, `{"lease":"7s"}`},
			{"/v1/schedules/x", `{"cron":"@daily","topic":"t","record":{"value":1}}`, `{"catch_up":"none"}`},
		} {
			path, change := tt.path, tt.change
			h.call("PUT", path, tt.first, "If-Match", "*").problem(412, api.PreconditionFailed)
			h.call("PUT", path, tt.first, "If-Match", `"a"`).problem(412, api.PreconditionFailed)
			h.call("PUT", path, tt.first, "If-None-Match", "*").is(201)
			h.call("PUT", path, tt.first, "If-None-Match", "*").problem(412, api.PreconditionFailed)
			first := h.get(path).header.Get("ETag")
			same := func(tag, body string) {
				t.Helper()
				if got := h.call("PUT", path, body, "If-Match", tag).is(200).header.Get("ETag"); got != tag || h.get(path).header.Get("ETag") != tag {
					t.Errorf("PUT %s %s changes nothing: the tag was %s and is %s", path, body, tag, got)
				}
			}
			same(first, `{"config":{}}`)
			same(first, ``)
			second := h.call("PUT", path, change, "If-Match", first).is(200).header.Get("ETag")
			if second == first || second != h.get(path).header.Get("ETag") {
				t.Errorf("PUT %s %s: the tag was %s and is %s", path, change, first, second)
			}
			same(second, change)
			same(second, h.get(path).body)
			h.call("PUT", path, ``, "If-Match", `"a", `+second+` ,"b"`).is(200)
			h.call("PUT", path, ``, "If-Match", first).problem(412, api.PreconditionFailed)
			h.call("PUT", path, ``, "If-Match", "W/"+second).problem(412, api.PreconditionFailed)
			h.call("PUT", path, ``, "If-Match", `W/"a", `+second).is(200)
			h.call("PUT", path, ``, "If-Match", "*").is(200)
			for _, bad := range [][]string{{"If-Match", "a"}, {"If-Match", `"a`}, {"If-Match", `"a" "b"`}, {"If-None-Match", `"a"`}} {
				h.call("PUT", path, ``, bad...).problem(400, api.InvalidRequest)
			}
			h.call("DELETE", path, "", "If-Match", first).problem(412, api.PreconditionFailed)
			h.call("DELETE", path, "", "If-None-Match", "*").problem(412, api.PreconditionFailed)
			h.call("DELETE", path, "", "If-Match", h.get(path).header.Get("ETag")).is(204)
		}
	})
}

func TestInUse(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"],"ordering":"key"}`).is(201)
		h.put("/v1/topics/t", `{"partitions":2}`).problem(409, api.TopicInUse)
		h.put("/v1/topics/t?force=true", `{"partitions":2}`).is(200)
		h.put("/v1/topics/t?force=x", `{}`).problem(400, api.InvalidRequest)
		h.publish("t", `{"value":1}`).is(200)
		h.post("/v1/groups/g/lease", `{}`).is(200)
		h.call("DELETE", "/v1/topics/t", "").problem(409, api.TopicInUse)
		h.call("DELETE", "/v1/groups/g", "").problem(409, api.GroupInUse)
		h.call("DELETE", "/v1/topics/t?force=true", "").is(204)
		h.call("DELETE", "/v1/groups/g?force=true", "").is(204)
	})
}

func TestPauseAndResume(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		h.publish("t", `{"value":1}`).is(200)
		if got := h.post("/v1/groups/g/pause", ``).is(200).body; got != "{\"paused\":true}\n" {
			t.Errorf("pause: %s", got)
		}
		if got := into[api.LeaseResponse](h.post("/v1/groups/g/lease", ``).is(200)); len(got.Records) != 0 {
			t.Errorf("a paused group gave %+v", got)
		}
		h.post("/v1/groups/g/resume", `{"x":1}`).problem(400, api.InvalidRequest)
		h.post("/v1/groups/g/resume", `{}`).is(200)
		if got := into[api.LeaseResponse](h.post("/v1/groups/g/lease", ``).is(200)); len(got.Records) != 1 {
			t.Errorf("a resumed group gave %+v", got)
		}
	})
}

// FuzzMerge: a body that is taken leaves a configuration whose own answer puts the same configuration back.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"lease":"7s","backoff":{"steps":["1s"],"jitter":0.5},"config":{"max_attempts":2},"dead_letter":null}`))
	f.Add([]byte(`{"topics":["a"],"rate":{"per_second":1e-3,"burst":2},"start":"latest","pin":false,"kind":"share"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		start := func() queue.GroupChange {
			return queue.GroupChange{Kind: catalog.KindShare, Config: catalog.DefaultGroup("g")}
		}
		got := start()
		if err := mergeGroup(&got, "g", body); err != nil || got.Config.Validate() != nil {
			return
		}
		answer, err := json.Marshal(wireGroup(queue.GroupInfo{Name: "g", Kind: got.Kind, Topics: got.Topics, Config: got.Config}))
		if err != nil {
			t.Fatal(err)
		}
		again := got
		if err := mergeGroup(&again, "g", answer); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if again.Topics == nil || len(got.Topics) == 0 {
			again.Topics, got.Topics = nil, nil
		}
		if len(got.Config.Backoff.Steps) == 0 {
			got.Config.Backoff.Steps = nil
		}
		if d := cmp.Diff(got, again); d != "" {
			t.Errorf("%s, answered as %s:\n%s", body, answer, d)
		}
	})
}

// A summary is the group without what there is of each partition.
func TestSummaries(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":3}`).is(201)
		h.put("/v1/groups/empty", `{}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		h.post("/v1/groups/s/join", `{"topics":["t"],"member":"m"}`).is(200)
		h.post("/v1/topics/t/records", `{"records":[{"value":1,"partition":0},{"value":2,"partition":2}]}`).is(200)
		h.post("/v1/groups/g/lease", `{"member":"w"}`).is(200)
		list := into[api.GroupList](h.get("/v1/groups?partitions=false").is(200)).Items
		for i, name := range []string{"empty", "g", "s"} {
			path := "/v1/groups/" + name
			want, got := into[api.Group](h.get(path+"?partitions=true").is(200)), h.get(path+"?partitions=false").is(200)
			if want.Partitions == nil || strings.Contains(got.body, `"partitions"`) || strings.Contains(got.body, `"assignment"`) {
				t.Errorf("%s: of %d partitions, in short %s", name, len(want.Partitions), got.body)
			}
			want.Partitions = nil
			for j := range want.Members {
				want.Members[j].Assignment = nil
			}
			for _, g := range []api.Group{into[api.Group](got), list[i]} {
				if d := cmp.Diff(string(marshal(t, want)), string(marshal(t, g))); d != "" {
					t.Errorf("%s: %s", name, d)
				}
			}
			h.put(path, got.body).is(200)
		}
		h.get("/v1/groups/g?partitions=no").problem(400, api.InvalidRequest)
		h.get("/v1/groups?partitions=0").problem(400, api.InvalidRequest)
		h.get("/v1/groups/none?partitions=false").problem(404, api.GroupNotFound)
	})
}
