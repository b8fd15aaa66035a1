// Package memory is the store in memory: for tests, simulation and brokers that may forget.
//
// It honours the seam to the letter, where the seam leaves room strictly: what another engine might let pass is ErrInvalid here.
// Data outlives a Store: Reopen and Crash hand it to a new one, as a restarted process finds its directory.
// Nothing is random: the same calls with the same Faults and Seed give the same answers.
//
// The caller owes it what package store says. Two of those duties are checked: a second Commit in flight on a log, and
// a Commit on a log that is not open, are ErrInvalid.
//
// Locks: one, disk.mu, held for steps in memory only. Functions of Faults are called without it.
package memory
