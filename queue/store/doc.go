// Package store is the seam between the broker and the engine that keeps its data.
//
// A log is a sequence of atomic units. A unit appends record batches, adds entries to journals (state machines beside the records), or both;
// whatever is durable about a partition is in its log. The engine guarantees order, atomicity and durability of
// units, that readers see durable state only, and that damage is reported as ErrCorrupt and never as less data.
//
// The caller owes it: one Commit in flight per log, dense offsets and dense journal sequences, and a new Open of every log that a
// failed Commit left dead.
package store
