package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// events reads one tail.
type events struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	resp *http.Response
}

// follow opens a tail; header lines are added to the request.
func (p *pipes) follow(t *testing.T, path string, header ...string) *events {
	t.Helper()
	c := p.dial()
	go func() {
		_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, strings.Join(append(header, ""), "\r\n"))
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %d %s: %s", path, resp.StatusCode, resp.Header.Get("Content-Type"), b)
	}
	e := &events{t, c, bufio.NewReader(resp.Body), resp}
	if got := e.next(); !strings.HasPrefix(got, "retry: 1000|id: 0:") {
		t.Fatalf("the first block is %q", got)
	}
	return e
}

// next returns the next block of lines; "EOF" at the end.
func (e *events) next() string {
	e.t.Helper()
	var lines []string
	for {
		line, err := e.r.ReadString('\n')
		if err == io.EOF {
			return "EOF"
		}
		if err != nil {
			e.t.Fatal(err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, line)
	}
}

var stamp = regexp.MustCompile(`,"timestamp":"[^"]*"`)

// want holds the next blocks to what is given; timestamps are cut out.
func (e *events) want(blocks ...string) {
	e.t.Helper()
	for _, want := range blocks {
		got := stamp.ReplaceAllString(e.next(), "")
		if got != want {
			e.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTailFollowsAllPartitions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":2}`).is(201)
		h.publish("t", `{"records":[{"value":"before","partition":0}]}`).is(200)
		h.serving(Config{}, func(p *pipes) {
			e := p.follow(t, "/v1/topics/t/tail")
			h.publish("t", `{"records":[{"key":"k","value":{"a":1},"partition":0},{"text":"x\ny","partition":1,"headers":{"h":"v"}}]}`).is(200)
			e.want(`id: 0:2,1:0|data: {"partition":0,"offset":1,"key":"k","value":{"a":1}}`,
				`id: 0:2,1:1|data: {"partition":1,"offset":0,"headers":{"h":"v"},"text":"x\ny"}`)
			e.want(`: beat`) // nothing for a while
			h.put("/v1/topics/t", `{"partitions":3}`).is(200)
			h.publish("t", `{"records":[{"value":1,"partition":2}]}`).is(200)
			e.want(`id: 0:2,1:1,2:1|data: {"partition":2,"offset":0,"value":1}`)

			again := p.follow(t, "/v1/topics/t/tail?from=earliest", "Last-Event-ID: 0:1,1:1")
			again.want(`id: 0:2,1:1,2:0|data: {"partition":0,"offset":1,"key":"k","value":{"a":1}}`,
				`id: 0:2,1:1,2:1|data: {"partition":2,"offset":0,"value":1}`)
			keyed := p.follow(t, "/v1/topics/t/tail?key=k&from=0:0,1:0,2:0&encoding=text")
			keyed.want(`id: 0:2,1:0,2:0|data: {"partition":0,"offset":1,"key":"k","text":"{\"a\":1}"}`)
			keyed.want(`: beat|id: 0:2,1:1,2:1`)

			h.call("DELETE", "/v1/topics/t", "").is(204)
			for _, x := range []*events{e, again, keyed} {
				for got := x.next(); got != `event: end|data: {"reason":"topic_deleted"}`; got = x.next() {
					if got != ": beat" {
						t.Fatalf("before the end: %s", got)
					}
				}
				x.want("EOF")
			}
		})
	})
}

func TestTailNamesGaps(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1,"retention":{"age":"1m"}}`).is(201)
		h.publish("t", `{"records":[{"value":0},{"value":1}]}`).is(200)
		time.Sleep(2 * time.Minute)
		h.publish("t", `{"records":[{"value":2}]}`).is(200)
		h.serving(Config{}, func(p *pipes) {
			e := p.follow(t, "/v1/topics/t/tail?from=0:1")
			e.want(`event: gap|id: 0:2|data: {"partition":0,"from":1,"to":2}`, `id: 0:3|data: {"partition":0,"offset":2,"value":2}`)
			old := p.follow(t, "/v1/topics/t/tail", "Last-Event-ID: 0:900") // of a former topic of that name
			old.want(`id: 0:3|data: {"partition":0,"offset":2,"value":2}`)
			h.get("/v1/topics/t/tail?from=0:900").problem(416, api.OffsetOutOfRange)
		})
	})
}

// A reader that had caught up and then takes nothing is moved on; one that goes on taking nothing is hung up on.
func TestTailOfASlowReader(t *testing.T) {
	inBubbleWith(t, queue.Config{Limits: queue.Limits{MaxTailBehind: 1 << 20}}, Config{}, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.serving(Config{}, func(p *pipes) {
			e := p.follow(t, "/v1/topics/t/tail")
			record := `{"text":"` + strings.Repeat("x", 100<<10) + `"}`
			for range 30 {
				h.publish("t", record).is(200)
			}
			for got := ""; !strings.HasPrefix(got, "event: gap"); {
				if got = e.next(); got == "EOF" {
					t.Fatal("the tail ended")
				}
			}
			h.publish("t", `{"value":"after"}`).is(200)
			e.want(`id: 0:31|data: {"partition":0,"offset":30,"value":"after"}`)

			h.publish("t", record).is(200)
			start := time.Now()
			time.Sleep(time.Hour) // nobody takes it
			synctest.Wait()
			if n := h.API.tails.Load(); n != 0 {
				t.Errorf("%d tails are open %v after the reader stopped", n, time.Since(start))
			}
		})
	})
}

func TestTailEndsAtShutdown(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/t", `{}`).is(201)
		h.serving(Config{}, func(p *pipes) {
			e := p.follow(t, "/v1/topics/t/tail")
			synctest.Wait()
			h.broker.Stop()
			e.want(`event: end|data: {"reason":"shutting_down"}`, "EOF")
		})
	})
}

func TestTailRefusals(t *testing.T) {
	inBubble(t, func(h *house) {
		h.get("/v1/topics/t/tail").problem(404, api.TopicNotFound)
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		for path, code := range map[string]api.Code{
			"from=x": api.InvalidRequest, "from=0": api.InvalidRequest, "from=0:-1": api.InvalidRequest, "from=0:1,0:2": api.InvalidRequest,
			"from=0:1,": api.InvalidRequest, "key=a&key_base64=YQ==": api.InvalidRequest, "key_base64=!": api.InvalidRequest, "x=1": api.InvalidRequest,
		} {
			h.get("/v1/topics/t/tail?"+path).problem(400, code)
		}
		h.get("/v1/topics/t/tail?from=1:0").problem(404, api.PartitionNotFound)
		if a := h.call("HEAD", "/v1/topics/t/tail", ""); a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" || a.body != "" {
			t.Errorf("HEAD: %d %q", a.status, a.body)
		}
	})
}

func TestKeysAreRead(t *testing.T) {
	inBubble(t, func(h *house) {
		h.put("/v1/topics/plain", `{}`).is(201)
		h.get("/v1/topics/plain/keys/a").problem(400, api.InvalidRequest)
		h.get("/v1/topics/none/keys/a").problem(404, api.TopicNotFound)
		h.put("/v1/topics/t", `{"cleanup":"compact"}`).is(201)
		h.publish("t", `{"records":[{"key":"a/b c","value":1},{"key":"a/b c","value":2},{"key":"","value":"empty"},{"key_base64":"/w==","value":3},{"key":"gone","tombstone":true}]}`).is(200)
		for path, want := range map[string]string{
			"keys/a%2Fb%20c": `"value":2,`, "key?key=a/b+c": `"value":2,`, "key?key=": `"value":"empty",`, "key?key_base64=/w==": `"value":3,`,
			"keys/gone": `"tombstone":true,`, "keys/a%2Fb%20c?encoding=text": `"text":"2",`,
		} {
			if a := h.get("/v1/topics/t/" + path).is(200); !strings.Contains(a.body, want) {
				t.Errorf("%s: %s, want %s in it", path, a.body, want)
			}
		}
		h.get("/v1/topics/t/keys/nobody").problem(404, api.RecordNotFound)
		h.get("/v1/topics/t/key").problem(400, api.InvalidRequest)
		h.get("/v1/topics/t/key?key=a&key_base64=YQ==").problem(400, api.InvalidRequest)
	})
}
