// Package history keeps samples of how the server was, on the server's own log: a ring of 24 hours, one every ten seconds at most.
//
// It guarantees that there are never more than MaxSamples of MaxSample bytes each, and that what was added before the last commit is there after a start.
// A sample is bytes to it.
//
// The caller owes it samples in order of time, and that it does not change their bytes.
package history
