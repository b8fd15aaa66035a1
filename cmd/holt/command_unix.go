//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// childAttributes: a group of its own, so that a terminal's Ctrl-C reaches the worker only and the command can finish,
// and so that it can be ended with all it has started.
func childAttributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(a)
	return a
}

// terminate asks a command and what it has started to end; exec kills the command when WaitDelay is over.
func terminate(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// killRest ends what a command that was terminated has left behind.
func killRest(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
