// Package roster knows who is in an ordered group and who holds which partition: a state machine that decides and does nothing else.
//
// It guarantees that a partition has one holder at a time; that it goes to the next one only when the old one's report no longer names it,
// or its session is over, or it has left or been replaced; that a member's epoch changes only when it joins; and that the deltas of a roster,
// replayed, give the same roster.
//
// The caller owes it one lock, the time as an argument (milliseconds that never go back), and to journal what TakeDeltas returns in order.
package roster
