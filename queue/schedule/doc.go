// Package schedule knows when the delayed records of a topic are due. The records themselves lie in a log of their own; here
// are 32 bytes for each (and 40 more for one with an id), whatever its value.
//
// It guarantees that each record is taken exactly once, by its firing or by its cancellation, across restarts: both are
// deltas of a journal on the records' log, in the unit that has the effect.
//
// The caller owes it the lock (Lock, Unlock) around everything.
package schedule
