// Package catalog keeps the definitions of topics and groups: names, identities, configurations and what reads what.
//
// It guarantees that a definition handed out never changes, that a change is durable before it shows, and that no
// identity (topic, group, log) is ever used twice, across deletions and restarts.
//
// The caller owes it valid names and configurations (see ValidName and the Validate methods) and brings to life what the definitions describe.
package catalog
