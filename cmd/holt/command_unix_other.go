//go:build unix && !linux

package main

import "syscall"

// dieWithParent: there is no such thing here; a command outlives a worker that was killed.
func dieWithParent(*syscall.SysProcAttr) {}
