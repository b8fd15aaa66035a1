// Package system keeps the server's own state machines: journals on one log, beside no records, that no user sees.
//
// It guarantees that after Open every machine has got its checkpoint and all deltas that were durable, that checkpoints are written when they are
// due, and that journals nobody keeps stay as they are.
//
// The caller owes it, in this order: New; Keep and KeepEach for what it keeps; Open, which replays; Begin for what is new; Close before the
// committer's. How a delta is written stands at Journal.
package system
