package topic

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

func TestTTLIsHiddenAndSurvivesDamage(t *testing.T) {
	user := []record.Header{{Name: "a", Value: []byte("1")}}
	r := record.Record{Headers: withTTL(bytesClone(user), 90*time.Second)}
	if TTL(r) != 90*time.Second {
		t.Errorf("ttl %s", TTL(r))
	}
	if diff := cmp.Diff(user, Visible(r.Headers)); diff != "" {
		t.Errorf("visible headers (−want +got):\n%s", diff)
	}
	r.Headers[1].Value = r.Headers[1].Value[:7]
	if TTL(r) != 0 {
		t.Error("a ttl of seven bytes")
	}
}

func bytesClone(h []record.Header) []record.Header {
	out := make([]record.Header, len(h), len(h)+1)
	for i := range h {
		out[i] = record.Header{Name: h[i].Name, Value: bytes.Clone(h[i].Value)}
	}
	return out
}
