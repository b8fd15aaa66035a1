// Package cron publishes the records of recurring schedules when their times come.
//
// It guarantees one firing for each time while the server runs, at most one for those that passed while it did not, and none twice across restarts: a firing is noted, in the unit that
// appends its record, on the log of its topic's delayed records.
//
// The caller owes it the order: Start after the topics were replayed, End before a topic is deleted, Close before Env.Background is waited for.
package cron
