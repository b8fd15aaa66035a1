// Package traffic remembers who talks to whom: which clients published to a topic, and which worked for a group, in the last 24 hours.
//
// It guarantees that noting costs a map's look-up and two atomic operations for a client that is known, that names are bounded (further ones are counted as
// "(others)"), and that what was seen is on the server's log within a minute or two: after a crash a client may be missing that was seen just before.
//
// The caller owes it Keep before the server's log is opened, Run in the background, and ids that are never used again.
package traffic
