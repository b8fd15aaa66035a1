package httpapi

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue"
)

// group makes topic t of one partition with n records, and group g that reads it.
func (h *house) group(n int) {
	h.t.Helper()
	h.put("/v1/topics/t", `{"partitions":1}`).is(201)
	h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
	for i := range n {
		h.publish("t", fmt.Sprintf(`{"value":%d,"key":"k%d"}`, i, i)).is(200)
	}
}

// take leases n records.
func (h *house) take(n int) []string {
	h.t.Helper()
	var receipts []string
	for _, r := range into[api.LeaseResponse](h.post("/v1/groups/g/lease", fmt.Sprintf(`{"max":%d}`, n)).is(200)).Records {
		receipts = append(receipts, r.Receipt)
	}
	if len(receipts) != n {
		h.t.Fatalf("leased %d records, want %d", len(receipts), n)
	}
	return receipts
}

func (h *house) totals() api.GroupTotals {
	h.t.Helper()
	return into[api.Group](h.get("/v1/groups/g").is(200)).Totals
}

func TestLease(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		got := into[map[string][]map[string]any](h.post("/v1/groups/g/lease", `{"max":10,"lease":"45s","member":"w","wait":null}`).is(200))["records"]
		if len(got) != 1 {
			t.Fatalf("leased %v", got)
		}
		receipt, _ := got[0]["receipt"].(string)
		delete(got[0], "receipt")
		now := time.Now().UTC()
		want := map[string]any{
			"topic": "t", "partition": 0., "offset": 0., "key": "k0", "value": 0., "timestamp": now.Format(api.TimeFormat), "attempt": 1., "deliveries": 1.,
			"expires_at": now.Add(45 * time.Second).Format(api.TimeFormat), "expires_in_ms": 45_000.,
		}
		if d := cmp.Diff(want, got[0]); d != "" || receipt == "" || len(receipt) > 128 {
			t.Errorf("leased with receipt %q:\n%s", receipt, d)
		}
		if a := h.post("/v1/groups/g/lease", ``).is(200); a.body != "{\"records\":[]}\n" {
			t.Errorf("nothing is %q", a.body)
		}
		made := into[api.LeaseResponse](h.post("/v1/groups/h/lease?encoding=base64", `{"topics":["t","u"]}`).is(200))
		if d := cmp.Diff([]string{"topics/u", "groups/h"}, made.Created); d != "" && len(made.Created) != 2 {
			t.Errorf("created:\n%s", d)
		}
		if len(made.Records) != 1 || *made.Records[0].ValueBase64 != "MA==" {
			t.Errorf("leased as base64: %+v", made.Records)
		}
	})
}

func TestBadLeases(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		for _, bad := range []string{
			`{"max":0}`, `{"max":-1}`, `{"max":1001}`, `{"max":1e2}`, `{"max":"1"}`, `{"wait":"61s"}`, `{"wait":"-1s"}`, `{"wait":5}`, `{"wait":"0"}`,
			`{"lease":"0s"}`, `{"lease":"999ms"}`, `{"lease":"12h1s"}`, `{"lease":"1ns"}`, `{"max_bytes":-1}`, `{"max_bytes":16777217}`,
			`{"topics":"t"}`, `{"topics":["a/b"]}`, `{"topics":["__t"]}`, `{"member":5}`, `{"member":"` + strings.Repeat("m", lease.MaxMember+1) + `"}`,
			`{"Max":1}`, `{"colour":1}`, `{"max":1,"max":2}`, `[]`, `{`, "\ufeff{}",
			`{"request":5}`, `{"request":""}`, `{"request":"` + strings.Repeat("r", 257) + `"}`, `{"settle":[]}`, `{"settle":{"colour":1}}`, `{"settle":{"ack":["r","r"]}}`,
			`{"settle":{"nack":[{}]}}`, `{"settle":{"publish":[{"topic":"t","records":[{}]}]}}`, `{"settle":{"settle":{}}}`,
		} {
			h.post("/v1/groups/g/lease", bad).problem(400, api.InvalidRequest)
		}
		p := h.post("/v1/groups/g/lease", `{"settle":{"ack":["a"],"publish":[{"topic":"t","records":[{"value":1},{"value":1,"key":5}]}]}}`).problem(400, api.InvalidRequest)
		if !strings.HasPrefix(p.Detail, "settle.publish[0].records[1].key: ") {
			t.Errorf("what is wrong within settle: %q", p.Detail)
		}
		if got := h.totals().Leased; got != 0 {
			t.Errorf("%d leases after refused calls", got)
		}
		h.call("POST", "/v1/groups/g/lease", `{}`, "Content-Type", "application/x-www-form-urlencoded").is(200)
	})
}

func TestLeaseWaits(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		start := time.Now()
		h.post("/v1/groups/g/lease", `{"wait":"20s"}`).is(200)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("waited %v", took)
		}
		got := make(chan answer)
		go func() { got <- h.post("/v1/groups/g/lease", `{"wait":"60s"}`) }()
		time.Sleep(time.Second)
		h.publish("t", `{"value":1}`).is(200)
		if a := into[api.LeaseResponse](<-got); len(a.Records) != 1 {
			t.Errorf("a parked lease gave %+v", a)
		}
		go func() { got <- h.post("/v1/groups/g/lease", `{"wait":"60s"}`) }()
		time.Sleep(time.Second)
		h.broker.Stop()
		a := (<-got).is(200)
		if a.body != "{\"records\":[]}\n" || a.header.Get("Connection") != "close" || time.Since(start) > 23*time.Second {
			t.Errorf("at shutdown: %q, Connection %q, after %v", a.body, a.header.Get("Connection"), time.Since(start))
		}
	})
}

// The leases of a client that went away while its call was parked come back at once, uncounted.
func TestLeaseOfAClientThatIsGone(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		ctx, cancel := context.WithCancel(h.t.Context())
		h.spy.lease = func(group string, req queue.LeaseRequest) ([]queue.Delivery, []string, error) {
			ds, created, err := h.broker.Lease(context.Background(), group, req)
			cancel() // the client leaves as the hand-out is made
			return ds, created, err
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "http://localhost/v1/groups/g/lease", strings.NewReader(`{}`)))
		if w.Code != 503 || len(h.spy.back) != 1 {
			t.Errorf("answered %d %s, gave %d leases back", w.Code, w.Body, len(h.spy.back))
		}
		h.spy.lease = nil
		again := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{}`).is(200)).Records
		if len(again) != 1 || again[0].Attempt != 1 || again[0].Deliveries != 2 {
			t.Errorf("then leased %+v", again)
		}
	})
}

// The same when the answer cannot be written.
func TestLeaseWhoseAnswerIsNotTaken(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		h.serving(Config{}, func(p *pipes) {
			c := p.dial()
			fmt.Fprint(c, "POST /v1/groups/g/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
			time.Sleep(DefaultWriteTimeout - time.Second) // nobody reads: net.Pipe has no buffer
			if got := h.totals().Leased; got != 1 {
				t.Errorf("%d leases while the answer is under way", got)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if len(h.spy.back) != 1 || h.totals().Leased != 0 {
				t.Errorf("gave %d leases back, %d are out", len(h.spy.back), h.totals().Leased)
			}
			c.Close()
		})
	})
}

func TestLeaseOfAConnectionThatCloses(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		h.serving(Config{}, func(p *pipes) {
			c := p.dial()
			fmt.Fprint(c, "POST /v1/groups/g/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"wait\":\"60s\"}")
			time.Sleep(30 * time.Second) // longer than the limit for bodies
			h.publish("t", `{"value":1}`).is(200)
			synctest.Wait()
			if got := h.totals().Leased; got != 1 {
				t.Errorf("%d leases: a parked call did not outlive the deadline for its body", got)
			}
			c.Close()
			synctest.Wait()
			if got := h.totals(); got.Leased != 0 || got.Available != 1 {
				t.Errorf("after the client left: %+v", got)
			}
		})
	})
}

func TestSettle(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(5)
		r := h.take(5)
		a := h.post("/v1/groups/g/settle", fmt.Sprintf(
			`{"ack":[%q],"nack":[{"receipt":%q,"delay":"0s","error":"boom"}],"release":[%q],"reject":[{"receipt":%q,"error":{"type":"T","message":"m","stack":"s","fingerprint":"f"}}],"extend":[{"receipt":%q,"for":"5m"}]}`,
			r[0], r[1], r[2], r[3], r[4])).is(200)
		if a.body != "{\"settled\":5}\n" {
			t.Errorf("settled: %s", a.body)
		}
		if got := h.totals(); got.Lag != 3 || got.Leased != 1 || got.DeadLetters != 1 {
			t.Errorf("totals %+v", got)
		}
		a = h.post("/v1/groups/g/settle", fmt.Sprintf(`{"ack":[%q,"forged\u0000"]}`, r[4])).is(200)
		if a.body != `{"settled":1,"failed":[{"receipt":"forged\u0000","code":"invalid_receipt"}]}`+"\n" {
			t.Errorf("one of two: %s", a.body)
		}
		p := h.post("/v1/groups/g/settle", fmt.Sprintf(`{"nack":[{"receipt":%q}],"release":["x"]}`, r[0])).problem(409, api.AlreadySettled)
		if len(p.Failed) != 2 || p.Failed[0] != (api.SettleFailure{Receipt: r[0], Code: api.AlreadySettled}) || p.Failed[1].Code != api.InvalidReceipt {
			t.Errorf("failed %+v", p.Failed)
		}
		for _, empty := range []string{``, `{}`, `{"ack":[]}`, `{"ack":null,"publish":null,"request":null}`} {
			if a := h.post("/v1/groups/g/settle", empty).is(200); a.body != "{\"settled\":0}\n" {
				t.Errorf("%q: %s", empty, a.body)
			}
		}
	})
}

func TestBadSettles(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		r := h.take(1)[0]
		for _, bad := range []string{
			`{"ack":"r"}`, `{"ack":[5]}`, `{"ack":[null]}`, `{"ack":[{"receipt":"r"}]}`, `{"nack":["r"]}`, `{"nack":[{}]}`, `{"nack":[{"receipt":""}]}`, `{"nack":[{"receipt":"r","for":"1s"}]}`,
			`{"nack":[{"receipt":"r","delay":"-1s"}]}`, `{"nack":[{"receipt":"r","delay":"366d"}]}`, `{"nack":[{"receipt":"r","error":5}]}`, `{"nack":[{"receipt":"r","error":{"x":1}}]}`,
			`{"reject":[{"receipt":"r","delay":"1s"}]}`, `{"extend":[{"receipt":"r","for":"0s"}]}`, `{"extend":[{"receipt":"r","for":"13h"}]}`, `{"extend":[{"receipt":"r","error":"x"}]}`,
			`{"release":[{"receipt":"r"}]}`, `{"Ack":[]}`,
			`{"request":""}`, `{"request":5}`, `{"request":"` + strings.Repeat("x", 257) + `"}`, `{"publish":{}}`, `{"publish":[{}]}`, `{"publish":[{"topic":"t"}]}`, `{"publish":[{"topic":"t","records":[]}]}`,
			`{"publish":[{"records":[{"value":1}]}]}`, `{"publish":[{"topic":"a/b","records":[{"value":1}]}]}`, `{"publish":[{"topic":"__t","records":[{"value":1}]}]}`, `{"publish":[{"topic":"t","records":[{}]}]}`,
			`{"publish":[{"topic":"t","records":[{"value":1,"partition":0,"priority":0}]}]}`, `{"publish":[{"topic":"t","records":[{"value":1}],"wait":"1s"}]}`, `{"publish":[{"topic":5,"records":[{"value":1}]}]}`,
			`{"ack":["` + r + `","` + r + `"]}`, `{"ack":["` + r + `"],"nack":[{"receipt":"` + r + `"}]}`,
		} {
			h.post("/v1/groups/g/settle", bad).problem(400, api.InvalidRequest)
		}
		for verb, bad := range map[string][]string{
			"ack":     {``, `{}`, `{"receipt":null}`, `{"receipt":"r","receipts":["s"]}`, `{"receipt":5}`, `{"receipt":"r","delay":"1s"}`, `{"receipt":"r","error":"x"}`, `{"receipt":"r","for":"1s"}`, `{"receipt":"r","request":"x"}`, `{"receipt":"r","publish":[]}`, `{"receipts":["` + r + `","` + r + `"]}`},
			"nack":    {`{"receipt":"r","for":"1s"}`, `{"receipt":"r","delay":"x"}`},
			"release": {`{"receipt":"r","error":"x"}`},
			"reject":  {`{"receipt":"r","delay":"1s"}`},
			"extend":  {`{"receipt":"r","delay":"1s"}`, `{"receipt":"r","for":"0s"}`},
		} {
			for _, body := range bad {
				h.post("/v1/groups/g/"+verb, body).problem(400, api.InvalidRequest)
			}
		}
		many := `{"ack":["` + strings.Repeat(`x","`, maxSettle) + `x"]}`
		h.post("/v1/groups/g/settle", many).problem(413, api.RequestTooLarge)
		if got := h.totals(); got.Leased != 1 {
			t.Errorf("totals %+v", got)
		}
		h.post("/v1/groups/g/ack", `{"receipts":[]}`).is(200)
	})
}

func TestVerbsTakeTheirFields(t *testing.T) {
	inBubble(t, func(h *house) {
		l := testLimits()
		minute := time.Minute
		for _, tt := range []struct {
			verb, body string
			want       []queue.Action
		}{
			{"ack", `{"receipt":"a"}`, []queue.Action{{Receipt: "a", Verb: lease.Ack}}},
			{"ack", `{"receipts":["a","b"]}`, []queue.Action{{Receipt: "a", Verb: lease.Ack}, {Receipt: "b", Verb: lease.Ack}}},
			{"nack", `{"delay":"1m","receipt":"a","error":"x"}`, []queue.Action{{Receipt: "a", Verb: lease.Nack, Delay: &minute, Error: &queue.WorkerError{Message: "x"}}}},
			{"nack", `{"receipt":"a","delay":null,"error":null}`, []queue.Action{{Receipt: "a", Verb: lease.Nack}}},
			{"release", `{"receipt":"a"}`, []queue.Action{{Receipt: "a", Verb: lease.Release}}},
			{"reject", `{"receipt":"a","error":{"type":"t","message":null}}`, []queue.Action{{Receipt: "a", Verb: lease.Reject, Error: &queue.WorkerError{Type: "t"}}}},
			{"extend", `{"receipt":"a","for":"1m"}`, []queue.Action{{Receipt: "a", Verb: lease.Extend, For: minute}}},
		} {
			for _, v := range verbs {
				if v.name != tt.verb {
					continue
				}
				s := newScanner([]byte(tt.body))
				got := v.read(s, l).Actions
				if d := cmp.Diff(tt.want, got); d != "" || s.done() != nil {
					t.Errorf("%s %s: %v\n%s", tt.verb, tt.body, s.done(), d)
				}
			}
		}
	})
}
