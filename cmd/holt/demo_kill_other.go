//go:build !unix

package main

import "os"

// killGroup kills a child. There are no process groups here.
func killGroup(p *os.Process) { _ = p.Kill() }
