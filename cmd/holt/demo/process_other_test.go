//go:build !linux

package demo

import "testing"

// processesOf: there is no /proc to see processes in.
func processesOf(*testing.T, string) map[int]string { return nil }

func testKilled(t *testing.T, _ string) {
	t.Skip("NOT TESTED: only Linux ends a process with its parent")
}

func testChildDies(t *testing.T, _, _, _ string) {
	t.Skip("NOT TESTED: needs /proc to find the child")
}
