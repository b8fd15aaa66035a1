package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// ask sends one request and reads its answer.
func ask(t *testing.T, c io.ReadWriter, request string) (status int, header http.Header, body string) {
	t.Helper()
	go fmt.Fprint(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if resp.Close {
		resp.Header.Set("Connection", "close")
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	inBubble(t, func(h *house) {
		h.serving(Config{}, func(p *pipes) {
			c, start := p.dial(), time.Now()
			fmt.Fprint(c, "GET /v1/info HTTP/1.1\r\nHost: local")
			readAll(c)
			if took := time.Since(start); took != DefaultHeaderTimeout {
				t.Errorf("cut off after %v", took)
			}
		})
	})
}

func TestSlowBodies(t *testing.T) {
	inBubble(t, func(h *house) {
		h.serving(Config{}, func(p *pipes) {
			c, start := p.dial(), time.Now()
			status, header, body := ask(t, c, "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
			if took := time.Since(start); status != 400 || header.Get("Connection") != "close" || !strings.Contains(body, "too slowly") || took != DefaultBodyTimeout {
				t.Errorf("%d after %v, Connection %q: %s", status, took, header.Get("Connection"), body)
			}
			// A large one that keeps the rate is taken though it needs longer than that.
			c, start = p.dial(), time.Now()
			const n = 960 << 10
			go func() {
				fmt.Fprintf(c, "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", n)
				for range n / (32 << 10) {
					fmt.Fprint(c, strings.Repeat("x", 32<<10))
					time.Sleep(time.Second)
				}
			}()
			if status, _, body := ask(t, c, ""); status != 200 || time.Since(start) < 2*DefaultBodyTimeout {
				t.Errorf("%d after %v: %s", status, time.Since(start), body)
			}
			// One that does not, is not.
			c, start = p.dial(), time.Now()
			go func() {
				fmt.Fprintf(c, "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", n)
				for range n / 1024 {
					if _, err := fmt.Fprint(c, strings.Repeat("x", 1024)); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			if status, _, body := ask(t, c, ""); status != 400 || time.Since(start) > 2*DefaultBodyTimeout {
				t.Errorf("%d after %v: %s", status, time.Since(start), body)
			}
			c.Close()
			time.Sleep(2 * time.Second) // its writer sees that
		})
	})
}

func TestConnectionsServeManyRequests(t *testing.T) {
	inBubble(t, func(h *house) {
		h.serving(Config{}, func(p *pipes) {
			c := p.dial()
			for range 3 {
				if status, header, body := ask(t, c, "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"); status != 200 || header.Get("Connection") != "" {
					t.Fatalf("%d: %s", status, body)
				}
				time.Sleep(DefaultIdleTimeout - time.Second) // no deadline of a request outlives it
			}
			start := time.Now()
			readAll(c)
			if idle := time.Since(start); idle != time.Second {
				t.Errorf("an idle connection was closed after another %v", idle)
			}
		})
	})
}

func TestRawRequests(t *testing.T) {
	inBubbleWith(t, queue.Config{Limits: queue.Limits{MaxBody: 100}}, Config{}, func(h *house) {
		h.serving(Config{}, func(p *pipes) {
			head := "POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\n"
			for request, want := range map[string]int{
				"GET /v1/info HTTP/1.1\r\n\r\n": 400, // no Host
				"GET /v1/info HTTP/1.0\r\n\r\n": 421,
				"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n":  431,
				"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 900<<10) + "\r\n\r\n": 431,
				head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx":                                      400,
				head + "Transfer-Encoding: nonsense\r\n\r\nx":                                                 400,
				"GET /v1/topics/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n":                                      400,
				"GET /v1/info HTTP/1.1\r\nHost: local host\r\n\r\n":                                           400,
				"GET /v1/info HTTP/9.9\r\nHost: localhost\r\n\r\n":                                            400,
				"\x16\x03\x01\r\n\r\n":               400,
				head + "Content-Length: 101\r\n\r\n": 413, // before a byte of it came
				head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("40\r\n"+strings.Repeat("x", 64)+"\r\n", 10): 413,
				head + "Transfer-Encoding: chunked\r\n\r\nxx\r\n":                                                         400,
				head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n":                                            200,
				"GET http://localhost/v1/topics/..%2f.. HTTP/1.1\r\nHost: localhost\r\n\r\n":                              400,
			} {
				c := p.dial()
				status, header, body := ask(t, c, request)
				if status != want {
					t.Errorf("%.100q: %d, want %d: %s", request, status, want, body)
				}
				var p api.Problem
				if err := json.Unmarshal([]byte(body), &p); want >= 400 && (err != nil || p.Status != want || p.Code == "" || p.RequestID == "" || p.RequestID != header.Get("X-Request-Id") || header.Get("Content-Type") != "application/problem+json") {
					t.Errorf("%.100q: %v: %s", request, header, body)
				}
				c.Close()
			}
			c := p.dial()
			fmt.Fprint(c, head+"Content-Length: 50\r\n\r\nhalf")
			c.Close()
			synctest.Wait()
			c = p.dial()
			if status, _, _ := ask(t, c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 200 {
				t.Errorf("then /healthz is %d", status)
			}
			c.Close()
		})
		if strings.Contains(h.log.String(), "panic") {
			t.Errorf("log: %s", h.log)
		}
	})
}

// An answer that looks as if net/http refused a request is sent as it is.
func TestAnswersAreNotTakenForRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := "HTTP/1.1 400 Bad Request" + string(refusalHead) + strings.Repeat("x", 64<<10)
		srv := NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_ = http.NewResponseController(w).Flush() // so that what follows is a write of its own
			_, _ = io.WriteString(w, body)
		}), Config{})
		p := newPipes()
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(NewListener(p)) }()
		c := p.dial()
		for range 2 {
			if status, _, got := ask(t, c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 200 || got != body {
				t.Errorf("%d: %.200s", status, got)
			}
			synctest.Wait()
		}
		if status, header, _ := ask(t, c, "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 400 || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("a refusal behind them: %d, %v", status, header)
		}
		c.Close()
		_ = srv.Close()
		<-ended
	})
}

func TestConnectionsHaveALimit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.serving(Config{MaxConns: 2}, func(p *pipes) {
			a, b := p.dial(), p.dial()
			synctest.Wait()
			if got := readAll(p.dial()); got != "" {
				t.Errorf("a third connection got %q", got)
			}
			a.Close()
			synctest.Wait()
			c := p.dial()
			if status, _, _ := ask(t, c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 200 {
				t.Errorf("after one left: %d", status)
			}
			b.Close()
			c.Close()
		})
	})
}

// A panic after the answer has begun must not look like a whole answer.
func TestPanicInMidAnswer(t *testing.T) {
	inBubble(t, func(h *house) {
		rt := route{name: "GET /broken", handler: func(x *exchange) error {
			if _, err := x.body(); err != nil || h.API.held.Load() == 0 {
				t.Errorf("a large body: %d bytes are counted, %v", h.API.held.Load(), err)
			}
			x.status = 200
			fmt.Fprint(x.w, strings.Repeat("x", 64<<10))
			panic("in mid answer")
		}}
		h.mux.Get("/broken", h.API.serving(rt))
		h.serving(Config{}, func(p *pipes) {
			c := p.dial()
			go fmt.Fprintf(c, "GET /broken HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", 4*smallBody, strings.Repeat(" ", 4*smallBody))
			if got := readAll(c); strings.HasSuffix(got, "\r\n0\r\n\r\n") || !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("answered %d bytes, ending in %q", len(got), got[len(got)-10:])
			}
		})
		if !strings.Contains(h.log.String(), "in mid answer") {
			t.Errorf("log: %s", h.log)
		}
		if n := h.API.held.Load(); n != 0 {
			t.Errorf("%d bytes of bodies are counted once the call is over", n)
		}
	})
}

// 2,000 parked calls wake with one publish each and leave nothing behind.
func TestManyParkedCalls(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		const n = 2000
		got := make(chan answer, n)
		for range n {
			go func() { got <- h.post("/v1/groups/g/lease", `{"wait":"60s"}`) }()
		}
		synctest.Wait()
		for range n / 10 {
			h.publish("t", `{"records":[`+strings.Repeat(`{"value":1},`, 9)+`{"value":1}]}`).is(200)
		}
		for range n {
			if a := <-got; !strings.Contains(a.body, `"receipt"`) {
				t.Errorf("%d: %s", a.status, a.body)
			}
		}
	})
}

// The guide shows every route.
func TestRoutesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/HTTP-API.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range new(API).table() {
		method, path, _ := strings.Cut(rt.name, " ")
		path = strings.Replace(path, "/v1/groups/{group}/pause", "/v1/groups/mailer/pause", 1)
		path = strings.Replace(path, "/v1/groups/{group}/resume", "/v1/groups/mailer/resume", 1)
		if method != "HEAD" && !strings.Contains(string(doc), path) {
			t.Errorf("docs/HTTP-API.md does not show %s", rt.name)
		}
	}
}
