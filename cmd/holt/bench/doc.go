// Package bench measures a server under load: publish, lease and ack, and both at once, of one setting or of two in turns, whose ratios it gives round by round.
//
// It is a client of the server like any other. What it makes there has names of its own, and is deleted at the end, also when a run is interrupted.
//
// The caller owes it a server, and a Config that Validate approved.
package bench
