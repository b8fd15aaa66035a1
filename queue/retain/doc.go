// Package retain lets records go: what is over a topic's age or bytes, from the front and from the middle of its partitions, and what a newer record of its
// key supersedes.
//
// It guarantees that nothing goes that a group which holds records back has not settled, while the topic keeps unsettled records; that open dead letters
// stay; that the newest record of each key of a compacted topic stays; and that it never holds up who publishes: it works beside them, one bounded unit at a time.
//
// The caller owes it a Host, whose turn it takes for every step that depends on what groups have settled, so that no reset comes between.
package retain
