package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// ends returns the end offsets of a topic's partitions, added up.
func (h *house) ends(topic string) (n int64) {
	h.t.Helper()
	for _, p := range into[api.Topic](h.get("/v1/topics/" + topic).is(200)).Partitions {
		n += p.EndOffset
	}
	return n
}

func TestSettleWithPublish(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(3)
		h.put("/v1/topics/out", `{"partitions":1}`).is(201)
		r := h.take(3)
		now := time.Now().UTC().Format(api.TimeFormat)
		a := h.post("/v1/groups/g/settle", fmt.Sprintf(
			`{"ack":[%q],"publish":[{"topic":"out","records":[{"value": {"a" : 1},"key":"k"},{"text":"x"}]},{"records":[{"value":3,"partition":0}],"topic":"new"}]}`, r[0])).is(200)
		place := func(offset int) string { return fmt.Sprintf(`{"partition":0,"offset":%d,"timestamp":%q}`, offset, now) }
		want := `{"settled":1,"records":[[` + place(0) + "," + place(1) + "],[" + place(0) + `]],"created":["topics/new"]}` + "\n"
		if a.body != want {
			t.Errorf("settled: %s, want %s", a.body, want)
		}
		if got := h.get("/v1/topics/out/partitions/0/records/0").is(200).body; !strings.Contains(got, `"key":"k","value":{"a" : 1}`) {
			t.Errorf("published: %s", got)
		}
		// All or nothing, and a refused call makes no topic.
		p := h.post("/v1/groups/g/settle", fmt.Sprintf(`{"ack":[%q,%q],"publish":[{"topic":"newer","records":[{"value":1}]}]}`, r[1], r[0])).problem(409, api.AlreadySettled)
		if len(p.Failed) != 1 || p.Failed[0].Receipt != r[0] {
			t.Errorf("failed %+v", p.Failed)
		}
		h.post("/v1/groups/g/settle", fmt.Sprintf(`{"ack":[%q],"publish":[{"topic":"out","records":[{"value":1,"partition":7}]}]}`, r[1])).problem(404, api.PartitionNotFound)
		h.get("/v1/topics/newer").is(404)
		if got := h.totals(); got.Leased != 2 || h.ends("out") != 2 {
			t.Errorf("after refused calls: %+v, %d records", got, h.ends("out"))
		}
		if a := h.post("/v1/groups/g/settle", `{"publish":[{"topic":"out","records":[{"value":1}]}]}`).is(200); h.ends("out") != 3 {
			t.Errorf("publish without receipts: %s", a.body)
		}
		many := `{"publish":[{"topic":"out","records":[` + strings.Repeat(`{"value":1},`, 10_000) + `{"value":1}]}]}`
		h.post("/v1/groups/g/settle", many).problem(413, api.RequestTooLarge)
	})
}

func TestSettleRequestIsRemembered(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(2)
		h.put("/v1/topics/out", `{"partitions":1}`).is(201)
		r := h.take(2)
		request := func(key string) string {
			return fmt.Sprintf(`{"ack":[%q],"publish":[{"topic":"out","records":[{"value":1},{"value":2,"delay":"1h"}]}],"request":%q}`, r[0], key)
		}
		body := request(strings.Repeat("k", 256))
		first := h.post("/v1/groups/g/settle", body).is(200)
		time.Sleep(9 * time.Minute)
		if again := h.post("/v1/groups/g/settle", body).is(200); again.body != first.body || h.ends("out") != 1 {
			t.Errorf("the same request: %s, was %s; %d records", again.body, first.body, h.ends("out"))
		}
		h.post("/v1/groups/g/settle", request(strings.Repeat("k", 255))).problem(409, api.AlreadySettled)
		time.Sleep(2 * time.Minute)
		h.post("/v1/groups/g/settle", body).problem(409, api.AlreadySettled)
	})
}

// The records of a settle whose outcome is unknown may still be at work: their bytes are not used again.
func TestBytesOfAFailedSettleAreLeftAlone(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		for name, call := range map[string]string{"settle": "%s", "lease": `{"settle":%s}`} {
			var kept []queue.Message
			h.spy.settle = func(req queue.SettleRequest) error {
				if kept == nil {
					kept = req.Publish[0].Messages
					return queue.ErrUnknown
				}
				return errors.New("no more")
			}
			h.post("/v1/groups/g/"+name, fmt.Sprintf(call, `{"publish":[{"topic":"t","records":[{"value":"first"}]}]}`)).problem(503, api.Unavailable)
			for range 100 {
				h.post("/v1/groups/g/"+name, fmt.Sprintf(call, `{"publish":[{"topic":"t","records":[{"value":"other"}]}]}`)).is(500)
			}
			if len(kept) != 1 || string(kept[0].Value) != `"first"` {
				t.Errorf("%s: the record became %+v", name, kept)
			}
		}
	})
}

func TestLeaseCarriesASettle(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(4)
		r := h.take(2)
		lease := func(format string, args ...any) api.LeaseResponse {
			t.Helper()
			return into[api.LeaseResponse](h.post("/v1/groups/g/lease", fmt.Sprintf(format, args...)).is(200))
		}
		got := lease(`{"max":1,"settle":{"ack":[%q],"release":[%q]}}`, r[0], r[1])
		if got.Settle == nil || got.Settle.Settled != 2 || len(got.Records) != 1 || got.Records[0].Offset != 1 {
			t.Errorf("leased %+v", got)
		}
		start := time.Now()
		got = lease(`{"max":9,"wait":"60s","settle":{"ack":["forged"]}}`)
		if got.Settle == nil || got.Settle.Settled != 0 || len(got.Settle.Failed) != 1 || got.Settle.Failed[0].Code != api.InvalidReceipt || len(got.Records) != 2 {
			t.Errorf("with a failure leased %+v", got)
		}
		got = lease(`{"wait":"60s","settle":{"nack":[{"receipt":"forged"}]}}`)
		if len(got.Records) != 0 || time.Since(start) != 0 {
			t.Errorf("with a failure and nothing there: %+v after %v", got, time.Since(start))
		}
		got = lease(`{"wait":"60s","topics":["t"],"settle":{"publish":[{"topic":"out","records":[{"value":1}]}]}}`)
		if got.Settle == nil || len(got.Settle.Records) != 1 || len(got.Settle.Records[0]) != 1 || time.Since(start) != 0 {
			t.Errorf("with publish: %+v after %v", got, time.Since(start))
		}
		if a := h.post("/v1/groups/g/lease", `{"settle":{}}`).is(200); a.body != `{"records":[],"settle":{"settled":0}}`+"\n" {
			t.Errorf("an empty settle: %s", a.body)
		}
		if a := h.post("/v1/groups/g/lease", `{"settle":null,"request":null}`).is(200); a.body != "{\"records\":[]}\n" {
			t.Errorf("no settle: %s", a.body)
		}
		lease(`{"wait":"5s","settle":{"extend":[]}}`)
		if time.Since(start) != 5*time.Second {
			t.Errorf("with a settle that went well it waited %v", time.Since(start))
		}
		h.post("/v1/groups/g/lease", `{"settle":{"ack":["`+strings.Repeat(`x","`, maxSettle)+`x"]}}`).problem(413, api.RequestTooLarge)
	})
}

func TestCreatedByALeaseWithASettle(t *testing.T) {
	inBubble(t, func(h *house) {
		got := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"topics":["in"],"settle":{"publish":[{"topic":"out","records":[{"value":1}]}]}}`).is(200))
		if fmt.Sprint(got.Created) != "[topics/out topics/in groups/g]" || got.Settle == nil || got.Settle.Created != nil {
			t.Errorf("created %v, within settle %+v", got.Created, got.Settle)
		}
	})
}

func TestLeaseRequestIsRemembered(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(3)
		first := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"max":2,"request":"r"}`).is(200))
		again := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"max":2,"request":"r"}`).is(200))
		if len(first.Records) != 2 || len(again.Records) != 2 || first.Records[0].Receipt != again.Records[0].Receipt || first.Records[1].Receipt != again.Records[1].Receipt {
			t.Errorf("leased %+v, then %+v", first, again)
		}
	})
}

// FuzzLease: what is taken as a lease, and as the settle within it, keeps to the limits.
func FuzzLease(f *testing.F) {
	for _, body := range []string{
		`{"max":3,"wait":"1s","topics":["t"],"request":"r","settle":{"ack":["a"],"nack":[{"receipt":"b","delay":"1s","error":{"type":"T"}}],"extend":[{"receipt":"c","for":"1m"}]}}`,
		`{"settle":{"publish":[{"topic":"t","records":[{"value":1},{"text":"x","id":"i"}]},{"records":[{"tombstone":true}],"topic":"u"}],"request":"k","release":["r"],"reject":null}}`,
	} {
		f.Add([]byte(body))
	}
	limits := testLimits()
	limits.MaxPublish = 3
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newScanner(body)
		call := readLease(s, limits)
		if err := s.done(); err != nil {
			if faultOf(err).status >= 500 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if call.req.Max < 1 || call.req.Max > 1000 || call.req.Wait < 0 || call.req.Wait > limits.MaxWait || len(call.req.Request) > 256 {
			t.Errorf("%q is taken as %+v", body, call.req)
		}
		if call.settle == nil {
			return
		}
		seen, records := map[string]bool{}, 0
		for _, a := range call.settle.Actions {
			if seen[a.Receipt] {
				t.Errorf("%q: the receipt %q is taken twice", body, a.Receipt)
			}
			seen[a.Receipt] = true
		}
		for _, p := range call.settle.Publish {
			records += len(p.Messages)
			if p.Topic == "" || len(p.Messages) == 0 {
				t.Errorf("%q: taken with %+v", body, p)
			}
		}
		if records > 3 {
			t.Errorf("%q: %d records are taken", body, records)
		}
	})
}
