package blackbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A token that is taken out of the file is refused once the server has read it again, which SIGHUP asks for; the process lives on, with its connections.
func TestTokensAreRevokedBySIGHUP(t *testing.T) {
	t.Parallel()
	const first, second = "first-token-0123456789", "second-token-0123456789"
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	s := newServer(t, "--token-file", path)
	c := newClient(t, s)
	with := func(token string) int {
		t.Helper()
		return c.call("GET", "/v1/topics", nil, "Authorization", "Bearer "+token).status
	}
	if a, b := with(first), with(second); a != 200 || b != 401 {
		t.Fatalf("at first: %d and %d", a, b)
	}
	parked := make(chan answer, 1)
	c.call("PUT", "/v1/groups/g", obj{}, "Authorization", "Bearer "+first).is(201)
	go func() {
		parked <- c.call("POST", "/v1/groups/g/lease", obj{"wait": "20s"}, "Authorization", "Bearer "+first)
	}()
	eventually(t, readyWithin, "the lease is parked", func() bool {
		metrics := c.call("GET", "/metrics", nil, "Authorization", "Bearer "+first)
		return strings.Contains(string(metrics.body), "\nholt_group_waiters{group=\"g\"} 1\n")
	})
	write(second)
	s.signal(syscall.SIGHUP)
	eventually(t, readyWithin, "the new token is taken", func() bool { return with(second) == 200 })
	if got := with(first); got != 401 {
		t.Errorf("a revoked token gets %d", got)
	}
	c.call("DELETE", "/v1/groups/g", nil, "Authorization", "Bearer "+second).is(204) // which ends the poll
	(<-parked).is(200)
	c.get("/readyz").is(200)
	if line := s.logs.find(first, second); line != "" {
		t.Errorf("the log has a token: %s", strings.TrimSpace(line))
	}
}
