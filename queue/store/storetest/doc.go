// Package storetest is the conformance suite of package store: one set of tests for all engines.
//
// An engine's test calls Run with a function that opens a fresh, empty store in a Harness. The suite compares what the
// engine answers with a naive model of the seam, across clean restarts and crashes.
//
// What it asks of an engine beyond the words of package store, where those leave room:
//
//   - Validate's rules (limits, distinct logs, names, checksums) are checked over the whole call before anything is applied: n is 0.
//     What needs the logs (chain, sequences) may be found late: then units[:n] are durable, nothing of units[n:] is, and no log is dead.
//   - A unit may name open logs only; a dropped log is no longer open. Anything else is ErrInvalid.
//   - Parts of an edit apply in the order Append, Start, Rewrite, Entries, Notes. Rewrite names batches that were there
//     before the edit. Start past the end (after Append) is ErrInvalid.
//   - MaxTime that goes back is ErrInvalid, in Append and, against both neighbours, in Rewrite.
//   - A hole is a Batch like any other, with empty Bytes: the chain that Read returns has no gaps.
//   - Start need not be an edge: Read(start) returns the batch that covers it, and OffsetForTime never answers below start.
//   - Pieces of a checkpoint come in order from Part 0. Part 0 begins anew, whatever lay there from an incomplete one.
//     A checkpoint must be newer than the last complete one, so no piece that is live is ever overwritten.
//   - What a reader has seen of a unit on one log it finds on the unit's other logs.
//   - A definition created again has a revision it never had before.
package storetest
