package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// buildHolt makes the program: the demo starts it as server and as workers.
func buildHolt(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holt.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// smallTree has files of many sizes, an empty one and one in a directory whose name needs care.
func smallTree(t *testing.T, files int) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "sub é", "deeper")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		path := filepath.Join(root, fmt.Sprintf("file-%03d", i))
		if i%10 == 0 {
			path = filepath.Join(dir, fmt.Sprintf("file %03d", i))
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, i*i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDemo(t *testing.T) {
	self := buildHolt(t)
	t.Run("whole", func(t *testing.T) { testDemoWhole(t, self) })
	t.Run("interrupted", func(t *testing.T) { testDemoInterrupted(t, self) })
	t.Run("killed", func(t *testing.T) { testDemoKilled(t, self) })
	t.Run("server dies", func(t *testing.T) { testDemoChildDies(t, self, " serve ", "the server") })
	t.Run("worker dies", func(t *testing.T) { testDemoChildDies(t, self, " worker-1 ", "worker-1 ended by itself") })
	t.Run("keep", func(t *testing.T) { testDemoKeep(t, self) })
}

func testDemoWhole(t *testing.T, self string) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("HOLT_MIN_FREE", "nonsense") // settings of other servers do not reach the demo's
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, format: formatJSON}
	cfg := demoConfig{Dir: smallTree(t, 200), Workers: 3, Concurrency: 2, Seed: 7}
	report, err := a.runDemo(t.Context(), self, cfg)
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, &stderr)
	}
	if err := report.err(); err != nil {
		t.Errorf("%v: %v", err, report.Violations)
	}
	if report.Jobs != 200+demoPlanted || report.Done+len(report.DeadLetters) != report.Jobs {
		t.Errorf("jobs %d, done %d, dead letters %d", report.Jobs, report.Done, len(report.DeadLetters))
	}
	checkPlanted(t, report)
	if report.WorkerKills < 3 || report.ServerKills != 1 || report.ServerAway <= 0 {
		t.Errorf("killed: %d workers, %d servers (away %v)", report.WorkerKills, report.ServerKills, report.ServerAway)
	}
	if report.Redelivered < 2*demoPlanted || report.DoneRate <= 0 || report.LeaseAck.P50 <= 0 || report.PublishAck.P99 < report.PublishAck.P50 {
		t.Errorf("measured: %+v", report)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	if left := processesOf(t, self); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	checkOutput(t, a, report, &stdout)
}

// checkPlanted: every planted file is a dead letter, with its attempts and its error.
func checkPlanted(t *testing.T, r *demoReport) {
	t.Helper()
	missing := 0
	for _, l := range r.DeadLetters {
		if l.Attempts != demoMaxAttempts || l.Reason != "max_attempts" {
			t.Errorf("dead letter %+v", l)
		}
		if strings.HasPrefix(l.Path, "planted-missing-") {
			missing++
		}
	}
	if planted := len(r.DeadLetters) - r.Unplanned; planted != demoPlanted || missing != demoPlanted-1 {
		t.Errorf("dead letters: %+v", r.DeadLetters)
	}
}

// checkOutput: JSON holds the report, and the table its figures.
func checkOutput(t *testing.T, a *app, r *demoReport, stdout *bytes.Buffer) {
	t.Helper()
	if err := a.showDemo(r); err != nil {
		t.Fatal(err)
	}
	var again demoReport
	if err := json.Unmarshal(stdout.Bytes(), &again); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if diff := cmp.Diff(*r, again); diff != "" {
		t.Errorf("JSON (-report +output):\n%s", diff)
	}
	stdout.Reset()
	a.format = formatTable
	if err := a.showDemo(r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"planted-missing-1.go", "max_attempts", "Nothing lost, nothing doubled, nothing wrong"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, stdout)
		}
	}
}

// testDemoInterrupted ends the demo when its workers have begun: nothing may be left.
func testDemoInterrupted(t *testing.T, self string) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	tree := smallTree(t, 50)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &trigger{word: "jobs: files of", pull: cancel}
	a := &app{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: stderr, format: formatTable}
	_, err := a.runDemo(ctx, self, demoConfig{Dir: tree, Workers: 3, Concurrency: 1, Seed: 1})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the demo was interrupted: %v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	if left := processesOf(t, self); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// trigger calls pull when word is written.
type trigger struct {
	mu   sync.Mutex
	text strings.Builder
	word string
	pull func()
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.word) {
		w.pull()
	}
	return len(p), nil
}

// testDemoKeep: data and logs are kept, and the directory is named.
func testDemoKeep(t *testing.T, self string) {
	t.Setenv("TMPDIR", t.TempDir())
	var stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &stderr, format: formatTable}
	if _, err := a.runDemo(t.Context(), self, demoConfig{Dir: smallTree(t, 5), Workers: 1, Concurrency: 1, Keep: true}); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	_, dir, ok := strings.Cut(stderr.String(), "kept: ")
	if !ok {
		t.Fatalf("no directory is named:\n%s", &stderr)
	}
	for _, name := range []string{"data", "server.log"} {
		if _, err := os.Stat(filepath.Join(strings.TrimSpace(dir), name)); err != nil {
			t.Error(err)
		}
	}
}

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

func TestDemoStuck(t *testing.T) {
	begin := time.Now()
	w := &demoWatch{demo: &demo{}, moved: begin}
	for _, c := range []struct {
		mark  [3]int64
		after time.Duration
		want  bool
	}{
		{[3]int64{1, 1, 9}, 0, false},
		{[3]int64{1, 1, 9}, demoStall, false},
		{[3]int64{1, 1, 8}, demoStall + 1, false}, // the lag moved
		{[3]int64{1, 1, 8}, 2*demoStall + 1, false},
		{[3]int64{1, 1, 8}, 2*demoStall + 2, true},
	} {
		if got := w.stuck(c.mark, begin.Add(c.after)); got != c.want {
			t.Errorf("%v after %v: %v", c.mark, c.after, got)
		}
	}
}
