// Package badger keeps logs in Badger, an embedded LSM tree with a value log.
//
// It guarantees what package store asks of an engine: a Commit that returned survives the process and the machine, units are
// atomic, readers see durable state only and never wait for a sync, and damage is refused or reported and never read as less data.
// Every key and value on disk is described in docs/FORMAT.md.
//
// A commit is durable with one sync, of a file in front of Badger (ahead.go); Badger gets it a little later, with others (behind.go), and readers see the two as one.
//
// One process owns a data directory; a second Open of it is refused. The first storage error ends the store: Health().Dead closes, calls
// return store.ErrDead, and only a new process may open the directory again.
//
// The caller owes it one Store per directory, Close at the end, and the duties of package store.
package badger
