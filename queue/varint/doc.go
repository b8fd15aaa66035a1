// Package varint reads deltas and checkpoints: fields one after the other, whose numbers are varints as encoding/binary writes them.
//
// It guarantees that no bytes make it panic, loop without end, or reserve more than they could hold; and that after the first damage every
// field reads as nothing and none are left.
//
// The caller owes it a look at Bad before what was read counts.
package varint
