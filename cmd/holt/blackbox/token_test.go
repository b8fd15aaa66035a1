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

// What a token has the right to is done by the command line, too, and nothing else.
func TestTokensWithRights(t *testing.T) {
	t.Parallel()
	const shop, mailer, dashboard, team = "shop-0123456789abcdef", "mailer-0123456789abcdef", "dashboard-0123456789abcdef", "team-0123456789abcdef"
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("# who may what\n"+shop+" publish\n"+mailer+"\twork\n"+dashboard+" read\n"+team+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "--token-file", path)
	for _, c := range []struct {
		token string
		want  int
		args  string
	}{
		{shop, 0, "publish emails hello"}, {shop, 1, "lease mailer --topic emails"}, {shop, 1, "topic ls"}, {shop, 1, "topic rm emails"},
		{mailer, 1, "publish emails hello"}, {mailer, 0, "work mailer --topic emails --drain -- true"}, {mailer, 1, "group pause mailer"}, {mailer, 1, "read emails"},
		{dashboard, 0, "group show mailer"}, {dashboard, 0, "read emails"}, {dashboard, 1, "publish emails hello"}, {dashboard, 1, "lease mailer"}, {dashboard, 1, "group rm mailer"},
		{team, 0, "group pause mailer"}, {team, 0, "publish emails hello"}, {team, 0, "topic rm emails --force"},
	} {
		code, out := command(t, []string{"HOLT_SERVER=http://" + s.addr, "HOLT_TOKEN=" + c.token}, strings.Fields(c.args)...)
		if code != c.want || code == 1 && !strings.Contains(out, "right") {
			t.Errorf("holt %s by %s ended with %d, want %d, and said %s", c.args, c.token, code, c.want, out)
		}
	}
}
