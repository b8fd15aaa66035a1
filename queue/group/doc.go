// Package group is the groups at work, share groups and ordered ones: which there are, which topics they read, and what both kinds are asked alike.
//
// It guarantees that a name is of one group of one kind, and that what a definition attaches is at work once Apply returned. It shows memory, which may run
// ahead of the disk: answers wait for what was enqueued.
//
// The caller owes it the catalog's turn around every change of which groups there are, and the turn of positions around what attaches or resets.
package group
