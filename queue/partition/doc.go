// Package partition is one partition of a topic: it gives offsets and timestamps to records, reads batches through one
// shared cache, and tells watchers when there is more to read.
//
// It guarantees dense offsets, timestamps that never go back, that records show only once durable, and that appends to several partitions
// become durable together.
//
// The caller owes it to call nothing here while it holds a lock that a Watcher takes, except Append and Watch, which
// are made for that (lock order: the caller's lock, partitions by log id, the committer).
package partition
