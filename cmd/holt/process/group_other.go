//go:build !unix

package process

import (
	"os"
	"syscall"
)

// Attributes are none: there are no process groups here.
func Attributes() *syscall.SysProcAttr { return nil }

// Terminate kills: there is no milder way here. Errors: os.ErrProcessDone.
func Terminate(p *os.Process) error { return p.Kill() }

// Kill ends a child, but not what it has started.
func Kill(p *os.Process) { _ = p.Kill() }

// EndBy ends this process.
func EndBy(os.Signal) { os.Exit(1) }
