//go:build linux

package main

import "syscall"

// childAttributes: a group of its own, so that a terminal's Ctrl-C reaches the worker only and the command can finish;
// and death with the worker, however that dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
