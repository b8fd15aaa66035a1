//go:build unix

package process

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Attributes are those of a child with a group of its own, so that a terminal's Ctrl-C reaches its parent only and it can finish,
// and so that it can be ended with all it has started.
func Attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(a)
	return a
}

// Terminate asks a child and what it has started to end. Errors: os.ErrProcessDone.
func Terminate(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// Kill ends a child and what it has started, or has left behind.
func Kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// EndBy ends this process as the signal does when nobody looks after it.
func EndBy(s os.Signal) {
	signal.Reset(s)
	if n, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), n)
	}
	select {} // until it arrives
}
