// Package blackbox records what clients of a Holt server saw and checks it
// against the invariants of the contract.
//
// It guarantees that Check names only what certainly is a violation: where two
// calls overlapped, or an answer was lost, it gives the server the benefit of
// the doubt. Its time is linear in the number of events.
//
// The caller owes it one Event per client call, with both times from one
// monotonic clock, the crashes and starts of the server in the same history,
// and at the end the full content of every topic and the totals of every group.
//
// The tests of this package run the real binary and speak HTTP to it; they
// know nothing of the implementation.
package blackbox
