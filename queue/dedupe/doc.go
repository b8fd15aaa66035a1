// Package dedupe remembers the ids of a topic's records for a while, so that a second record with the same id is not stored.
//
// It guarantees that an id added is found until its window is over, across partitions and restarts: the ids are journaled on
// the log of their record, in the unit that appends it, in buckets of time that are forgotten as a whole. An id is kept as the
// first 16 bytes of its SHA-256, at about 80 bytes of memory each; over MaxIDs the caller is told to wait, nothing is forgotten early.
//
// The caller owes it the lock (Lock, Unlock) around finding an id, numbering its record and adding it.
package dedupe
