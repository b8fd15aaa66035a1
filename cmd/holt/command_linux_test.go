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
	if pipe := os.Getenv(workerVariable); pipe != "" {
		script := "exec 3>" + pipe + "; echo running >&3; exec sleep 600"
		os.Exit(run(t.Context(), []string{"work", "mailer", "--topic", "emails", "--", "sh", "-c", script}, os.Stdin, os.Stdout, os.Stderr))
	}
	server := serveInMemory(t)
	if code := run(t.Context(), []string{"publish", "emails", "x", "--server", server}, os.Stdin, io.Discard, os.Stderr); code != exitDone {
		t.Fatal("the publish failed")
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	worker := exec.Command(os.Args[0], "-test.run=^TestKilledWorkerLeavesNoCommand$")
	worker.Env = append(os.Environ(), workerVariable+"="+pipe, "HOLT_SERVER="+server)
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer worker.Wait()
	defer worker.Process.Kill()
	ours, err := os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0) // does not wait for the command to open it
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(ours).ReadString('\n'); err != nil {
		t.Fatalf("the command did not start: %q, %v", line, err)
	}
	read, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	ours.Close() // now the command alone holds it open for writing
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := read.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(read); err != nil {
		t.Errorf("the command still runs: %q, %v", b, err)
	}
}
