// Package wait parks calls until somebody has something for them: first come, first served, by hand-off.
//
// It guarantees that a waiter is served at most once, that exactly one of "served" and "gone" wins, and that nobody is woken to compete.
//
// The caller owes it one lock around a Queue's methods, and to take back what was handed to a waiter that had gone.
package wait
