package blackbox_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// badServer is a server that only bad input goes to, so that anything it
// stores is a fault.
type badServer struct {
	queue
	before []string
	held   wireRecord
}

func newBadServer(t *testing.T) *badServer {
	t.Helper()
	b := &badServer{queue: queueOn(newClient(t, newServer(t)), 2, obj{"lease": "1h"})}
	b.fill(0, 0, 2)
	b.held = b.one()
	b.before = b.state()
	t.Cleanup(b.unchanged)
	return b
}

// state is all that a bad request could have changed.
func (b *badServer) state() []string {
	b.t.Helper()
	return []string{
		string(b.get("/v1/topics").is(200).body),
		string(b.get("/v1/groups").is(200).body),
		string(b.get(b.topicPath()).is(200).body),
		string(b.get(b.groupPath()).is(200).body),
	}
}

// unchanged requires that nothing was stored and the server is well.
func (b *badServer) unchanged() {
	b.t.Helper()
	if !b.s.alive() {
		b.t.Fatal("the server has ended")
	}
	if after := b.state(); !slices.Equal(after, b.before) {
		b.t.Errorf("state after bad input\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(b.before, "\n"))
	}
	b.get("/healthz").is(200)
	b.get("/readyz").is(200)
	b.ack(b.held)
}

var badNames = []string{
	"../../etc/passwd", "..", ".", "a/b", `\`, `a\b`, strings.Repeat("n", 201), "a\x00b", "\x00", "a\r\nb", "a\nb", "\x1b[31m", "a\u202eb",
	"\xff\xfe", "a\xc3", "😀", "é", "<script>alert(1)</script>", "{{7*7}}", "*", ">", "$JS.API", "__x", "__", "-x", ".x", " ", "a b", "a%b",
	"%2e%2e", "%252e%252e", "..%2f..%2f", "a?b", "a#b", "a:b", "a;b", "a,b", "'", `"`, "%00", "a\tb", "~", "a+b", "a@b",
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	for _, name := range badNames {
		escaped := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
		escaped = strings.ReplaceAll(escaped, ".", "%2E")
		for _, kind := range []string{"topics", "groups"} {
			path := "/v1/" + kind + "/" + escaped
			for _, method := range []string{"PUT", "GET", "DELETE"} {
				b.refused(method, path, "{}")
			}
		}
		b.refused("POST", "/v1/topics/"+escaped+"/records", `{"value":1}`)
		b.refused("POST", "/v1/groups/"+escaped+"/lease", `{"topics":["`+b.name+`"]}`)
		b.post("/v1/groups/new/lease", obj{"topics": list{name}}).problem(400, "invalid_request")
		a := b.put("/v1/groups/new", obj{"topics": list{name}})
		if p := a.anyProblem(); p.Status != 400 {
			t.Errorf("group with topic %q: %d %s, want 400", name, p.Status, p.Code)
		}
	}
}

// refused sends a path exactly as given and requires 400, or 404 where it
// leads nowhere; 405 and 421 are no answers to a bad name.
func (b *badServer) refused(method, path, body string) {
	b.t.Helper()
	w := dial(b.t, b.s)
	defer w.conn.Close()
	w.request(method, path, body)
	a, ok := w.answer(soon)
	if !ok {
		b.t.Errorf("%s %q: the server hung up without an answer", method, path)
		return
	}
	a.what = fmt.Sprintf("%s %q", method, path)
	if a.status != 400 && a.status != 404 {
		b.t.Errorf("%s: %d, want 400 or 404: %s", a.what, a.status, clip(a.body))
		return
	}
	a.anyProblem()
}

func TestBadPaths(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	for _, path := range []string{
		"/v1/topics/../../etc/passwd", "/v1/topics/..", "/v1/topics/.", "/v1/topics//records", "/v1/topics/a/b", "//v1/topics", "/v1/../v1/topics/x/y",
		"/v1/topics/x/partitions/0/records/../../..", "/v1/topics/%", "/v1/topics/%zz", "/v1/topics/\\..\\x/y", "//evil.example/x", "/%2f%2fevil.example",
	} {
		w := dial(t, b.s)
		w.request("PUT", path, "{}")
		a, ok := w.answer(soon)
		if !ok {
			t.Errorf("PUT %q: the server hung up without an answer", path)
			continue
		}
		if a.status < 400 || a.status >= 500 {
			t.Errorf("PUT %q: %d (Location %q), want a refusal", path, a.status, a.header.Get("Location"))
		}
	}
	b.get("/v1/topics/").problem(404, "not_found")
}

func TestNamesDifferInCase(t *testing.T) {
	t.Parallel()
	c := shared(t)
	name := unique("case")
	c.makeTopic(name, nil)
	c.get("/v1/topics/"+strings.ToUpper(name)).problem(404, "topic_not_found")
	c.makeTopic(strings.ToUpper(name), obj{"partitions": 1})
	if n := len(c.topic(name).Partitions); n != 4 {
		t.Errorf("%d partitions: names that differ in case are one topic", n)
	}
}

func TestBadNumbers(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	for _, n := range []string{"-1", "1.5", "1e3", "2147483648", "4294967296", "18446744073709551616", "1e400", `""`, `"1"`, "NaN", "-0.5", "true", "[]", "{}", "0x1", "01"} {
		a := b.post(b.topicPath()+"/records", `{"value":1,"partition":`+n+`}`)
		if a.anyProblem(); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d, want 400 or 404", a.what, a.status)
		}
		if n != "[]" { // An array is what GET answers, and is ignored.
			b.put("/v1/topics/new", `{"partitions":`+n+`}`).badConfig()
		}
		b.put("/v1/groups/new", `{"max_attempts":`+n+`,"lease":"0s"}`).badConfig()
		b.post(b.groupPath()+"/lease", `{"max":`+n+`,"max_bytes":-1}`).problem(400, "invalid_request")
	}
	for _, d := range []string{`"0"`, `"-1s"`, `"1ns"`, `"100y"`, `"1e9s"`, `"9223372036854775808ns"`, `"99999999999999999999h"`, `"NaN"`, `""`, `"Infs"`, "1e9", "{}"} {
		b.post(b.groupPath()+"/lease", `{"lease":`+d+`}`).problem(400, "invalid_request")
		b.post(b.groupPath()+"/lease", `{"wait":`+strings.ReplaceAll(d, "1ns", "61s")+`}`).problem(400, "invalid_request")
		b.put("/v1/groups/new", `{"lease":`+d+`}`).badConfig()
	}
	b.get(b.topicPath() + "/partitions/0/records?offset=18446744073709551616").anyProblem()
}

// badConfig requires 400, for the field or for the JSON itself.
func (a answer) badConfig() {
	a.t.Helper()
	if p := a.anyProblem(); p.Status != 400 || p.Code != "invalid_config" && p.Code != "invalid_request" {
		a.t.Errorf("%s: %d %s, want 400", a.what, p.Status, p.Code)
	}
}

func TestBadReceipts(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	other := queueOn(b.client, 1, obj{"lease": "1h"})
	other.fill(0, 0, 1)
	foreign := other.one().Receipt
	b.before = b.state()
	flipped := []byte(b.held.Receipt)
	flipped[len(flipped)/2] ^= 1
	for _, r := range []string{
		foreign, string(flipped), "x", strings.Repeat("A", len(b.held.Receipt)), strings.Repeat("A", 128), strings.Repeat("A", 129), strings.Repeat("A", 1<<20),
		"\u0000", "😀", "../..", b.held.Receipt + " ", " " + b.held.Receipt, b.held.Receipt + "=", strings.ToUpper(b.held.Receipt) + "x", "null", "0",
	} {
		for _, verb := range []string{"ack", "nack", "release", "reject", "extend"} {
			body := obj{"receipt": r}
			if verb == "extend" {
				body["for"] = "60s"
			}
			b.post(b.groupPath()+"/"+verb, body).problem(409, "invalid_receipt")
		}
	}
	for _, r := range []any{5, true, list{}, obj{}} {
		b.post(b.groupPath()+"/ack", obj{"receipt": r}).problem(400, "invalid_request")
	}
	b.post(b.groupPath()+"/ack", obj{"receipt": b.held.Receipt, "receipts": list{b.held.Receipt}}).problem(400, "invalid_request")
	b.post(b.groupPath()+"/extend", obj{"receipt": b.held.Receipt, "for": ""}).problem(400, "invalid_request")
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, body := range []string{
		`{`, `}`, `[`, `nul`, `"`, `{"value":}`, `{"value":1,}`, `{'value':1}`, `{"value":01}`, `{"value":.5}`, `{"value":+1}`, `{"value":NaN}`, `{"value":Infinity}`,
		`{"value":1} x`, `{"value":1}{"value":2}`, `{"value":1}]`, "\ufeff" + `{"value":1}`, "{\"value\":\"\xff\"}", "{\"key\":\"\xff\",\"value\":1}", "{\"value\":\"a\nb\"}",
		`{"value":"\x"}`, `{"value":"\u12"}`, `[{"value":1}]`, `5`, `"x"`, `null`, `{"records":{}}`, `{"records":5}`, `{"records":null}`, `{"records":[[]]}`, `{"records":[{"value":1}],"value":2}`,
		`{"value":1,"value":2}`, `{"key":"a","key":"b","value":1}`, deep, `{"value":` + deep[:100_000] + `}`,
	} {
		b.post(b.topicPath()+"/records", body).problem(400, "invalid_request")
	}
	for _, body := range []string{
		`{`, `[]`, `5`, `"x"`, `{} x`, `{}{}`, "\ufeff{}", `{"max":1,"max":2}`, `{"max":1,}`, `{"member":` + deep + `}`, "{\"member\":\"\xff\"}", `nul`,
	} {
		b.post(b.groupPath()+"/lease", body).problem(400, "invalid_request")
	}
	for _, path := range []string{"/v1/topics/new", "/v1/groups/new"} {
		for _, body := range []string{`{`, `[]`, `5`, `{} x`, "\ufeff{}", deep, `{"retention":`} {
			a := b.put(path, body)
			a.badConfig()
		}
	}
}

// A value nested too deeply to be read back safely is refused or kept whole.
func TestDeepValue(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	a := q.post(q.topicPath()+"/records", `{"value":`+deep+`}`)
	if a.status != 200 {
		a.problem(400, "invalid_request")
		return
	}
	if got := q.get(q.topicPath() + "/partitions/0/records/0").is(200).body; !bytes.Contains(got, []byte(deep)) {
		t.Errorf("the value came back as %s", clip(got))
	}
}

func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	var small, bomb bytes.Buffer
	for buf, data := range map[*bytes.Buffer][]byte{&small: []byte(`{"colour":1}`), &bomb: make1(64 << 20)} {
		z := gzip.NewWriter(buf)
		z.Write(data)
		z.Close()
	}
	for _, body := range [][]byte{small.Bytes(), bomb.Bytes(), []byte("not gzip")} {
		for _, encoding := range []string{"gzip", "br", "nonsense"} {
			a := b.post(b.topicPath()+"/records", body, "Content-Encoding", encoding)
			if a.anyProblem(); a.status != 415 && a.status != 400 && a.status != 413 {
				t.Errorf("body of encoding %s: %d, want 415, or 400 or 413 of what is in it", encoding, a.status)
			}
		}
	}
}

func TestRawHTTP(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	path := b.topicPath() + "/records"
	head := "POST " + path + " HTTP/1.1\r\nHost: " + b.s.addr + "\r\nContent-Type: application/json\r\n"
	for name, tt := range map[string]struct {
		request string
		half    bool
		status  []int
	}{
		"shorter than its length":  {head + "Content-Length: 100\r\n\r\n{\"value\":1}", true, []int{400}},
		"longer than its length":   {head + "Content-Length: 5\r\n\r\n{\"value\":1}", false, []int{400}},
		"two lengths":              {head + "Content-Length: 11\r\nContent-Length: 12\r\n\r\n{\"value\":1}", false, []int{400}},
		"negative length":          {head + "Content-Length: -1\r\n\r\n{\"value\":1}", false, []int{400}},
		"length that is no number": {head + "Content-Length: 1e1\r\n\r\n{\"value\":1}", false, []int{400}},
		"enormous length":          {head + "Content-Length: 99999999999999999999\r\n\r\n{}", false, []int{400, 413}},
		"length over the limit":    {head + "Content-Length: 999999999999\r\n\r\n{}", false, []int{413}},
		"unknown encoding":         {head + "Transfer-Encoding: nonsense\r\n\r\n{\"value\":1}", false, []int{400, 501}},
		"bad chunk size":           {head + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n{\"value\":1}\r\n0\r\n\r\n", false, []int{400}},
		"cut chunk":                {head + "Transfer-Encoding: chunked\r\n\r\n20\r\n{\"value\":1}", true, []int{400}},
		"space before the colon":   {head + "Content-Length : 11\r\n\r\n{\"value\":1}", false, []int{400}},
		"no host":                  {"POST " + path + " HTTP/1.1\r\nContent-Length: 11\r\n\r\n{\"value\":1}", false, []int{400, 421}},
		"two hosts":                {head + "Host: x\r\nContent-Length: 11\r\n\r\n{\"value\":1}", false, []int{400, 421}},
		"not HTTP":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", false, []int{400}},
		"HTTP/3.0":                 {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", false, []int{400, 505}},
		"900 KB of headers":        {head + "X-Big: " + strings.Repeat("a", 900_000) + "\r\nContent-Length: 2\r\n\r\n{}", false, []int{431}},
		"10 000 headers":           {head + strings.Repeat("X-Many: a\r\n", 10_000) + "Content-Length: 2\r\n\r\n{}", false, []int{400, 431}},
		"control byte in a header": {head + "X-Ctl: a\x01b\r\nContent-Length: 2\r\n\r\n{}", false, []int{400}},
	} {
		w := dial(t, b.s)
		w.conn.Write([]byte(tt.request))
		if tt.half {
			w.half()
		}
		a, ok := w.answer(soon)
		if ok && !slices.Contains(tt.status, a.status) {
			t.Errorf("%s: %d, want one of %v: %s", name, a.status, tt.status, clip(a.body))
		}
		if ok {
			a.anyProblem()
		}
		if !ok && !tt.half && !strings.Contains(name, "headers") {
			t.Errorf("%s: the server hung up without an answer", name)
		}
	}
}

// With both a length and chunks, the chunks count or the request is refused;
// nothing is read as a second request that was meant as the first one's body.
func TestLengthAndChunks(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	inner := "PUT /v1/topics/smuggled HTTP/1.1\r\nHost: " + b.s.addr + "\r\nContent-Length: 0\r\n\r\n"
	w := dial(t, b.s)
	w.conn.Write([]byte("POST " + b.groupPath() + "/settle HTTP/1.1\r\nHost: " + b.s.addr +
		"\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)))
	a, ok := w.answer(soon)
	if !ok || a.status != 400 {
		t.Errorf("a request with length and chunks is answered %d (%v), want 400", a.status, ok)
	}
	w.request("GET", "/v1/topics/absent", "")
	if a, ok := w.answer(soon); ok && a.status != 404 {
		t.Errorf("the next answer on the connection is %d, want 404 or none", a.status)
	}
}

// A client that has closed its writing side still reads: it is told what came
// of a whole request, and never 200 for one that was not carried out.
func TestHalfClosedClients(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	r := q.one()
	for path, body := range map[string]string{
		q.topicPath() + "/records": `{"value":1}`,
		q.groupPath() + "/ack":     fmt.Sprintf(`{"receipt":%q}`, r.Receipt),
		q.groupPath() + "/lease":   `{"max":1}`,
	} {
		w := dial(t, q.s)
		w.request("POST", path, body)
		w.half()
		a, ok := w.answer(soon)
		if ok && a.status == 200 && len(a.body) == 0 {
			t.Errorf("POST %s by a client that half-closes: 200 without a body", path)
		}
		if ok && a.status >= 300 {
			a.anyProblem()
		}
	}
}

func TestEndlessBody(t *testing.T) {
	t.Parallel()
	b := newBadServer(t)
	for _, path := range []string{b.topicPath() + "/records", b.groupPath() + "/lease"} {
		w := dial(t, b.s)
		w.write("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", path, b.s.addr)
		chunk := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
		stopped := make(chan int, 1)
		go func() {
			sent := 0
			for w.write("%s", chunk) == nil && sent < 512<<20 {
				sent += 0x10000
			}
			stopped <- sent
		}()
		if a, ok := w.answer(soon); ok {
			a.problem(413, "request_too_large")
		} else {
			t.Errorf("%s: the server hung up on an endless body without an answer", path)
		}
		w.conn.Close()
		if sent := <-stopped; sent >= 512<<20 {
			t.Errorf("%s: the server took 512 MiB of one body", path)
		}
	}
}

// A client that does not finish its headers does not keep its connection.
func TestSlowHeadersAreClosed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := dial(t, s)
	w.write("GET /v1/info HTTP/1.1\r\nHost: %s\r\n", s.addr)
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				w.write("X-Slow: 1\r\n")
			}
		}
	}()
	if !w.closed(75 * time.Second) {
		t.Error("a connection with headers that never end is open after 75 s")
	}
	close(ended)
	newClient(t, s).get("/readyz").is(200)
}

// Clients that send nothing more do not stop others.
func TestStalledClientsStopNobody(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	for range 100 {
		w := dial(t, q.s)
		w.begin("POST", q.topicPath()+"/records", `{"value":1}`, 5)
	}
	q.fill(0, 0, 1)
	q.ack(q.one())
}
