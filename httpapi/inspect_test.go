package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// records returns the places and attempts that a group lists in a state, page by page.
func (h *house) records(state string, limit int) string {
	h.t.Helper()
	var out []string
	for cursor := ""; ; {
		list := into[api.GroupRecordList](h.get(fmt.Sprintf("/v1/groups/g/records?state=%s&limit=%d%s", state, limit, cursor)).is(200))
		for _, r := range list.Items {
			if r.State != state {
				h.t.Errorf("state %s among those of %s", r.State, state)
			}
			out = append(out, fmt.Sprintf("%s/%d/%d:%d", r.Topic, r.Partition, r.Offset, r.Attempt))
		}
		if list.NextCursor == "" || len(out) > 100 {
			return strings.Join(out, " ")
		}
		cursor = "&cursor=" + list.NextCursor
	}
}

func TestGroupRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/a", `{"partitions":1}`).is(201)
		h.put("/v1/topics/b", `{"partitions":2}`).is(201)
		h.put("/v1/groups/g", `{"topics":["b","a"]}`).is(201)
		if got := h.get("/v1/groups/g/records?state=leased").is(200).body; got != "{\"items\":[]}\n" {
			t.Errorf("no records: %s", got)
		}
		h.publish("a", `{"records":[{"value":1,"key":"k"},{"value":2,"key_base64":"/w=="}]}`).is(200)
		h.publish("b", `{"records":[{"value":3,"partition":0},{"value":4,"partition":1},{"value":5,"partition":1}]}`).is(200)
		all := "a/0/0:1 a/0/1:1 b/0/0:1 b/1/0:1 b/1/1:1"
		for limit := 1; limit <= 6; limit++ {
			if got := h.records("available", limit); got != all {
				t.Errorf("available by %d: %s", limit, got)
			}
		}
		start := time.Now().UTC()
		leased := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"max":9,"member":"w","topics":["a"]}`).is(200)).Records
		h.post("/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q,"delay":"1h","error":"boom"}`, leased[1].Receipt)).is(200)
		key, base := "k", "/w=="
		at := func(d time.Duration) *api.Time { return new(api.Time(start.Add(d))) }
		times := cmp.Comparer(func(a, b api.Time) bool { return time.Time(a).Equal(time.Time(b)) })
		want := []api.GroupRecord{{
			Topic: "a", Key: &key, State: "leased", Attempt: 1, Deliveries: 1, Member: "w", LeasedAt: at(0), ExpiresAt: at(30 * time.Second),
			Why: api.Why{Code: "lease", Detail: `member "w" holds it until 2000-01-01T00:00:30Z`},
		}}
		if d := cmp.Diff(want, into[api.GroupRecordList](h.get("/v1/groups/g/records?state=leased").is(200)).Items, times); d != "" {
			t.Errorf("leased:\n%s", d)
		}
		want = []api.GroupRecord{{
			Topic: "a", Offset: 1, KeyBase64: &base, State: "deferred", Attempt: 2, Deliveries: 1, DueAt: at(time.Hour), Error: "boom",
			Why: api.Why{Code: "backoff", Detail: "its next attempt is due at 2000-01-01T01:00:00Z"},
		}}
		if d := cmp.Diff(want, into[api.GroupRecordList](h.get("/v1/groups/g/records?state=deferred").is(200)).Items, times); d != "" {
			t.Errorf("deferred:\n%s", d)
		}
		if got := h.records("available", 2); got != "b/0/0:1 b/1/0:1 b/1/1:1" {
			t.Errorf("available: %s", got)
		}
		h.post("/v1/groups/g/lease", `{"topics":["b"]}`).is(200)
		nobody := api.Why{Code: "lease", Detail: "it is leased until 2000-01-01T00:00:30Z"}
		if got := into[api.GroupRecordList](h.get("/v1/groups/g/records?state=leased").is(200)).Items; len(got) != 2 || got[1].Why != nobody {
			t.Errorf("leased by somebody without a name: %+v", got)
		}
		h.get("/v1/groups/absent/records?state=leased").problem(404, api.GroupNotFound)
	})
}

func TestGroupRecordQueries(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(3)
		cursor := into[api.GroupRecordList](h.get("/v1/groups/g/records?state=available&limit=1").is(200)).NextCursor
		h.put("/v1/groups/h", `{"topics":["t"]}`).is(201)
		for _, bad := range []string{
			"g/records", "g/records?state=", "g/records?state=settled", "g/records?state=leased&state=leased", "g/records?state=leased&limit=0", "g/records?state=leased&limit=1001",
			"g/records?state=leased&topic=t", "g/records?state=leased&cursor=" + cursor, "h/records?state=available&cursor=" + cursor, "g/records?state=available&cursor=" + cursor[1:],
			"g/records/t/0/-1", "g/records/t/x/0", "g/records/t/0/1e3", "g/records/__t/0/0?x=1", "g/records/a%2Fb/0/0", "g/records/t/0/0?state=leased",
		} {
			h.get("/v1/groups/"+bad).problem(400, api.InvalidRequest)
		}
		list := "groups/g/records?state=available"
		for _, at := range []string{"t", "t/0", "t/0/0/0", "t/+0/0", "t/0/-1", "a b/0/0", "t/0/99999999999999999999"} {
			h.get("/v1/groups/g/records?state=available&cursor="+cursorOf(list, at)).problem(400, api.InvalidRequest)
		}
		h.get("/v1/groups/g/records?state=available&cursor=" + cursorOf(list, "absent/7/5")).is(200)
		for path, code := range map[string]api.Code{
			"absent/records/t/0/0": api.GroupNotFound, "g/records/absent/0/0": api.TopicNotFound, "g/records/t/1/0": api.PartitionNotFound, "g/records/t/0/3": api.RecordNotFound,
		} {
			h.get("/v1/groups/"+path).problem(404, code)
			h.post("/v1/groups/"+path+"/ack", ``).problem(404, code)
		}
		h.put("/v1/topics/u", `{"partitions":1}`).is(201)
		h.publish("u", `{"value":1}`).is(200)
		h.get("/v1/groups/g/records/u/0/0").problem(404, api.TopicNotFound) // it does not read it
	})
}

func cursorOf(list, at string) string { return cursor{list: list, at: at}.String() }

func TestGroupRecord(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(2)
		h.put("/v1/groups/g", `{"ordering":"key","backoff":{"steps":["1m"]}}`).is(200)
		h.publish("t", `{"value":2,"key":"k0"}`).is(200)
		get := func(offset int) api.GroupRecordDetail {
			t.Helper()
			return into[api.GroupRecordDetail](h.get(fmt.Sprintf("/v1/groups/g/records/t/0/%d", offset)).is(200))
		}
		if got := get(0); got.State != "available" || got.Why.Code != "nothing" || got.Why.Detail == "" || got.Why.Offset != nil || got.Attempt != 1 {
			t.Errorf("a new record: %+v", got)
		}
		start := time.Now()
		receipt := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"member":"w","lease":"5m"}`).is(200)).Records[0].Receipt
		if got := get(0); got.State != "leased" || got.Why.Code != "lease" || got.Member != "w" {
			t.Errorf("a leased record: %+v", got)
		}
		if got := get(2); got.State != "available" || got.Why.Code != "key" || got.Why.Offset == nil || *got.Why.Offset != 0 {
			t.Errorf("a record behind its key: %+v", got)
		}
		time.Sleep(1500 * time.Millisecond)
		h.post("/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q,"error":{"type":"T","message":"boom","stack":"at x","fingerprint":"f"}}`, receipt)).is(200)
		got := get(0)
		want := []api.Attempt{{
			Attempt: 1, Delivery: 1, At: api.Time(start), TookMS: 1500, Member: "w", Outcome: "nacked",
			Error: &api.WorkerError{Type: "T", Message: "boom", Stack: "at x", Fingerprint: "f"},
		}}
		times := cmp.Comparer(func(a, b api.Time) bool { return time.Time(a).Equal(time.Time(b)) })
		if d := cmp.Diff(want, got.History, times); d != "" || got.State != "deferred" || got.Why.Code != "backoff" || got.DueAt == nil || got.Error != "boom" {
			t.Errorf("a deferred record: %+v\n%s", got, d)
		}
		h.post("/v1/groups/g/pause", ``).is(200)
		if got := get(1); got.Why.Code != "paused" {
			t.Errorf("a record of a paused group: %+v", got)
		}
		h.post("/v1/groups/g/resume", ``).is(200)
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, h.take(1)[0])).is(200)
		if got := get(1); got.State != "settled" || got.Why.Code != "settled" {
			t.Errorf("a settled record: %+v", got)
		}
	})
}

func TestSettleByPlace(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(3)
		at := func(offset int, verb string) string {
			return fmt.Sprintf("/v1/groups/g/records/t/0/%d/%s", offset, verb)
		}
		r := h.take(2)
		h.post("/v1/groups/g/nack", fmt.Sprintf(`{"receipt":%q,"delay":"1h"}`, r[1])).is(200)
		for _, offset := range []int{0, 1} { // a lease ends, a backoff is over
			if got := h.post(at(offset, "release"), ``).is(200).body; got != "{\"settled\":1}\n" {
				t.Errorf("release: %s", got)
			}
		}
		if got := h.totals(); got.Available != 3 {
			t.Errorf("after release: %+v", got)
		}
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, h.take(1)[0])).is(200)
		h.post(at(1, "ack"), `{}`).is(200)
		h.post(at(2, "reject"), ``).is(200)
		if got := h.totals(); got.Lag != 0 || got.DeadLetters != 1 {
			t.Errorf("after ack and reject: %+v", got)
		}
		for offset := range 3 {
			for _, verb := range []string{"release", "ack", "reject"} {
				h.post(at(offset, verb), ``).problem(409, api.AlreadySettled)
			}
		}
		h.post(at(0, "ack"), `{"error":"x"}`).problem(400, api.InvalidRequest)
		h.post(at(0, "ack")+"?force=true", ``).problem(400, api.InvalidRequest)
		h.post(at(0, "nack"), ``).problem(404, api.NotFound)
		h.get(at(0, "ack")).problem(405, api.MethodNotAllowed)
	})
}

func TestReset(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		for i := range 10 {
			h.publish("t", fmt.Sprintf(`{"value":%d}`, i)).is(200)
			time.Sleep(time.Minute)
		}
		reset := func(body string) string {
			t.Helper()
			var out []string
			for _, p := range into[api.ResetResponse](h.post("/v1/groups/g/reset", body).is(200)).Partitions {
				out = append(out, fmt.Sprintf("%s/%d:%d>%d", p.Topic, p.Partition, p.From, p.To))
			}
			return strings.Join(out, " ")
		}
		r := h.take(4)
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipts":[%q,%q,%q]}`, r[0], r[1], r[2])).is(200)
		before := h.totals()
		for _, tt := range []struct{ body, want string }{
			{`{"to":"earliest","dry_run":true}`, "t/0:3>0"},
			{`{"to":"latest","dry_run":true}`, "t/0:3>10"},
			{`{"to":"offset:7","dry_run":true,"topics":["t"],"partition":0}`, "t/0:3>7"},
			{`{"to":"offset:9223372036854775807","dry_run":true,"force":true}`, "t/0:3>10"},
			{`{"to":"-3m","dry_run":true,"topics":null,"partition":null,"force":null}`, "t/0:3>7"},
			{`{"to":"-150s","dry_run":true}`, "t/0:3>8"},
			{`{"to":"-0s","dry_run":true}`, "t/0:3>10"},
			{`{"to":"-7d","dry_run":true}`, "t/0:3>0"},
			{`{"to":"0001-01-01T00:00:00Z","dry_run":true}`, "t/0:3>0"},
			{`{"to":"` + time.Now().Add(-5*time.Minute).UTC().Format(time.RFC3339) + `","dry_run":true}`, "t/0:3>5"},
		} {
			if got := reset(tt.body); got != tt.want || h.totals() != before {
				t.Errorf("%s: %s, want %s; totals %+v", tt.body, got, tt.want, h.totals())
			}
		}
		if got := reset(`{"to":"earliest"}`); got != "t/0:3>0" || h.totals() != (api.GroupTotals{Lag: 10, Available: 10}) {
			t.Errorf("reset to earliest: %s, %+v", got, h.totals())
		}
		h.post("/v1/groups/g/ack", fmt.Sprintf(`{"receipt":%q}`, r[3])).problem(409, api.LeaseLost)
		if got := reset(`{"to":"latest","dry_run":false}`); got != "t/0:0>10" || h.totals().Lag != 0 {
			t.Errorf("reset to latest: %s, %+v", got, h.totals())
		}
		h.put("/v1/groups/none", ``).is(201)
		if got := h.post("/v1/groups/none/reset", `{"to":"latest"}`).is(200).body; got != "{\"partitions\":[]}\n" {
			t.Errorf("a group without topics: %s", got)
		}
	})
}

func TestBadResets(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		for _, bad := range []string{
			``, `{}`, `{"to":null}`, `{"to":5}`, `{"to":""}`, `{"to":"bogus"}`, `{"to":"Earliest"}`, `{"to":"offset:"}`, `{"to":"offset:-1"}`, `{"to":"offset:+1"}`, `{"to":"offset:x"}`, `{"to":"offset:1.5"}`,
			`{"to":"offset:9223372036854775808"}`, `{"to":"-"}`, `{"to":"-1"}`, `{"to":"--1h"}`, `{"to":"1h"}`, `{"to":"-999999d"}`, `{"to":"2026-01-02"}`,
			`{"to":"latest","colour":1}`, `{"to":"latest","partition":-1}`, `{"to":"latest","partition":"0"}`, `{"to":"latest","topics":[]}`, `{"to":"latest","topics":"t"}`, `{"to":"latest","topics":["a/b"]}`,
			`{"to":"latest","dry_run":1}`, `{"to":"latest","force":"x"}`, `{"to":"latest","to":"latest"}`,
		} {
			h.post("/v1/groups/g/reset", bad).problem(400, api.InvalidRequest)
		}
		h.post("/v1/groups/g/reset?dry_run=true", `{"to":"latest"}`).problem(400, api.InvalidRequest)
		h.post("/v1/groups/absent/reset", `{"to":"latest"}`).problem(404, api.GroupNotFound)
		h.post("/v1/groups/g/reset", `{"to":"latest","topics":["absent"]}`).problem(404, api.TopicNotFound)
		h.post("/v1/groups/g/reset", `{"to":"latest","partition":7}`).problem(404, api.PartitionNotFound)
		if got := h.totals(); got.Available != 1 {
			t.Errorf("after refused resets: %+v", got)
		}
	})
}

// FuzzReset: what is taken says where to go in exactly one way.
func FuzzReset(f *testing.F) {
	for _, body := range []string{`{"to":"earliest"}`, `{"to":"offset:17","partition":3}`, `{"to":"-1.5h","topics":["t"]}`, `{"to":"2026-01-02T15:04:05+01:00","dry_run":true}`} {
		f.Add([]byte(body))
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newScanner(body)
		req := readReset(s, now)
		if err := s.done(); err != nil {
			if got := faultOf(err).status; got != 400 {
				t.Fatalf("%q: %d %v", body, got, err)
			}
			return
		}
		ways := 0
		for _, given := range []bool{req.To.Earliest, req.To.Latest, !req.To.Time.IsZero(), req.To.Offset > 0} {
			if given {
				ways++
			}
		}
		if ways > 1 || req.To.Offset < 0 || req.Partition != nil && *req.Partition < 0 || req.Topics != nil && len(req.Topics) == 0 {
			t.Errorf("%q is taken as %+v", body, req)
		}
	})
}

// FuzzPlace: the place of a cursor is what a list would write.
func FuzzPlace(f *testing.F) {
	f.Add("t/0/17")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parsePlace(text)
		switch {
		case err != nil:
		case text == "" && at != (queue.GroupPlace{}):
			t.Errorf("nothing is read as %+v", at)
		case at.Partition < 0 || at.Offset < 0:
			t.Errorf("%q is read as %+v", text, at)
		case text != "":
			if again, err := parsePlace(placeText(at)); err != nil || again != at {
				t.Errorf("%q is read as %+v, then %+v, %v", text, at, again, err)
			}
		}
	})
}

// An operator moves a deadline; the worker's receipt stays good.
func TestExtendByPlace(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"],"lease":"10s"}`).is(201)
		h.publish("t", `{"records":[{"value":1},{"value":2}]}`).is(200)
		held := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{"member":"w"}`)).Records[0]
		time.Sleep(9 * time.Second)
		got := into[api.ExtendedRecord](h.post("/v1/groups/g/records/t/0/0/extend", `{"for":"1m"}`).is(200))
		if left := time.Until(time.Time(got.ExpiresAt)); left != time.Minute {
			t.Errorf("%v are left", left)
		}
		time.Sleep(50 * time.Second)
		h.post("/v1/groups/g/records/t/0/0/extend", ``).is(200) // the group's own lease
		time.Sleep(9 * time.Second)
		if d := into[api.GroupRecordDetail](h.get("/v1/groups/g/records/t/0/0")); d.State != "leased" || d.Attempt != 1 || d.Member != "w" {
			t.Errorf("%+v", d)
		}
		h.post("/v1/groups/g/ack", `{"receipt":"`+held.Receipt+`"}`).is(200)
		h.post("/v1/groups/g/records/t/0/0/extend", `{}`).problem(409, api.AlreadySettled)
		h.post("/v1/groups/g/records/t/0/1/extend", `{}`).problem(409, api.LeaseLost) // nobody holds it
		h.post("/v1/groups/g/records/t/0/2/extend", `{}`).problem(404, api.RecordNotFound)
		for _, bad := range []string{`{"for":"0s"}`, `{"for":"13h"}`, `{"for":1}`, `{"until":"1m"}`} {
			h.post("/v1/groups/g/records/t/0/1/extend", bad).problem(400, api.InvalidRequest)
		}
	})
}

func TestWhyWithoutTheRecordThatIsInTheWay(t *testing.T) {
	for behind, want := range map[queue.Offset]*int64{0: new(int64(0)), 7: new(int64(7)), -1: nil} {
		var r queue.GroupRecord
		r.Why.Code, r.Why.Behind = whyKey, behind
		if diff := cmp.Diff(want, wireGroupRecord(&r).Why.Offset); diff != "" {
			t.Errorf("behind %d (−want +got):\n%s", behind, diff)
		}
	}
}
