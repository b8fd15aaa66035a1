// Package definition changes definitions of topics, groups, schedules and schemas, and has what is at work follow them.
//
// It guarantees that a change which is refused changes nothing, that one that was stored is at work when the call returns, and that a deletion or an opening
// which a crash cut short is taken up again.
//
// The caller owes it DropDeleted after the restart, and to wait for its deletions before the store is closed.
package definition
