package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const workerVariable = "HOLT_TEST_WORKER" // set: this test binary is a worker, and its value the pipe its command holds open

// TestKilledWorkerLeavesNoCommand: a command does not outlive a worker that had no chance to end it.
func TestKilledWorkerLeavesNoCommand(t *testing.T) {
	beWorker("echo running >&3; exec sleep 600")
	w := startWorker(t)
	if err := w.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.awaitCommand(t)
}

// TestSecondSignalEndsCommands: with all that they have started, and though they do not mind signals.
func TestSecondSignalEndsCommands(t *testing.T) {
	beWorker("trap '' TERM INT; sleep 600 & echo running >&3; wait")
	w := startWorker(t)
	for range 2 {
		if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if w.said.Scan() && w.said.Text() != "holt: stopping; waiting for the commands that run" { // before the second one is sent, which would be taken for the same
			t.Errorf("the worker says %q", w.said.Text())
		}
	}
	w.awaitCommand(t)
	_ = w.cmd.Wait()
	if status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the worker ended with %v", w.cmd.ProcessState)
	}
}

// worker is a process of its own that works on one record.
type worker struct {
	cmd     *exec.Cmd
	said    *bufio.Scanner // its standard error
	command *os.File       // at its end when the command, and what it has started, are gone
}

// beWorker is the worker, if this process was started as one; the script says "running" to descriptor 3.
func beWorker(script string) {
	if pipe := os.Getenv(workerVariable); pipe != "" {
		script = "exec 3>" + pipe + "; " + script
		os.Exit(runUntilSignal([]string{"work", "mailer", "--topic", "emails", "--", "sh", "-c", script}))
	}
}

// startWorker starts this test again as a worker and waits until its command runs.
func startWorker(t *testing.T) *worker {
	t.Helper()
	server := serveInMemory(t)
	if code := run(t.Context(), []string{"publish", "emails", "x", "--server", server}, os.Stdin, io.Discard, os.Stderr); code != exitDone {
		t.Fatal("the publish failed")
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &worker{cmd: exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")}
	w.cmd.Env = append(os.Environ(), workerVariable+"="+pipe, "HOLT_SERVER="+server)
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.said = bufio.NewScanner(stderr)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { _ = w.cmd.Process.Kill() }) // its standard error is waited for
	t.Cleanup(func() {
		limit.Stop()
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
	})
	ours, err := os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0) // does not wait for the command to open it
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close() // then the command alone holds it open for writing
	if err := ours.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(ours).ReadString('\n'); err != nil {
		t.Fatalf("the command did not start: %q, %v", line, err)
	}
	if w.command, err = os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.command.Close() })
	return w
}

// awaitCommand waits until nothing that the worker has started is left.
func (w *worker) awaitCommand(t *testing.T) {
	t.Helper()
	if err := w.command.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(w.command); err != nil {
		t.Errorf("the command still runs: %q, %v", b, err)
	}
}
