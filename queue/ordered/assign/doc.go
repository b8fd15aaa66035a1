// Package assign says which member of an ordered group is to read which partition: pure, sticky, incremental.
//
// It guarantees that every partition that somebody wants has one reader, that the loads are as even as the subscriptions allow
// (no chain of moves from one member to another would make the fuller one emptier), and that what was fair before stays as it was.
// Which partitions move follows from what was: the surplus goes, nothing else. The model is KIP-848's server-side assignor; evenness over
// different subscriptions is that of an optimal semi-matching (Harvey, Ladner, Lovász, Tamir 2003).
//
// The caller owes it indices that fit. Same inputs give the same assignment.
package assign
