// Package redrive keeps jobs that deliver dead letters again: what each is to do, how far it is, and what became of what it did. Who does the work
// is above.
//
// It guarantees that a job has the letters it was made with, that a step is noted in the unit that carries it out, and that all of it is there again after a restart.
//
// The caller owes it: Ready before a job is run; one runner a job; what Step returns goes into the step's unit.
package redrive
