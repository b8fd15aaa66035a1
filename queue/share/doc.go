// Package share runs share groups for callers: any number of workers lease single records of topics, settle them one by one, and give up on some, which become
// dead letters.
//
// It guarantees that what the lease machine decides is journaled in the order it was decided, and that an answer leaves once everything it rests on is durable;
// hand-outs are not waited for, unless what freed them is not durable yet. A record that is given up is settled in the unit that appends its letter, and a redriven
// one is unsettled in the unit that closes it. A call that waits is served by whoever makes records available, the longest waiting first. One partition that
// cannot be read, or is slow, holds no other one up, and a damaged batch nothing but its own records.
//
// The caller owes it the partitions as catalog and replay have them, and to say when those change; an Env whose functions may take the catalog's turn; and Close
// before the committer's.
//
// Lock order: the turns for histories and burials (Group.reading, Group.burying), which are held across reads; the group's lock; then those of partitions, and the
// committer's. Nothing waits, reads or writes under the group's lock.
package share
