//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package demo

import "time"

// machineClock is a time in nanoseconds that all processes of this machine can compare. Here it is the wall clock:
// setting it back while the demo runs can make an order look wrong.
func machineClock() int64 { return time.Now().UnixNano() }
