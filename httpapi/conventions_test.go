package httpapi

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

func TestProblems(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.publish("t", `{"value":1}`).is(200)
		for _, tt := range []struct {
			method, path, body string
			status             int
			code               api.Code
		}{
			{"GET", "/v1/topics/absent", "", 404, api.TopicNotFound},
			{"DELETE", "/v1/topics/absent", "", 404, api.TopicNotFound},
			{"GET", "/v1/topics/t/partitions/1/records", "", 404, api.PartitionNotFound},
			{"GET", "/v1/topics/t/partitions/9223372036854775807/records", "", 404, api.PartitionNotFound},
			{"GET", "/v1/topics/t/partitions/0/records/1", "", 404, api.RecordNotFound},
			{"GET", "/v1/topics/t/partitions/-1/records", "", 400, api.InvalidRequest},
			{"GET", "/v1/topics/t/partitions/+0/records", "", 400, api.InvalidRequest},
			{"GET", "/v1/topics/t/partitions/0/records?offset=2", "", 416, api.OffsetOutOfRange},
			{"GET", "/v1/groups/absent", "", 404, api.GroupNotFound},
			{"DELETE", "/v1/groups/absent", "", 404, api.GroupNotFound},
			{"POST", "/v1/groups/absent/lease", "", 404, api.GroupNotFound},
			{"POST", "/v1/groups/absent/settle", "", 404, api.GroupNotFound},
			{"POST", "/v1/groups/absent/pause", "", 404, api.GroupNotFound},
			{"PUT", "/v1/groups/g", `{"topics":["absent"]}`, 404, api.TopicNotFound},
			{"PUT", "/v1/topics/t", `{"partitions":0}`, 400, api.InvalidConfig},
			{"PUT", "/v1/topics/__t", `{}`, 400, api.InvalidRequest},
			{"PUT", "/v1/groups/__g", `{}`, 400, api.InvalidRequest},
			{"PUT", "/v1/groups/" + strings.Repeat("g", 197), `{}`, 400, api.InvalidRequest},
			{"GET", "/", "", 404, api.NotFound},
			{"GET", "/v1/absent", "", 404, api.NotFound},
			{"GET", "/v1/topics/", "", 404, api.NotFound},
			{"GET", "/v1/topics/t/", "", 404, api.NotFound},
			{"GET", "/v1//topics", "", 404, api.NotFound},
			{"PATCH", "/v1/topics/t", "", 405, api.MethodNotAllowed},
			{"BREW", "/v1/topics/t", "", 405, api.MethodNotAllowed},
			{"OPTIONS", "/v1/topics/t", "", 405, api.MethodNotAllowed},
			{"GET", "/v1/groups/g/lease", "", 405, api.MethodNotAllowed},
		} {
			h.call(tt.method, tt.path, tt.body).problem(tt.status, tt.code)
		}
		if got := h.call("PATCH", "/v1/topics/t", "").header.Get("Allow"); got != "DELETE, GET, HEAD, PUT" {
			t.Errorf("Allow: %q", got)
		}
		p := h.get("/v1/topics/t/partitions/0/records?offset=2").problem(416, api.OffsetOutOfRange)
		if p.StartOffset == nil || *p.StartOffset != 0 || p.EndOffset == nil || *p.EndOffset != 1 {
			t.Errorf("416 from %v to %v", p.StartOffset, p.EndOffset)
		}
	})
}

func TestBadNames(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, name := range []string{
			"..", ".", "-x", "a%2Fb", "..%2f..%2f", "%252e%252e", "%5C", "%00", "a%0d%0ab", "%1b", "%E2%80%AE", "%ff", "%F0%9F%98%80", "%3Cscript%3E",
			"%7B%7B7*7%7D%7D", "*", "%3E", "$JS.API", "a%20b", strings.Repeat("x", 201), "__x",
		} {
			h.put("/v1/topics/"+name, `{}`).problem(400, api.InvalidRequest)
			h.put("/v1/groups/"+name, `{}`).problem(400, api.InvalidRequest)
			h.publish(name, `{"value":1}`).problem(400, api.InvalidRequest)
		}
		h.put("/v1/topics/a%2Db", `{}`).is(201) // an escape that need not be one
		h.get("/v1/topics/a-b").is(200)
		for _, path := range []string{"/v1/topics", "/v1/groups"} {
			if list := into[struct{ Items []any }](h.get(path)); len(list.Items) > 1 {
				t.Errorf("%s: %v", path, list)
			}
		}
	})
}

func TestQueries(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{}`).is(201)
		for _, path := range []string{
			"/v1/info?x=1", "/healthz?x", "/readyz?x", "/v1/topics?x=1", "/v1/topics/t?force=true", "/v1/topics?limit=1&limit=2", "/v1/topics?limit=%zz",
			"/v1/topics?limit=1;cursor=2", "/v1/topics?limit=0", "/v1/topics?limit=1001", "/v1/topics?limit=", "/v1/topics?limit=+5",
			"/v1/topics/t/partitions/0/records?encoding=json", "/v1/topics/t/partitions/0/records?wait=5", "/v1/topics/t/partitions/0/records?wait=61s",
			"/v1/topics/t/partitions/0/records?max=0", "/v1/topics/t/partitions/0/records?max=10001", "/v1/topics/t/partitions/0/records?max_bytes=16777217",
			"/v1/topics/t/partitions/0/records?offset=", "/v1/topics/t/partitions/0/records?offset=-1", "/v1/topics/t/partitions/0/records?offset=18446744073709551616",
			"/v1/topics/t/partitions/0/records?offset=2026-01-02",
		} {
			h.get(path).problem(400, api.InvalidRequest)
		}
		h.call("DELETE", "/v1/topics/t?force=yes", "").problem(400, api.InvalidRequest)
		h.call("DELETE", "/v1/topics/t?force=false", "").is(204)
	})
}

func TestRequestIDs(t *testing.T) {
	inBubble(t, func(h *house) {
		for id, own := range map[string]bool{
			"abc-123": true, "0f:9c/x=+_.@": true, strings.Repeat("x", 128): true,
			"": false, strings.Repeat("x", 129): false, "a b": false, `a"b`: false, "a\tb": false, "é": false, `a\b`: false,
		} {
			got := h.call("GET", "/v1/info", "", "X-Request-Id", id).is(200).header.Get("X-Request-Id")
			if (got == id) != own {
				t.Errorf("id %q: %q", id, got)
			}
		}
		if a, b := h.get("/v1/info").header.Get("X-Request-Id"), h.get("/v1/info").header.Get("X-Request-Id"); a == b {
			t.Errorf("two requests with id %q", a)
		}
	})
}

func TestHosts(t *testing.T) {
	inBubbleWith(t, queue.Config{}, Config{Hosts: []string{"Holt.Example", "10.0.0.7", "fd00::7"}}, func(h *house) {
		for _, host := range []string{
			"localhost", "LOCALHOST:80", "localhost.:4658", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:4658", "[::ffff:127.0.0.1]:4658",
			"holt.example", "holt.example.:99", "10.0.0.7:4658", "[fd00::7]:4658",
		} {
			h.call("GET", "/v1/info", "", "Host", host).is(200)
		}
		for _, host := range []string{
			"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.8", "a.holt.example", "[::2]:4658", "0.0.0.0:4658", "", "localhost:80:90", "[::1%25eth0]:1",
		} {
			h.call("GET", "/v1/info", "", "Host", host).problem(421, api.UnknownHost)
			h.call("GET", "/absent", "", "Host", host).problem(421, api.UnknownHost)
			h.call("PUT", "/v1/topics/t", "", "Host", host).problem(421, api.UnknownHost)
		}
		h.get("/v1/topics/t").is(404)
	})
	inBubbleWith(t, queue.Config{}, Config{Hosts: []string{"*"}}, func(h *house) {
		h.call("GET", "/v1/info", "", "Host", "any.example").is(200)
	})
}

func TestCrossOrigin(t *testing.T) {
	inBubbleWith(t, queue.Config{}, Config{TrustedOrigins: []string{"https://console.example"}}, func(h *house) {
		for _, headers := range [][]string{
			{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		} {
			h.call("PUT", "/v1/topics/t", "", headers...).problem(403, api.Forbidden)
			h.call("POST", "/v1/topics/t/records", "1", headers...).problem(403, api.Forbidden)
			h.call("DELETE", "/v1/topics/t", "", headers...).problem(403, api.Forbidden)
		}
		h.get("/v1/topics/t").is(404)
		h.call("PUT", "/v1/topics/t", "", "Origin", "https://console.example", "Sec-Fetch-Site", "cross-site").is(201)
		h.call("PUT", "/v1/topics/t", "", "Origin", "http://localhost:4658").is(200)
	})
}

func TestConfigIsValidated(t *testing.T) {
	err := Config{Hosts: []string{"http://x", ""}, TrustedOrigins: []string{"x", "https://a/b"}, BodyTimeout: -1, MaxConns: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("faults: %v", err)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	if _, err := New(nil, Config{MaxConns: -1}); err == nil {
		t.Error("a bad configuration was taken")
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	inBubble(t, func(h *house) {
		h.spy.topic = func() error { panic("invariant broken") }
		p := h.get("/v1/topics/t").problem(500, api.Internal)
		log := h.log.String()
		if !strings.Contains(log, "invariant broken") || !strings.Contains(log, p.RequestID) || !strings.Contains(log, "topic.go") {
			t.Errorf("log: %s", log)
		}
		h.get("/healthz").is(200)
	})
}

func TestServerErrorsAreLoggedNotShown(t *testing.T) {
	inBubble(t, func(h *house) {
		for err, want := range map[error]struct {
			status int
			code   api.Code
		}{
			errors.New("/secret/path"):                               {500, api.Internal},
			fmt.Errorf("/secret/path: %w", queue.ErrUnknown):         {503, api.Unavailable},
			fmt.Errorf("/secret/path: %w", queue.ErrCorrupt):         {500, api.Corrupt},
			fmt.Errorf("group a holds it: %w", queue.ErrStorageFull): {507, api.StorageFull},
		} {
			h.log.Reset()
			h.spy.publish = func([]queue.Message) error { return err }
			p := h.publish("t", `{"value":1}`).problem(want.status, want.code)
			if strings.Contains(p.Detail, "secret") || !strings.Contains(h.log.String(), p.RequestID) {
				t.Errorf("%v: detail %q, log %s", err, p.Detail, h.log)
			}
			if want.code == api.StorageFull && !strings.Contains(p.Detail, "group a holds it") {
				t.Errorf("507 does not say who holds most: %q", p.Detail)
			}
		}
	})
}

func TestDamageSaysWhereToGoOn(t *testing.T) {
	inBubble(t, func(h *house) {
		for err, want := range map[error]*api.Damage{
			&queue.DamageError{Topic: "t", Partition: 2, From: 5, Next: 9, Err: queue.ErrCorrupt}:                            {Topic: "t", Partition: 2, Offset: 5, NextOffset: 9},
			fmt.Errorf("another: %w", &queue.DamageError{Topic: "t", Partition: 0, From: 0, Next: 1, Err: queue.ErrCorrupt}): {Topic: "t", Offset: 0, NextOffset: 1},
			&queue.DamageError{Topic: "__r.g", Partition: 0, From: 0, Next: 1, Err: queue.ErrCorrupt}:                        nil,
			queue.ErrCorrupt: nil,
		} {
			h.spy.topic = func() error { return err }
			if p := h.get("/v1/topics/t").problem(500, api.Corrupt); !reflect.DeepEqual(p.Damage, want) {
				t.Errorf("%v: %+v", err, p.Damage)
			}
		}
	})
}

func TestLists(t *testing.T) {
	inBubble(t, func(h *house) {
		for _, kind := range []string{"topics", "groups"} {
			for i := range 5 {
				h.put(fmt.Sprintf("/v1/%s/x%d", kind, i), `{}`).is(201)
			}
			for limit := 1; limit <= 6; limit++ {
				if got := h.walk("/v1/"+kind, limit); got != "x0 x1 x2 x3 x4" {
					t.Errorf("%s by %d: %s", kind, limit, got)
				}
			}
		}
		cursor := into[api.TopicList](h.get("/v1/topics?limit=2")).NextCursor
		h.get("/v1/groups?cursor="+cursor).problem(400, api.InvalidRequest)
		h.call("DELETE", "/v1/topics/x1", "").is(204) // the place stays though its item goes
		if got := into[api.TopicList](h.get("/v1/topics?limit=9&cursor=" + cursor)); len(got.Items) != 3 || got.NextCursor != "" {
			t.Errorf("after a deletion: %+v", got)
		}
		for _, bad := range []string{"", "x", "!!", cursor + "A", cursor[:len(cursor)-1], "%00"} {
			h.get("/v1/topics?cursor="+bad).problem(400, api.InvalidRequest)
		}
	})
}

// walk goes through a list and returns its names.
func (h *house) walk(path string, limit int) string {
	h.t.Helper()
	var names []string
	for cursor := ""; ; {
		list := into[struct {
			Items []struct{ Name string }
			Next  string `json:"next_cursor"`
		}](h.get(fmt.Sprintf("%s?limit=%d%s", path, limit, cursor)).is(200))
		for _, item := range list.Items {
			names = append(names, item.Name)
		}
		if list.Next == "" || len(names) > 100 {
			return strings.Join(names, " ")
		}
		cursor = "&cursor=" + list.Next
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor{list: "topics", at: "a"}.String())
	f.Add("MQp0b3BpY3MKYQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text, "topics")
		if err == nil && c.String() != text {
			t.Errorf("%q is read as %+v, which is written as %q", text, c, c.String())
		}
	})
}

func TestShutdown(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		h.publish("t", `{"records":[{"value":1},{"value":2},{"value":3}]}`).is(200)
		held := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"max":2}`)).Records
		if got := h.get("/readyz").is(200).body; got != "{\"status\":\"ready\"}\n" {
			t.Errorf("ready: %s", got)
		}
		h.spy.low = true
		if got := h.get("/readyz").is(200).body; got != "{\"status\":\"ready\",\"storage_full\":true}\n" {
			t.Errorf("without space: %s", got)
		}
		h.spy.lease = func(group string, req queue.LeaseRequest) ([]queue.Delivery, []string, error) {
			ds, made, err := h.broker.Lease(h.t.Context(), group, req)
			h.broker.Stop()
			return ds, made, err
		}
		if a := h.post("/v1/groups/g/lease", `{}`).is(200); len(into[api.LeaseResponse](a).Records) != 1 || a.header.Get("Connection") != "" {
			t.Errorf("leased while the server stops: %s, Connection %q", a.body, a.header.Get("Connection"))
		}
		h.spy.lease = nil
		for _, a := range []answer{
			h.publish("t", `{"value":1}`), h.post("/v1/groups/g/lease", `{}`), h.put("/v1/topics/u", `{}`), h.get("/v1/topics"), h.get("/v1/topics/t"),
			h.get("/v1/info"), h.post("/v1/groups/g/pause", ``), h.post("/v1/groups/g/reset", `{"to":"latest"}`),
			h.get("/v1/groups/g/records?state=leased"), h.get("/v1/topics/t/scheduled"), h.get("/v1/schedules"),
		} {
			a.problem(503, api.ShuttingDown)
			if a.header.Get("Connection") != "" {
				t.Errorf("%s: the connection goes, on which leases may be settled", a.what)
			}
		}
		h.get("/healthz").is(200)
		h.get("/readyz").problem(503, api.ShuttingDown)
		h.get("/metrics").is(200)
		a := h.post("/v1/groups/g/extend", `{"receipt":"`+held[0].Receipt+`"}`).is(200)
		if a.header.Get("Connection") != "" {
			t.Error("a settle closes the connection on which more may come")
		}
		h.post("/v1/groups/g/ack", `{"receipt":"`+held[0].Receipt+`"}`).is(200)
		h.post("/v1/groups/g/settle", `{"release":["`+held[1].Receipt+`"]}`).is(200)
		h.post("/v1/groups/g/records/t/0/1/ack", ``).is(200)
	})
}

func TestHeadersHaveALimit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.call("GET", "/v1/info", "", "X-Fill", strings.Repeat("x", 15<<10)).is(200)
		a := h.call("GET", "/v1/info", "", "X-Fill", strings.Repeat("x", 16<<10))
		a.problem(431, api.HeadersTooLarge)
		if a.header.Get("Connection") != "close" {
			t.Error("the connection stays after 431")
		}
	})
}

func TestContentEncodingIsRefused(t *testing.T) {
	inBubble(t, func(h *house) {
		h.call("PUT", "/v1/topics/t", "{}", "Content-Encoding", "gzip").problem(415, api.UnsupportedMediaType)
		h.call("PUT", "/v1/topics/t", "{}", "Content-Encoding", "identity").is(201)
	})
}

func TestHead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{}`).is(201)
		a := h.do(httptest.NewRequest("HEAD", "http://localhost/v1/topics/t", nil)).is(200)
		if a.header.Get("ETag") == "" {
			t.Error("HEAD without ETag")
		}
	})
}

func TestInfo(t *testing.T) {
	inBubbleWith(t, queue.Config{Version: "1.2.3", Limits: queue.Limits{MaxKey: 9}}, Config{}, func(h *house) {
		info := into[api.ServerInfo](h.get("/v1/info").is(200))
		if info.Version != "1.2.3" || info.Engine == "" || info.Limits["key_bytes"] != 9 || info.Limits["wait_ms"] != 60_000 || info.Limits["body_bytes"] != 16<<20 {
			t.Errorf("info %+v", info)
		}
		if info.Limits["request_partitions"] != 256 {
			t.Errorf("a publish that reaches too many partitions is told to look here: %+v", info)
		}
		most := info.Limits["topic_partitions"]
		h.put("/v1/topics/wide", fmt.Sprintf(`{"partitions":%d}`, most)).is(201)
		h.put("/v1/topics/wider", fmt.Sprintf(`{"partitions":%d}`, most+1)).problem(400, api.InvalidConfig)
		h.put("/v1/groups/many", fmt.Sprintf(`{"max_inflight":%d}`, info.Limits["max_inflight"])).is(201)
		h.put("/v1/groups/more", fmt.Sprintf(`{"max_inflight":%d}`, info.Limits["max_inflight"]+1)).problem(400, api.InvalidConfig)
	})
}

// Calls that are parked when what they are for is deleted end then.
func TestParkedCallsEndWithADeletion(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		start, leased, read := time.Now(), make(chan answer), make(chan answer)
		go func() { leased <- h.post("/v1/groups/g/lease", `{"wait":"60s"}`) }()
		go func() { read <- h.get("/v1/topics/t/partitions/0/records?offset=latest&wait=60s") }()
		time.Sleep(time.Second)
		h.call("DELETE", "/v1/groups/g?force=true", "").is(204)
		if a := (<-leased).is(200); a.body != "{\"records\":[]}\n" {
			t.Errorf("a lease whose group was deleted: %s", a.body)
		}
		h.post("/v1/groups/g/lease", `{"wait":"60s"}`).problem(404, api.GroupNotFound)
		h.call("DELETE", "/v1/topics/t", "").is(204)
		(<-read).problem(404, api.TopicNotFound)
		if took := time.Since(start); took != time.Second {
			t.Errorf("they ended after %v", took)
		}
	})
}
