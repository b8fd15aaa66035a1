// Package queue is the broker: topics, publishing, reading, and groups, over a store.
//
// It guarantees what docs/GUARANTEES.md says: what a call returned without an error is on stable storage, answers
// show durable state only, and after a crash Open finds everything that was answered for.
//
// The caller owes it one Broker per store, Stop before the callers are waited for, and Close before the store is closed.
package queue
