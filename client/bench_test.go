package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkAck is a settle on its own over loopback, by one caller: what the client and net/http cost without a broker.
func BenchmarkAck(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", mediaJSON)
		_, _ = io.WriteString(w, `{"settled":1}`)
	}))
	defer s.Close()
	c, err := New(s.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Ack(b.Context(), "mailer", "receipt"); err != nil {
			b.Fatal(err)
		}
	}
}
