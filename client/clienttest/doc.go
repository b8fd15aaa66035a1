// Package clienttest runs a Holt server inside a test: the real one, on a store in memory, in the same process, for tests of what is written with package client.
//
// It guarantees that nothing of a [Server] is left when its test is over, that no two share anything, and that no port is used: its client reaches it over pipes.
// So it works in bubbles of testing/synctest, too, where a backoff of hours costs no time. Nothing is on a disk: what this server does not show is what a
// crash does to a worker.
//
// The caller owes it that workers end before the test does, as those of [Server.Drain] do.
package clienttest
