package main

import "syscall"

// dieWithParent has the kernel kill the command when the worker dies, however that happens.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
