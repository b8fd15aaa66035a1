// Package admit refuses what is over a limit or contradicts itself, before anything is done about it.
//
// It guarantees that what it lets pass fits into the units of the store, and that each refusal says what the limit is.
//
// The caller owes it Limits with their defaults filled in.
package admit
