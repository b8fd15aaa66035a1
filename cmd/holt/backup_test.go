package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store/badger"
)

// serveDir starts a server in this process over a data directory and returns its address; stop ends it.
func serveDir(t *testing.T, dir string) (address string, stop func()) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	st, err := badger.Open(t.Context(), badger.Config{Dir: dir, MinFree: 1 << 20, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	b, err := queue.Open(t.Context(), st, queue.Config{Logger: quiet, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	letters := dlq.New(b, quiet)
	api, err := httpapi.New(b, httpapi.Config{Log: quiet, DeadLetters: letters})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api)
	return s.URL, func() {
		b.Stop()
		s.Close()
		letters.Close()
		if err := errors.Join(b.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	}
}

// holt runs a command and returns its exit code and what it wrote.
func holt(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.WithoutCancel(t.Context()), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func mustHolt(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := holt(t, "", args...)
	if code != exitDone {
		t.Fatalf("holt %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	address, stop := serveDir(t, filepath.Join(dir, "data"))
	t.Setenv("HOLT_SERVER", address)
	mustHolt(t, "topic", "create", "jobs", "--partitions", "1")
	mustHolt(t, "publish", "jobs", "one", "two", "three")
	var receipts []string
	for range 2 {
		out := mustHolt(t, "lease", "workers", "--topic", "jobs", "-o", "name")
		receipts = append(receipts, strings.TrimSpace(out))
	}
	mustHolt(t, "ack", "workers", receipts[0])

	file := filepath.Join(dir, "b.holt")
	mustHolt(t, "backup", file)
	if names, err := filepath.Glob(file + "*"); err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
	mustHolt(t, "restore", file, "--check")
	if code, _, errs := holt(t, "", "backup", file); code != exitFailed || !strings.Contains(errs, "exists") {
		t.Errorf("over a backup: exit %d, %s", code, errs)
	}
	mustHolt(t, "backup", dir)
	if names, err := filepath.Glob(filepath.Join(dir, "holt-*.holt")); err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
	if out := mustHolt(t, "backup", "-"); !strings.HasPrefix(out, "holt backup 1\n") {
		t.Errorf("to standard output: %.40q", out)
	}
	mustHolt(t, "publish", "jobs", "later")
	stop()

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if code, _, errs := holt(t, string(whole[:len(whole)/2]), "restore", "-", "--data", copied); code != exitFailed || !strings.Contains(errs, "damaged") {
		t.Errorf("a cut one: exit %d, %s", code, errs)
	}
	if _, err := os.Stat(copied); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a cut backup left something: %v", err)
	}
	if code, _, _ := holt(t, "", "restore", file); code != exitUsage {
		t.Errorf("to nowhere: exit %d", code)
	}
	mustHolt(t, "restore", file, "--data", copied)
	if code, _, errs := holt(t, "", "restore", file, "--data", copied); code != exitFailed || !strings.Contains(errs, "not empty") {
		t.Errorf("twice: exit %d, %s", code, errs)
	}
	mustHolt(t, "doctor", "--data", copied)

	address, stop = serveDir(t, copied)
	defer stop()
	t.Setenv("HOLT_SERVER", address)
	if out := mustHolt(t, "read", "jobs", "-o", "name"); out != "jobs/0/0\njobs/0/1\njobs/0/2\n" {
		t.Errorf("restored: %q", out)
	}
	// What was acked is, what was leased is still leased, and the receipt of the original means nothing here.
	if code, _, errs := holt(t, "", "ack", "workers", receipts[1]); code != exitFailed || !strings.Contains(errs, "invalid_receipt") {
		t.Errorf("an old receipt: exit %d, %s", code, errs)
	}
	out := mustHolt(t, "lease", "workers", "--topic", "jobs", "--max", "10")
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, `"text":"three"`) {
		t.Errorf("leased: %s", out)
	}
}

// TestBackupGoesOn cuts the connection in the middle of a backup: the same command goes on, of the same moment, though the server was written to.
func TestBackupGoesOn(t *testing.T) {
	dir := t.TempDir()
	address, stop := serveDir(t, filepath.Join(dir, "data"))
	defer stop()
	t.Setenv("HOLT_SERVER", address)
	mustHolt(t, "topic", "create", "jobs", "--partitions", "1")
	const n = 40 // more bytes than fit into the sockets on the way
	for range n {
		if code, _, errs := holt(t, strings.Repeat("x", 900_000), "publish", "jobs"); code != exitDone {
			t.Fatal(errs)
		}
	}
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	left := int64(1_500_000) // bytes that pass before the connection is cut
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(r *http.Response) error {
		asked = append(asked, r.Request.URL.RawQuery)
		if left > 0 {
			body := r.Body
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(body, left), iotest.ErrReader(io.ErrUnexpectedEOF)), body}
		}
		return nil
	}
	cutting := httptest.NewServer(proxy)
	defer cutting.Close()
	backups := filepath.Join(dir, "backups")
	if err := os.Mkdir(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := holt(t, "", "backup", backups, "--server", cutting.URL); code == exitDone || !strings.Contains(errs, "goes on") {
		t.Fatalf("cut: exit %d: %s", code, errs)
	}
	mustHolt(t, "publish", "jobs", "later")
	left = 0
	mustHolt(t, "backup", backups, "--server", cutting.URL)
	if len(asked) != 2 || asked[0] != "" || !strings.Contains(asked[1], "offset=1") {
		t.Errorf("asked for %q", asked)
	}
	names, err := filepath.Glob(filepath.Join(backups, "*"))
	if err != nil || len(names) != 1 || !strings.HasSuffix(names[0], backupExt) {
		t.Fatalf("files %v, %v", names, err)
	}
	copied := filepath.Join(dir, "copy")
	mustHolt(t, "restore", names[0], "--data", copied)
	restored, end := serveDir(t, copied)
	defer end()
	if out := mustHolt(t, "read", "jobs", "-o", "name", "--server", restored); strings.Count(out, "\n") != n {
		t.Errorf("restored: %s", out)
	}

	// What the server cannot go on with is begun anew.
	old := filepath.Join(dir, "old"+backupExt)
	whole, err := os.ReadFile(names[0])
	if err == nil {
		err = os.WriteFile(old+partExt, whole[:len(whole)/2], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	mustHolt(t, "backup", old)
	mustHolt(t, "restore", old, "--check")
}

func TestNewBackupGoesOnWithWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	part := func(name string, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name+backupExt+partExt)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	parts := func() []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "*"+partExt))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	isNew := func(what string) {
		t.Helper()
		if got := newBackup(dir); filepath.Dir(got) != dir || slices.Contains(parts(), got+partExt) {
			t.Errorf("%s: %s", what, got)
		}
	}
	isNew("an empty directory")
	part("holt-20260102T150405Z", backup.KeepFor)
	isNew("one that broke off too long ago")
	part("other", 0)
	isNew("one that somebody else named")
	part("holt-20260102T150500Z", 0)
	if got, want := newBackup(dir), filepath.Join(dir, "holt-20260102T150500Z"+backupExt); got != want {
		t.Errorf("one that broke off just now: %s, want %s", got, want)
	}
}
