package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
)

// A client that announces a body and sends none holds nothing for longer than a body may take, whoever asks, and whether the route reads it.
func TestBodiesThatNobodyReads(t *testing.T) {
	inBubbleWith(t, queue.Config{}, Config{Tokens: []Token{{"0123456789abcdef", AllRights}}}, func(h *house) {
		h.serving(Config{}, func(p *pipes) {
			for request, status := range map[string]string{
				"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n":                                          "200",
				"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n":                                   "200",
				"POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n":                             "401",
				"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n":                                         "401",
				"POST /v1/topics/t/records HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100\r\n\r\n":                          "421",
				"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nContent-Type: " + formType + "\r\n\r\n": "",
			} {
				c, start := p.dial(), time.Now()
				fmt.Fprint(c, request)
				got := readAll(c)
				if took := time.Since(start); took > 2*DefaultBodyTimeout || !strings.HasPrefix(got, "HTTP/1.1 "+status) && got != "" {
					t.Errorf("%.60q: after %v %.80q", request, took, got)
				}
			}
			synctest.Wait()
		})
	})
}

const formType = "application/x-www-form-urlencoded"

// A client that sends all of a body before it looks for the answer gets the refusal.
func TestRefusalsOfLargeBodiesArrive(t *testing.T) {
	inBubbleWith(t, queue.Config{Limits: queue.Limits{MaxBody: 1 << 20}}, Config{}, func(h *house) {
		h.put("/v1/topics/t", `{}`).is(201)
		h.serving(Config{}, func(p *pipes) {
			body := strings.Repeat("x", 3<<20)
			sized := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
			chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
			for head, status := range map[string]string{
				"POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\n":                                   "413",
				"POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + formType + "\r\n": "415",
				"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n":                                               "404",
				"POST /v1/groups/none/ack HTTP/1.1\r\nHost: evil.example\r\n":                                 "421",
			} {
				for _, rest := range []string{sized, chunked} {
					c := p.dial()
					if _, err := fmt.Fprint(c, head+rest); err != nil {
						t.Errorf("%q: %v", head, err)
					} else if got := readAll(c); !strings.HasPrefix(got, "HTTP/1.1 "+status) {
						t.Errorf("%q: %.80q, want %s", head, got, status)
					}
				}
			}
			synctest.Wait()
		})
	})
}

// The deadline of a body that came does not outlive it: a poll may wait longer.
func TestBodiesThatCameInTimeWait(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(0)
		h.serving(Config{}, func(p *pipes) {
			for _, request := range []string{
				"POST /v1/groups/g/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"wait\":\"60s\"}",
				"GET /v1/topics/t/partitions/0/records?offset=latest&wait=60s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
			} {
				c, start := p.dial(), time.Now()
				if status, _, body := ask(t, c, request); status != 200 || time.Since(start) != time.Minute {
					t.Errorf("%.60q: %d after %v: %s", request, status, time.Since(start), body)
				}
				c.Close()
			}
		})
	})
}
