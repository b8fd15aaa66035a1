package blackbox_test

import (
	"fmt"
	"strings"
	"testing"
)

const maxBody = 16 << 20

// Each limit holds at its edge and is refused one past it.
func TestRecordLimits(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	text := func(n int) obj { return obj{"text": strings.Repeat("x", n)} }
	headers := func(n int) obj {
		all := obj{}
		for i := range n {
			all[fmt.Sprint("h", i)] = ""
		}
		return obj{"value": 1, "headers": all}
	}
	header := func(n int) obj { return obj{"value": 1, "headers": obj{"h": strings.Repeat("x", n)}} }
	for _, good := range []obj{text(1 << 20), {"value": 1, "key": strings.Repeat("k", 4096)}, headers(64), header(15 << 10)} {
		q.publish(q.name, good)
	}
	for _, bad := range []obj{text(1<<20 + 1), {"value": 1, "key": strings.Repeat("k", 4097)}, headers(65), header(16<<10 + 1)} {
		q.post(q.topicPath()+"/records", bad).problem(413, "record_too_large")
	}
	raw := []string{"Content-Type", "text/plain"}
	q.post(q.topicPath()+"/records", make1(1<<20), raw...).is(200)
	q.post(q.topicPath()+"/records", make1(1<<20+1), raw...).problem(413, "record_too_large")
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 5 {
		t.Errorf("%d records are stored, want the 5 good ones", end)
	}
}

func TestMaxRecordBytesOfATopic(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.put(q.topicPath(), obj{"max_record_bytes": 10}).is(200)
	q.publish(q.name, obj{"text": "0123456789"})
	q.post(q.topicPath()+"/records", obj{"text": "0123456789a"}).problem(413, "record_too_large")
	q.put(q.topicPath(), obj{"max_record_bytes": 11}).is(200)
	q.publish(q.name, obj{"text": "0123456789a"})
}

func TestRecordsOfOnePublish(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	lines := strings.Repeat(`{"value":1}`+"\n", 10_000)
	kind := []string{"Content-Type", "application/x-ndjson"}
	q.post(q.topicPath()+"/records", lines+`{"value":1}`, kind...).problem(413, "request_too_large")
	records := make([]obj, 10_001)
	for i := range records {
		records[i] = obj{"value": i}
	}
	q.post(q.topicPath()+"/records", obj{"records": records}).problem(413, "request_too_large")
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 0 {
		t.Errorf("%d records of refused requests are stored", end)
	}
	q.post(q.topicPath()+"/records", lines, kind...).is(200)
	q.publish(q.name, records[:10_000]...)
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	padded := func(n int) string {
		body := `{"value":1}`
		return body + strings.Repeat(" ", n-len(body))
	}
	q.post(q.topicPath()+"/records", padded(maxBody)).is(200)
	q.post(q.topicPath()+"/records", padded(maxBody+1)).problem(413, "request_too_large")
	q.post(q.topicPath()+"/records", make1(maxBody+1), "Content-Type", "text/plain").problem(413, "request_too_large")
	body := strings.Repeat(" ", maxBody-2) + "{}"
	q.post(q.groupPath()+"/settle", body).ok(0)
	q.post(q.groupPath()+"/settle", body+" ").problem(413, "request_too_large")
	q.post(q.groupPath()+"/lease", body+" ").problem(413, "request_too_large")
	q.put(q.topicPath(), body+" ").problem(413, "request_too_large")
	if end := q.topic(q.name).Partitions[0].EndOffset; end != 1 {
		t.Errorf("%d records are stored, want 1", end)
	}
}

func TestLeaseLimits(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1001)
	path := q.groupPath() + "/lease"
	for _, bad := range []string{
		`{"max":1001}`, `{"max":0}`, `{"max":-1}`, `{"max":1.5}`, `{"max":1000000000}`, `{"max":1e400}`, `{"max":"1"}`, `{"max":99999999999999999999}`,
		`{"max_bytes":-1}`, `{"max_bytes":16777217}`, `{"max_bytes":"1"}`, `{"max_bytes":1.5}`, `{"member":5}`, `{"topics":"x"}`, `{"topics":[5]}`,
	} {
		q.post(path, bad).problem(400, "invalid_request")
	}
	if v := q.view(); v.Totals.Leased != 0 {
		t.Errorf("%d leases after refused calls", v.Totals.Leased)
	}
	var l leased
	q.post(path, obj{"max": 1000, "max_bytes": 16 << 20, "lease": "12h"}).is(200).into(&l)
	if len(l.Records) != 1000 {
		t.Errorf("max 1000 gave %d records", len(l.Records))
	}
	q.post(path, nil).is(200).into(&l)
	if len(l.Records) != 1 {
		t.Errorf("the default max gave %d records, want 1", len(l.Records))
	}
}

func TestSettleLimits(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 4)
	got := q.take(4)
	path := q.groupPath()
	for _, bad := range []any{"-1s", "366d", "8761h", "99999999999999h", "x", "5", 5} {
		q.verb("nack", got[0], obj{"delay": bad}).problem(400, "invalid_request")
	}
	for _, bad := range []any{"-1s", "0s", "999ms", "12h1s", "100y", "x", 5} {
		q.verb("extend", got[0], obj{"for": bad}).problem(400, "invalid_request")
	}
	for _, bad := range []string{`{"ack":"r"}`, `{"ack":[5]}`, `{"ack":[null]}`, `{"nack":["r"]}`, `{"nack":[{}]}`, `{"extend":[{"for":"1s"}]}`, `{"release":{}}`, `{"reject":[{"receipt":5}]}`} {
		q.post(path+"/settle", bad).problem(400, "invalid_request")
	}
	if v := q.view(); v.Totals != (totals{Lag: 4, Leased: 4}) {
		t.Errorf("totals %+v after refused calls", v.Totals)
	}
	q.nack(got[0], "365d")
	q.verb("extend", got[1], obj{"for": "12h"}).ok(1)
	q.verb("nack", got[2], obj{"delay": "1h", "error": obj{"type": "T", "message": "m", "stack": strings.Repeat("s", 20<<10), "fingerprint": "f"}}).ok(1)
	q.verb("nack", got[3], obj{"delay": "1h", "error": strings.Repeat("e", 20<<10)}).ok(1)
}

func TestNameLimits(t *testing.T) {
	t.Parallel()
	c := shared(t)
	tag := unique("n")
	pad := func(n int) string { return tag + strings.Repeat("a", n-len(tag)) }
	c.put("/v1/topics/"+pad(200), nil).is(201)
	c.put("/v1/topics/"+pad(201), nil).problem(400, "invalid_request")
	c.put("/v1/groups/"+pad(196), nil).is(201)
	c.put("/v1/groups/"+pad(197), nil).problem(400, "invalid_request")
	for _, good := range []string{tag + "A", tag + "a", tag + ".x", "_" + tag, "9" + tag, tag + "..x", tag + "-"} {
		c.put("/v1/topics/"+good, nil).is(201)
		c.put("/v1/groups/"+good, nil).is(201)
	}
	longest := queue{c, pad(200), pad(196)}
	c.put(longest.groupPath(), obj{"topics": list{longest.name}}).is(200)
	c.publish(longest.name, obj{"value": 1})
	longest.verb("reject", longest.one()).ok(1)
	longest.awaitLetters(1)
}

func TestInfoNamesTheLimits(t *testing.T) {
	t.Parallel()
	body := string(shared(t).get("/v1/info").is(200).body)
	for _, limit := range []string{"16777216", "1048576", "4096", "16384", "10000", "1000"} {
		if !strings.Contains(body, limit) {
			t.Errorf("/v1/info does not name the limit %s: %s", limit, body)
		}
	}
	for _, name := range []string{`"version"`, `"engine"`, `"limits"`} {
		if !strings.Contains(body, name) {
			t.Errorf("/v1/info has no %s: %s", name, body)
		}
	}
}
