// Package backup takes copies of the store, one at a time.
//
// It guarantees that a copy which broke off can be gone on with for KeepFor, at the byte where it ended: the moment it is of stays as it was. That holds back
// space, so it ends with the next copy of another moment, when the time is over, or when the broker stops.
//
// The caller owes it Close before the store's.
package backup
