//go:build unix

package main

import (
	"os"
	"syscall"
)

// killGroup kills a child that leads a process group, and all in it.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
