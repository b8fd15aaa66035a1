// Package tail follows all partitions of a topic for one reader.
//
// It guarantees each partition's records in order, without repeats, new partitions included; that what cannot be given any more (retention was faster, or a
// reader that had caught up fell too far behind) is named as a gap; and that a reader who takes nothing holds nothing: a stream has at most one chunk of
// records in memory, and reads on only when it is asked.
//
// The caller owes it a Hub that is told whenever the topic changes, and asks from one goroutine.
package tail
