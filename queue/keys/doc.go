// Package keys knows where the newest record of each key of a partition is: the index of a compacted topic.
//
// It guarantees that a look-up sees everything that was durable when it was called, compacted or not, across restarts, and that keys whose hashes share a
// bucket are told apart: an entry carries 128 bits of the key's SHA-256, and the record's own key is compared.
//
// Memory is bounded: the newest MaxTail keys of a partition are in a map, the others in notes beside the records, one for each bucket. What a map holds is
// read from the log again after a restart.
//
// The caller owes it a goroutine for Run, and that records vanish from the partition only as Cleaned and Without say.
package keys
