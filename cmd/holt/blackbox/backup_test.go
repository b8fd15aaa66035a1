package blackbox_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

// command runs the binary and returns its exit code and what it wrote.
func command(t *testing.T, env []string, args ...string) (int, string) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(cleanEnv(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// takeBackup gets a backup and says between which times it was begun.
func takeBackup(t *testing.T, s *server, h *bb.History) (backup []byte, call, first time.Duration) {
	t.Helper()
	call = h.Now()
	resp, err := http.Get("http://" + s.addr + "/v1/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("backup: status %d", resp.StatusCode)
	}
	first = h.Now()
	if backup, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return backup, call, first
}

// A backup that is taken under load is the server as it was at one moment: what was restored of it, drained, satisfies every invariant for the history up to
// then, with a crash in that moment.
func TestBackupIsAPrefix(t *testing.T) {
	t.Parallel()
	seed := runSeed(t)
	t.Logf("%s=%d repeats this run's choices", seedVariable, seed)
	s := newServer(t)
	setUp(newClient(t, s))
	h := newHistory(t)
	l := newLoad(s, h, seed)
	l.topics = slices.Sorted(maps.Keys(crashTopics))
	for _, g := range crashGroups {
		l.groups = append(l.groups, g.name)
	}
	l.run(5, 12)
	pause(3 * time.Second)
	l.await(t)
	backup, call, first := takeBackup(t, s, h)
	pause(500 * time.Millisecond)
	l.finish()
	before, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	s.kill()

	file := filepath.Join(t.TempDir(), "b.holt")
	if err := os.WriteFile(file, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	copied := &server{dir: filepath.Join(t.TempDir(), "copy"), addr: "127.0.0.1:0"}
	if code, out := command(t, nil, "restore", file, "--data", copied.dir); code != 0 {
		t.Fatalf("restore: exit %d: %s", code, out)
	}
	t.Cleanup(func() { copied.kill(); copied.showLogs(t) })
	started := h.Now()
	copied.start(t)
	again := newLoad(copied, h, seed)
	h.Add(bb.Event{Client: "nemesis", Op: bb.Kill, Call: call, Ret: first, Out: bb.OK})
	h.Add(bb.Event{Client: "nemesis", Op: bb.Start, Call: started, Ret: h.Now(), Out: bb.OK})
	settleDown(t, newClient(t, copied), again)
	again.finish()
	all, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	verifyEvents(t, append(upTo(before, call, first), all[len(before):]...))
}

// upTo is the history that a copy has which was begun between two times: calls that had returned before it are in it, calls that came after it are not, and of
// those in between nobody knows.
func upTo(events []bb.Event, call, first time.Duration) (out []bb.Event) {
	for _, e := range events {
		switch {
		case e.Call >= first:
			continue
		case e.Op == bb.Lease && e.Ret > first: // what it gave may be of later
			e.Out, e.Items = bb.Unknown, nil
		case e.Ret > call && e.Op != bb.Lease: // what a lease gave was given; the copy may have forgotten that
			e.Items = slices.Clone(e.Items)
			for i := range e.Items {
				if e.Items[i].Out == bb.OK {
					e.Items[i].Out = bb.Unknown
				}
			}
			if e.Out == bb.OK {
				e.Out = bb.Unknown
			}
		}
		out = append(out, e)
	}
	return out
}

func TestBackupsAreRefusedWhenDamaged(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := newClient(t, s)
	c.publish("jobs", obj{"value": 1}, obj{"value": 2})
	backup, _, _ := takeBackup(t, s, bb.NewHistory(io.Discard))
	for name, data := range map[string][]byte{
		"cut":     backup[:len(backup)-1],
		"empty":   nil,
		"flipped": slices.Concat(backup[:len(backup)/2], []byte{backup[len(backup)/2] ^ 4}, backup[len(backup)/2+1:]),
		"longer":  append(bytes.Clone(backup), '\n'),
		"page":    []byte("<!doctype html>"),
	} {
		file := filepath.Join(t.TempDir(), "b.holt")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "copy")
		if code, out := command(t, nil, "restore", file, "--data", dir); code != 1 || !strings.Contains(out, "damaged") {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: something is left", name)
		}
	}
	if code, out := command(t, nil, "restore", filepath.Join(s.dir, "HOLT"), "--data", s.dir); code != 1 {
		t.Errorf("over a server at work: exit %d: %s", code, out)
	}
	if len(c.readAll("jobs", 0))+len(c.readAll("jobs", 1))+len(c.readAll("jobs", 2))+len(c.readAll("jobs", 3)) != 2 {
		t.Error("the server lost something")
	}
}

func TestBackupAsksForTheToken(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("a-token-of-good-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "--token-file", tokens)
	for _, path := range []string{"/v1/backup", "/v1/topology", "/asyncapi.yaml", "/v1/topics/t/schema"} {
		resp, err := http.Get("http://" + s.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	file := filepath.Join(t.TempDir(), "b.holt")
	if code, out := command(t, []string{"HOLT_SERVER=http://" + s.addr}, "backup", file); code != 1 || !strings.Contains(out, "unauthenticated") {
		t.Errorf("without: exit %d: %s", code, out)
	}
	if code, out := command(t, []string{"HOLT_SERVER=http://" + s.addr, "HOLT_TOKEN=a-token-of-good-length"}, "backup", file); code != 0 {
		t.Errorf("with: exit %d: %s", code, out)
	}
}
