package blackbox_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

// faultsVariable runs the tests that need root and tools; scripts/faults sets it and installs the tools. Its value is how many faults each makes; 1 = the default.
const faultsVariable = "HOLT_FAULTS"

// faults returns how many faults a test is to make, or skips it.
func faults(t *testing.T, usual int, tools ...string) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(faultsVariable))
	if err != nil || n < 1 {
		t.Skipf("needs root and %v: scripts/faults runs it", tools)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("NOT TESTED: %s is missing (scripts/faults installs it)", tool)
		}
	}
	if n == 1 {
		return usual
	}
	return n
}

func mustRun(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// TestPowerCuts copies the disk under the running server at many instants, as a power cut leaves it: what the file system has not made durable by then is not in the
// copy. Each copy is started and held against the history up to that instant.
func TestPowerCuts(t *testing.T) {
	for _, fs := range []struct{ name, options string }{{"xfs", "loop,nouuid"}, {"ext4", "loop"}} {
		t.Run(fs.name, func(t *testing.T) {
			n := faults(t, 6, "mkfs."+fs.name, "mount", "cp")
			dir, err := os.MkdirTemp(workDir, "power-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			img := filepath.Join(dir, "disk")
			mustRun(t, "truncate", "-s", "1500M", img)
			mustRun(t, "mkfs."+fs.name, "-q", img)
			s := newServerOn(t, filepath.Join(mounted(t, img, fs.options), "data"), "--min-free", "16MiB")
			setUp(newClient(t, s))
			h := newHistory(t)
			l := newMixedLoad(s, h, runSeed(t))
			l.run(4, 9)
			var at []time.Duration
			for i := range n {
				pause(time.Duration(300+l.rand(5000+i).IntN(1200)) * ms)
				stop(t, s)
				at = append(at, h.Now())
				mustRun(t, "cp", "--sparse=always", img, fmt.Sprint(img, i))
				s.signal(syscall.SIGCONT)
			}
			l.finish()
			for i, at := range at {
				verifyCut(t, fmt.Sprint(img, i), fs.options, h.Cut(io.Discard, at), at)
			}
		})
	}
}

// stop stops every thread of a server: the signal alone leaves the moment open.
func stop(t *testing.T, s *server) {
	t.Helper()
	s.signal(syscall.SIGSTOP)
	stopped := func() bool {
		paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
		if err != nil || len(paths) == 0 {
			t.Fatalf("threads of the server: %v", err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			_, state, found := strings.Cut(string(b), ") ")
			if err != nil || !found || state[0] != 'T' {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(time.Minute); !stopped(); pause(ms) {
		if time.Now().After(end) {
			t.Fatal("the server does not stop")
		}
	}
}

// mounted mounts an image for the rest of the test.
func mounted(t *testing.T, img, options string) string {
	t.Helper()
	dir := img + ".mounted"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mount", "-o", options, img, dir)
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return dir
}

// verifyCut starts a server on a copy of the disk and drains it.
func verifyCut(t *testing.T, img, options string, h *bb.History, at time.Duration) {
	t.Helper()
	h.Add(bb.Event{Client: "nemesis", Op: bb.Kill, Call: at, Ret: at, Out: bb.OK})
	call := h.Now()
	s := newServerOn(t, filepath.Join(mounted(t, img, options), "data"), "--min-free", "16MiB")
	h.Add(bb.Event{Client: "nemesis", Op: bb.Start, Call: call, Ret: h.Now(), Out: bb.OK})
	l := newMixedLoad(s, h, 1)
	settleDown(t, newClient(t, s), l)
	l.finish()
	s.kill()
	events, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	violations := bb.Check(events)
	t.Logf("cut at %v: %d events, %d violations", at, len(events), len(violations))
	for _, v := range violations[:min(len(violations), 20)] {
		t.Error(v)
	}
}

// TestCrashesWithinSyncs kills the server within its nth sync, for many n, under load.
func TestCrashesWithinSyncs(t *testing.T) {
	n := faults(t, 10, "strace")
	s := newServer(t)
	setUp(newClient(t, s))
	h := newHistory(t)
	l := newMixedLoad(s, h, runSeed(t))
	l.run(4, 9)
	rng := l.rand(6000)
	for range n {
		call := h.Now()
		s.kill()
		h.Add(bb.Event{Client: "nemesis", Op: bb.Kill, Call: call, Ret: h.Now(), Out: bb.OK})
		when := 1 + rng.IntN(60)
		syncs := []string{"msync", "fdatasync"}[rng.IntN(2)] // of what Badger writes, or of a commit
		s.under = []string{"strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=" + syncs, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", syncs, when)}
		call = h.Now()
		if err := s.tryStart(); err == nil { // else it died on its way
			h.Add(bb.Event{Client: "nemesis", Op: bb.Start, Call: call, Ret: h.Now(), Out: bb.OK})
			select {
			case <-s.running():
			case <-time.After(time.Minute):
				t.Fatalf("the server lives on after %d calls of %s: nothing was injected", when, syncs)
			}
			h.Add(bb.Event{Client: "nemesis", Op: bb.Kill, Call: h.Now() - time.Second, Ret: h.Now(), Out: bb.OK})
		}
		s.under = nil
		call = h.Now()
		s.start(t)
		h.Add(bb.Event{Client: "nemesis", Op: bb.Start, Call: call, Ret: h.Now(), Out: bb.OK})
	}
	l.await(t)
	l.finish()
	settleDown(t, newClient(t, s), l)
	verify(t, h)
}
