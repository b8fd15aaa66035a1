//go:build linux || darwin || freebsd || netbsd || openbsd

package demo

import "golang.org/x/sys/unix"

// machineClock is a time in nanoseconds that all processes of this machine can compare, and that no one sets.
func machineClock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("the monotonic clock cannot be read: " + err.Error()) // it has no reason to fail
	}
	return t.Nano()
}
