package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/cmd/holt/demo"
)

func TestDemoRefuses(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--workers", "0"}, exitUsage, "--workers 0: 1 to 64"},
		{[]string{"--jobs", "-1", "--concurrency", "101"}, exitUsage, "--concurrency 101: 1 to 100"},
		{[]string{"--dir", filepath.Join(empty, "none")}, exitFailed, "--dir names another tree"},
		{[]string{"--dir", empty}, exitFailed, "holds no files"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"demo"}, c.args...), strings.NewReader(""), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%v: exit code %d, want %d with %q; it said\n%s", c.args, code, c.code, c.says, &stderr)
		}
	}
}

// TestDemoReport: the report is a table or JSON, and its last line says how it went.
func TestDemoReport(t *testing.T) {
	good := &demo.Report{
		Dir: "tree", Jobs: 10, Done: 9, Attempts: map[string]int{"1": 9, "3": 1}, WorkerKills: 2, ServerKills: 1,
		DeadLetters: []demo.Letter{{Path: "planted-missing-1.go", Attempts: 3, Reason: "max_attempts", Error: "no such file"}},
		LeaseAck:    demo.Latency{P50: api.Duration(3 * time.Millisecond), P99: api.Duration(2 * time.Second)},
	}
	bad := &demo.Report{Jobs: 10, Lost: 1, Violations: []demo.Violation{{Kind: "lost", Path: "a.go", Detail: "neither digest nor dead letter"}}}
	for _, c := range []struct {
		report *demo.Report
		format string
		want   []string
	}{
		{good, formatTable, []string{"planted-missing-1.go", "max_attempts", "9 jobs: 1, 1 jobs: 3", "p50 3.0 ms, p99 2.00 s", "Nothing lost, nothing doubled, nothing wrong"}},
		{good, formatJSON, []string{`"jobs": 10`, `"path": "planted-missing-1.go"`}},
		{bad, formatTable, []string{"a.go", "neither digest nor dead letter", "FAILED: 1 lost"}},
	} {
		var stdout bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stdout, format: c.format}
		if err := a.showDemo(c.report); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("as %s the report lacks %q:\n%s", c.format, want, &stdout)
			}
		}
	}
}
