package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, "..").CombinedOutput(); err != nil {
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
		size := i % 200
		if err := os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, size*size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRun(t *testing.T) {
	self := buildHolt(t)
	t.Run("whole", func(t *testing.T) { testWhole(t, self) })
	t.Run("interrupted", func(t *testing.T) { testInterrupted(t, self) })
	t.Run("killed", func(t *testing.T) { testKilled(t, self) })
	t.Run("server dies", func(t *testing.T) { testChildDies(t, self, " serve ", "the server") })
	t.Run("worker dies", func(t *testing.T) { testChildDies(t, self, " worker-1 ", "worker-1 ended by itself") })
	t.Run("keep", func(t *testing.T) { testKeep(t, self) })
}

func testWhole(t *testing.T, self string) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("HOLT_MIN_FREE", "nonsense") // settings of other servers do not reach the demo's
	const files = 600                     // killing a worker takes its time on a busy machine: a share of them must take longer
	var said bytes.Buffer
	cfg := Config{Dir: smallTree(t, files), Workers: 3, Concurrency: 2, Seed: 7}
	report, err := Run(t.Context(), self, cfg, sayTo(&said))
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, &said)
	}
	if err := report.Err(); err != nil {
		t.Errorf("%v: %v", err, report.Violations)
	}
	if report.Jobs != files+Planted || report.Done+len(report.DeadLetters) != report.Jobs {
		t.Errorf("jobs %d, done %d, dead letters %d", report.Jobs, report.Done, len(report.DeadLetters))
	}
	checkPlanted(t, report)
	if report.WorkerKills == 0 || report.ServerKills != 1 || report.ServerAway <= 0 {
		t.Errorf("killed: %d workers, %d servers (away %v)", report.WorkerKills, report.ServerKills, report.ServerAway)
	}
	if report.Redelivered < 2*Planted || report.DoneRate <= 0 || report.LeaseAck.P50 <= 0 || report.PublishAck.P99 < report.PublishAck.P50 {
		t.Errorf("measured: %+v", report)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	if left := processesOf(t, self); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	checkJSON(t, report)
}

// checkPlanted: every planted file is a dead letter, with its attempts and its error.
func checkPlanted(t *testing.T, r *Report) {
	t.Helper()
	missing := 0
	for _, l := range r.DeadLetters {
		if l.Attempts != MaxAttempts || l.Reason != "max_attempts" {
			t.Errorf("dead letter %+v", l)
		}
		if strings.HasPrefix(l.Path, "planted-missing-") {
			missing++
		}
	}
	if planted := len(r.DeadLetters) - r.Unplanned; planted != Planted || missing != Planted-1 {
		t.Errorf("dead letters: %+v", r.DeadLetters)
	}
}

// checkJSON: JSON holds the report.
func checkJSON(t *testing.T, r *Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if diff := cmp.Diff(*r, again); diff != "" {
		t.Errorf("JSON (-report +output):\n%s", diff)
	}
}

// sayTo is a console that writes to w.
func sayTo(w io.Writer) Console {
	return Console{Say: func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }}
}

// testInterrupted ends the demo when its workers have begun: nothing may be left.
func testInterrupted(t *testing.T, self string) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	tree := smallTree(t, 50)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := sayTo(&trigger{word: "jobs: files of", pull: cancel})
	_, err := Run(ctx, self, Config{Dir: tree, Workers: 3, Concurrency: 1, Seed: 1}, out)
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

// testKeep: data and logs are kept, and the directory is named.
func testKeep(t *testing.T, self string) {
	t.Setenv("TMPDIR", t.TempDir())
	var said bytes.Buffer
	if _, err := Run(t.Context(), self, Config{Dir: smallTree(t, 5), Workers: 1, Concurrency: 1, Keep: true}, sayTo(&said)); err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	_, dir, ok := strings.Cut(said.String(), "kept: ")
	if !ok {
		t.Fatalf("no directory is named:\n%s", &said)
	}
	for _, name := range []string{"data", "server.log"} {
		if _, err := os.Stat(filepath.Join(strings.TrimSpace(dir), name)); err != nil {
			t.Error(err)
		}
	}
}

func TestStuck(t *testing.T) {
	begin := time.Now()
	w := &watch{demo: &demo{}, moved: begin}
	for _, c := range []struct {
		mark  [3]int64
		after time.Duration
		want  bool
	}{
		{[3]int64{1, 1, 9}, 0, false},
		{[3]int64{1, 1, 9}, stallTime, false},
		{[3]int64{1, 1, 8}, stallTime + 1, false}, // the lag moved
		{[3]int64{1, 1, 8}, 2*stallTime + 1, false},
		{[3]int64{1, 1, 8}, 2*stallTime + 2, true},
	} {
		if got := w.stuck(c.mark, begin.Add(c.after)); got != c.want {
			t.Errorf("%v after %v: %v", c.mark, c.after, got)
		}
	}
}
