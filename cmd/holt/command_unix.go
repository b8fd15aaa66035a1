//go:build unix && !linux

package main

import "syscall"

// childAttributes: a group of its own, so that a terminal's Ctrl-C reaches the worker only and the command can finish.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
