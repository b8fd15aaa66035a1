//go:build !unix

package main

import (
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

// terminate kills: there is no milder way here.
func terminate(p *os.Process) error { return p.Kill() }

func killRest(*os.Process) {}
