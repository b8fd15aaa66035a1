package blackbox_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// murmur2 is the hash of Kafka's clients.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// The vectors are those of Kafka's own UtilsTest.
func TestMurmur2(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestKeysChoosePartitions(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for _, partitions := range []int{1, 4, 7} {
		topic := c.makeTopic(unique("topic"), obj{"partitions": partitions})
		keys := []string{"", "21", "foobar", "a-little-bit-long-string", "abc", "é", "\x00"}
		for i := range 40 {
			keys = append(keys, fmt.Sprint("customer-", i))
		}
		var records []obj
		for _, key := range keys {
			records = append(records, obj{"key": key, "value": 1})
		}
		records = append(records, obj{"key_base64": "/wD+", "value": 1})
		keys = append(keys, "\xff\x00\xfe")
		for i, p := range c.publish(topic, records...).Records {
			if want := int(murmur2([]byte(keys[i]))&0x7fffffff) % partitions; p.Partition != want {
				t.Errorf("key %q of %d partitions went to %d, want %d", keys[i], partitions, p.Partition, want)
			}
		}
	}
}

func TestWithoutKeySpreadsEvenly(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 4, nil)
	const n = 400
	counts := map[int]int{}
	for range n {
		counts[q.publish(q.name, obj{"value": 1}).Records[0].Partition]++
	}
	for p := range 4 {
		if counts[p] < n/4/2 || counts[p] > n/4*2 {
			t.Errorf("%d publishes of one record went to %v, want them spread evenly", n, counts)
			break
		}
	}
	sticky := q.publish(q.name, obj{"value": 1}, obj{"value": 2}, obj{"value": 3}, obj{"value": 4}, obj{"value": 5}).Records
	for _, p := range sticky {
		if p.Partition != sticky[0].Partition {
			t.Errorf("records of one request went to %v, want one partition", sticky)
		}
	}
}

func TestPublishSingle(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, nil)
	var p published
	for want := range int64(3) {
		a := q.post(q.topicPath()+"/records", obj{"value": want, "partition": 1}).is(200)
		a.into(&p)
		if len(p.Records) != 1 || p.Records[0].Partition != 1 || p.Records[0].Offset != want || p.Created != nil {
			t.Errorf("answer %s, want partition 1 offset %d", a.body, want)
		}
	}
	if v := q.topic(q.name); v.Partitions[1].EndOffset != 3 || v.Partitions[1].Bytes <= 0 || v.Partitions[0].EndOffset != 0 {
		t.Errorf("partitions %+v", v.Partitions)
	}
}

func TestPublishCreatesTheTopic(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := unique("new-topic")
	p := c.publish(topic, obj{"value": 1})
	if len(p.Created) != 1 || p.Created[0] != "topics/"+topic {
		t.Errorf("created %v, want topics/%s", p.Created, topic)
	}
	if p := c.publish(topic, obj{"value": 1}); p.Created != nil {
		t.Errorf("created %v for a topic that is there", p.Created)
	}
	if n := len(c.topic(topic).Partitions); n != 4 {
		t.Errorf("%d partitions, the default is 4", n)
	}
}

func TestPublishIsWhole(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 2, obj{})
	q.put(q.topicPath(), obj{"max_record_bytes": 100}).is(200)
	big := string(make1(101))
	for _, tt := range []struct {
		last   string
		status int
		code   string
	}{
		{`{"value":1,"partition":2}`, 404, "partition_not_found"},
		{`{"value":1,"partition":-1}`, 400, "invalid_request"},
		{`{"text":"` + big + `"}`, 413, "record_too_large"},
		{`{"value":1,"colour":2}`, 400, "invalid_request"},
		{`{}`, 400, "invalid_request"},
		{`5`, 400, "invalid_request"},
		{`null`, 400, "invalid_request"},
	} {
		q.post(q.topicPath()+"/records", `{"records":[{"value":1,"partition":0},{"value":2,"partition":1},`+tt.last+`]}`).problem(tt.status, tt.code)
		q.post(q.topicPath()+"/records", `{"value":1,"partition":0}`+"\n"+tt.last+"\n", "Content-Type", "application/x-ndjson").problem(tt.status, tt.code)
	}
	for _, p := range q.topic(q.name).Partitions {
		if p.EndOffset != 0 {
			t.Errorf("partition %d has %d records of refused requests", p.Partition, p.EndOffset)
		}
	}
}

func TestPublishNDJSON(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	kind := []string{"Content-Type", "application/x-ndjson"}
	var p published
	q.post(q.topicPath()+"/records", `{"value":{"a":1}}`+"\n"+`{"text":"two","key":"k"}`+"\r\n"+`{"value":3}`, kind...).is(200).into(&p)
	if len(p.Records) != 3 || p.Records[2].Offset != 2 {
		t.Errorf("places %+v, want three in order", p.Records)
	}
	q.post(q.topicPath()+"/records", `{"value":4}`+"\n", "Content-Type", "application/x-ndjson; charset=utf-8").is(200)
	for _, bad := range []string{`{"value":1}` + "\n" + `{"value":`, `{"value":1} {"value":2}`, `[{"value":1}]`, `{"value":1}` + "\n" + `x`} {
		q.post(q.topicPath()+"/records", bad, kind...).problem(400, "invalid_request")
	}
	all := q.readAll(q.name, 0)
	if len(all) != 4 || string(all[0].Value) != `{"a":1}` || *all[1].Text != "two" || *all[1].Key != "k" || string(all[3].Value) != "4" {
		t.Errorf("log %+v", all)
	}
}

func TestPublishRaw(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 3, nil)
	raw := func(body any, header ...string) wireRecord {
		t.Helper()
		var p published
		q.post(q.topicPath()+"/records", body, header...).is(200).into(&p)
		at := p.Records[0]
		var r wireRecord
		q.get(fmt.Sprintf("%s/partitions/%d/records/%d?encoding=base64", q.topicPath(), at.Partition, at.Offset)).is(200).into(&r)
		return r
	}
	spaced := "{ \"a\" :\n 1.0 }\n"
	for _, kind := range []string{"text/plain", "application/octet-stream", "image/png", "application/xml", ""} {
		for _, body := range []string{spaced, "plain", "\xff\x00\xfe", "", "{\"records\":[1]}"} {
			if r := raw(body, "Content-Type", kind); string(r.bytes()) != body || r.Key != nil || len(r.Headers) != 0 {
				t.Errorf("raw %q as %q is %q, key %v, headers %v", body, kind, r.bytes(), r.Key, r.Headers)
			}
		}
	}
	r := raw("x", "Content-Type", "text/plain", "Holt-Key", "k1", "Holt-Partition", "2", "Holt-Header-Trace-Id", "t 1", "Holt-Header-a.b_c", "2")
	if r.Partition != 2 || r.Key == nil || *r.Key != "k1" || len(r.Headers) != 2 || r.Headers["trace-id"] != "t 1" || r.Headers["a.b_c"] != "2" {
		t.Errorf("raw record with headers is %+v", r)
	}
	r = raw("x", "Content-Type", "text/plain", "Holt-Key", "foobar")
	if want := int(murmur2([]byte("foobar"))&0x7fffffff) % 3; r.Partition != want {
		t.Errorf("raw record with a key went to %d, want %d", r.Partition, want)
	}
	for _, bad := range [][]string{
		{"Holt-Partition", "x"}, {"Holt-Partition", "-1"}, {"Holt-Partition", "1e0"}, {"Holt-Header-Holt-X", "1"}, {"Holt-Header-Nats-X", "1"},
	} {
		q.post(q.topicPath()+"/records", "x", append(bad, "Content-Type", "text/plain")...).problem(400, "invalid_request")
	}
	q.post(q.topicPath()+"/records", "x", "Holt-Partition", "3", "Content-Type", "text/plain").problem(404, "partition_not_found")
}

func TestRead(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 5)
	first := q.read(q.name, 0, "offset=earliest&max=2")
	wantOffsets(t, "max=2", first.Records, between(0, 2))
	if first.NextOffset != 2 || first.StartOffset != 0 || first.EndOffset != 5 {
		t.Errorf("page %+v, want next 2, start 0, end 5", first)
	}
	wantOffsets(t, "from 3", q.read(q.name, 0, "offset=3").Records, between(3, 5))
	for _, at := range []string{"latest", "5", "2999-01-01T00:00:00.000Z"} {
		if p := q.read(q.name, 0, "offset="+at); p.Records == nil || len(p.Records) != 0 || p.NextOffset != 5 {
			t.Errorf("offset=%s: %+v, want an empty page at 5", at, p)
		}
	}
	wantOffsets(t, "max_bytes=1", q.read(q.name, 0, "offset=0&max_bytes=1").Records, between(0, 1))
	wantOffsets(t, "max_bytes=0", q.read(q.name, 0, "offset=0&max_bytes=0").Records, between(0, 5))
	wantOffsets(t, "long ago", q.read(q.name, 0, "offset=2001-01-01T00:00:00Z").Records, between(0, 5))
	p := q.get(q.topicPath()+"/partitions/0/records?offset=6").problem(416, "offset_out_of_range")
	if p.StartOffset == nil || *p.StartOffset != 0 || p.EndOffset == nil || *p.EndOffset != 5 {
		t.Errorf("416 has start %v and end %v, want 0 and 5", p.StartOffset, p.EndOffset)
	}
	var one wireRecord
	q.get(q.topicPath() + "/partitions/0/records/4").is(200).into(&one)
	if one.Offset != 4 || !isNumber(one, 4) {
		t.Errorf("record 4 is %+v", one)
	}
}

func TestReadFromTime(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	pause(20 * ms)
	q.fill(0, 2, 1)
	all := q.readAll(q.name, 0)
	wantOffsets(t, "from the time of the third", q.read(q.name, 0, "offset="+all[2].Timestamp).Records, []int64{2})
	last := all[0].Timestamp
	for _, r := range all {
		if r.Timestamp < last {
			t.Errorf("timestamps go back: %s after %s", r.Timestamp, last)
		}
		last = r.Timestamp
	}
}

func TestReadWaits(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	start := time.Now()
	if p := q.read(q.name, 0, "offset=0&wait=1200ms"); len(p.Records) != 0 || time.Since(start) < 1200*ms {
		t.Errorf("read with wait 1.2s gave %d records after %v", len(p.Records), time.Since(start))
	}
	got := make(chan answer, 1)
	go func() {
		a, err := q.send(t.Context(), "GET", q.topicPath()+"/partitions/0/records?offset=0&wait=50s", nil)
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	pause(300 * ms)
	q.fill(0, 0, 1)
	select {
	case a := <-got:
		var p page
		a.is(200).into(&p)
		wantOffsets(t, "woken read", p.Records, []int64{0})
	case <-time.After(soon):
		t.Error("a parked read was not woken by a publish")
	}
}

func TestReadArguments(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	path := q.topicPath() + "/partitions/0/records"
	for _, bad := range []string{
		"offset=x", "offset=1.5", "offset=1e0", "offset=NaN", "offset=", "offset=2026-13-01T00:00:00Z",
		"offset=0&max=-1", "offset=0&max=x", "offset=0&max=1e3", "offset=0&max_bytes=-1", "offset=0&max_bytes=16777217",
		"offset=0&wait=-1s", "offset=0&wait=61s", "offset=0&wait=5", "offset=0&wait=NaN", "offset=0&offset=1",
	} {
		q.get(path+"?"+bad).problem(400, "invalid_request")
	}
	for _, p := range []string{"-1", "2147483648", "1e3", "1.5", "x", "99999999999999999999", "%00"} {
		a := q.get(q.topicPath() + "/partitions/" + p + "/records?offset=0")
		if a.anyProblem(); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d, want 400 or 404", a.what, a.status)
		}
	}
	for _, o := range []string{"-1", "18446744073709551616", "1e3", "1.5", "x", "+0", "0x0"} {
		a := q.get(path + "/" + strings.ReplaceAll(o, "+", "%2B"))
		if a.anyProblem(); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d, want 400 or 404", a.what, a.status)
		}
	}
}

func TestBase64OfRawBytes(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	q.publish(q.name, obj{"value_base64": base64.StdEncoding.EncodeToString(all), "key_base64": base64.StdEncoding.EncodeToString(all)})
	r := q.one()
	if key, _ := r.key(); string(r.bytes()) != string(all) || key != string(all) {
		t.Errorf("all bytes came back as %x with key %x", r.bytes(), key)
	}
}
