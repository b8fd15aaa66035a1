//go:build unix && !linux

package process

import "syscall"

// dieWithParent: there is no such thing here; a child outlives a parent that was killed.
func dieWithParent(*syscall.SysProcAttr) {}
