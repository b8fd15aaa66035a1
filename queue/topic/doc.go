// Package topic holds open topics: their partitions and lanes, the ids they remember, their delayed records, and the way of records into them.
//
// It guarantees that a Publication's records become durable together or not at all, each id once, and that a delayed record is appended exactly once, when it is
// due and never before, unless it is cancelled.
//
// The caller owes it the replay of every partition before records come (Replay), Arm once all is replayed, Close before the committer's, and
// a new Topic (Open with the old one) in the Set whenever the definition changes.
package topic
