// Package ordered runs ordered groups for callers: members that share the partitions of topics, each partition in order with one member at a time.
//
// It guarantees that an answer leaves once everything it rests on is durable; that a member is given a partition only when nobody else works
// on it (package roster decides that); that a commit counts only while its member holds the partition; that a call which waits is woken by new records, by a
// change of what its member holds, and at shutdown, and by nothing else; and that after a restart members, epochs, what they hold, and
// committed offsets are as they were, with a full session for each.
//
// The caller owes it the partitions as catalog and replay have them, and to say when those change.
//
// Lock order: the group's, then those of partitions, the server's log, the committer. Nothing waits under the group's lock.
package ordered
