package blackbox_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// wire is a TCP connection that speaks HTTP badly when told to.
type wire struct {
	t    testing.TB
	conn *net.TCPConn
	in   *bufio.Reader
}

func dial(t testing.TB, s *server) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// write sends bytes; a server that has hung up is what some tests want, so
// that is no failure.
func (w *wire) write(format string, args ...any) error {
	_, err := fmt.Fprintf(w.conn, format, args...)
	return err
}

// request sends a whole JSON request.
func (w *wire) request(method, path, body string) {
	w.write("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, w.conn.RemoteAddr(), len(body), body)
}

// begin sends a request but for the last n bytes of its body, which finish returns.
func (w *wire) begin(method, path, body string, n int) (rest string) {
	cut := len(body) - n
	w.write("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, w.conn.RemoteAddr(), len(body), body[:cut])
	return body[cut:]
}

// reset closes the connection as a killed client does.
func (w *wire) reset() {
	w.conn.SetLinger(0)
	w.conn.Close()
}

// half closes the writing side alone.
func (w *wire) half() { w.conn.CloseWrite() }

// answer reads one response; ok is false when the server hung up instead.
func (w *wire) answer(within time.Duration) (a answer, ok bool) {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(within))
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		if ne, is := err.(net.Error); is && ne.Timeout() {
			w.t.Fatalf("no answer within %v", within)
		}
		return answer{}, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.Close {
		resp.Header.Set("Connection", "close")
	}
	return answer{w.t, "raw request", resp.StatusCode, resp.Header, body}, err == nil
}

// closed waits until the server hangs up.
func (w *wire) closed(within time.Duration) bool {
	w.conn.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, w.in)
	ne, is := err.(net.Error)
	return !is || !ne.Timeout()
}
