package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// BenchmarkCall is a call of one record over loopback, by 1 and 64 connections, on the store in memory: what HTTP and the broker cost without a disk.
// Its clients write bytes and read them, so that most of the time is the server's.
func BenchmarkCall(b *testing.B) {
	for _, conns := range []int{1, 64} {
		b.Run(fmt.Sprint("publish/conns=", conns), func(b *testing.B) {
			benchCall(b, conns, func(c *caller, _ string) string {
				c.post(b, "/v1/topics/jobs/records", `{"text":"one of many"}`)
				return ""
			})
		})
		b.Run(fmt.Sprint("lease+ack/conns=", conns), func(b *testing.B) {
			benchCall(b, conns, func(c *caller, _ string) string {
				receipt := c.lease(b, `{"max":1}`)
				c.post(b, "/v1/groups/workers/settle", `{"ack":["`+receipt+`"]}`)
				return ""
			})
		})
		b.Run(fmt.Sprint("settle in lease/conns=", conns), func(b *testing.B) {
			benchCall(b, conns, func(c *caller, held string) string {
				if held == "" {
					return c.lease(b, `{"max":1}`)
				}
				return c.lease(b, `{"max":1,"settle":{"ack":["`+held+`"]}}`)
			})
		})
	}
}

// benchCall has so many connections make b.N calls of a server that has that many records and more. A call is given what the connection's last one returned.
func benchCall(b *testing.B, conns int, call func(c *caller, held string) string) {
	broker, err := queue.Open(b.Context(), memory.New(memory.Config{}), queue.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	if _, _, err := broker.Lease(b.Context(), "workers", queue.LeaseRequest{Max: 1, Topics: []string{"jobs"}}); err != nil {
		b.Fatal(err)
	}
	for left := b.N + 2*conns; left > 0; left -= 1000 {
		msgs := make([]queue.Message, min(left, 1000))
		for i := range msgs {
			msgs[i].Value = []byte("one of many")
		}
		if _, _, err := broker.Publish(b.Context(), "jobs", msgs, 0); err != nil {
			b.Fatal(err)
		}
	}
	a, err := New(broker, Config{})
	if err != nil {
		b.Fatal(err)
	}
	s := httptest.NewUnstartedServer(nil)
	s.Config = NewServer(a, Config{})
	s.Start()
	defer s.Close()
	var all sync.WaitGroup
	var calls atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	for range conns {
		all.Go(func() {
			c := dialCaller(b, s.Listener.Addr().String())
			if c == nil {
				return
			}
			defer c.conn.Close()
			for held := ""; calls.Add(1) <= int64(b.N) && !b.Failed(); {
				held = call(c, held)
			}
		})
	}
	all.Wait()
}

// caller is one connection.
type caller struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialCaller(b *testing.B, address string) *caller {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return nil
	}
	return &caller{conn, bufio.NewReader(conn)}
}

// post returns the answer's body; an error fails the benchmark.
func (c *caller) post(b *testing.B, path, body string) []byte {
	_, err := fmt.Fprintf(c.conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	if err != nil {
		b.Error(err)
		return nil
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		b.Error(err)
		return nil
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Errorf("%s %s: %s, %s, %v", path, body, res.Status, answer, err)
	}
	return answer
}

// lease returns the receipt of the one record that it gets.
func (c *caller) lease(b *testing.B, body string) string {
	answer := c.post(b, "/v1/groups/workers/lease", body)
	_, rest, found := bytes.Cut(answer, []byte(`"receipt":"`))
	receipt, _, _ := strings.Cut(string(rest), `"`)
	if !found {
		b.Errorf("no record was leased: %s", answer)
	}
	return receipt
}
