package demo

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// processesOf lists the processes that run the program at path: their command lines by process id.
func processesOf(t *testing.T, path string) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes are seen: %v", err)
	}
	found := map[int]string{}
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil || !bytes.HasPrefix(line, append([]byte(path), 0)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte(" ")))
	}
	return found
}

// testChildDies: a child that dies unasked ends the demo, and is named.
func testChildDies(t *testing.T, self, child, want string) {
	t.Setenv("TMPDIR", t.TempDir())
	var once sync.Once
	stderr := &trigger{word: "jobs: files of"}
	stderr.pull = func() {
		once.Do(func() {
			awaitProcesses(t, self, func(n int) bool { return n >= 3 }) // the server and the workers
			for pid, line := range processesOf(t, self) {
				if strings.Contains(line, child) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		})
	}
	_, err := Run(t.Context(), self, Config{Dir: smallTree(t, 50), Workers: 2, Concurrency: 1}, sayTo(stderr))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
	awaitProcesses(t, self, func(n int) bool { return n == 0 })
}

// testKilled: server and workers die with the demo, even when nothing in it can clean up any more.
func testKilled(t *testing.T, self string) {
	begun := make(chan struct{}, 1)
	cmd := exec.Command(self, "demo", "--dir", smallTree(t, 50), "--workers", "2")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	cmd.Stderr = &trigger{word: "jobs: files of", pull: func() {
		select {
		case begun <- struct{}{}:
		default:
		}
	}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	awaitProcesses(t, self, func(n int) bool { return n >= 4 }) // the demo, a server, two workers
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the demo ended with %v", err)
	}
	awaitProcesses(t, self, func(n int) bool { return n == 0 })
}

// awaitProcesses waits until as many processes run the program at path as enough says.
func awaitProcesses(t *testing.T, path string, enough func(int) bool) {
	t.Helper()
	limit, tick := time.After(time.Minute), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		running := processesOf(t, path)
		if enough(len(running)) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("running: %v", running)
		}
	}
}
