// Package lease is the state machine of one share group on one partition.
//
// A Window knows, of a log it never reads, which records are not settled yet and what became of their hand-outs: who holds which one until
// when, how often each has failed, which wait for a backoff, for their key, or for a dead letter. Its caller offers it the records in
// order, asks it for leases, brings it the verbs of the holders, and turns over what is due.
//
// It guarantees:
//
//   - At most one lease on a record is valid at a time, and no two hand-outs have equal claims.
//   - A settled record is never handed out again (but after a Reset), an unsettled one again and again until it is acked or dies.
//   - One delivery is at most one failure; failures never exceed Config.MaxAttempts.
//   - With KeyOrder at most one record of a key is in flight, and keys proceed in offset order.
//   - Memory and time go with the unresolved records, never with the backlog or the span they lie in.
//   - The deltas it writes, replayed on a checkpoint, give an equal window: equal histories make equal checkpoints, byte for byte.
//
// The caller owes it:
//
//   - One call at a time, NextDeadline and Dying included; only the reading ones View, Views, Counts, Attempts, Judge may overlap.
//   - now in milliseconds of one clock that does not go back, and a new Request.Incarnation after each restart, greater than all before.
//   - The delta of every command made durable, in order, before anybody relies on the command's answer (hand-outs without Again aside).
//   - After a restart: Restore, Replay of the deltas since, Resume.
package lease
