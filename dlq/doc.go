// Package dlq is what operators do with dead letters: find them, look at them, deliver them again, one by one or as a job, and purge them.
//
// It guarantees:
//
//   - What a call that returned has done is on stable storage, and what it shows was.
//   - A letter is delivered again at most once for each time it is open, whatever jobs, calls and crashes meet over it: the letter's state, what makes the record available, and a
//     job's progress are one unit.
//   - A job has the letters it was made with, and goes on after a restart.
//
// The caller owes it: one Service a broker; Close before the broker's.
package dlq
