// Package journal keeps a state machine beside the records of a log: it numbers its deltas, cuts its checkpoints into
// pieces, and restores it from both.
//
// It guarantees dense sequences, and that Replay gives a machine exactly one checkpoint at most and every delta after it.
//
// The caller owes it the order: entries are enqueued under the lock under which they were numbered, a checkpoint is the state
// after the last numbered delta, and its entries are committed in order.
package journal
