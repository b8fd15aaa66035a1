// Package bug holds the simulation to its word: each of thirty faults is put into the broker, one at a time, and the simulation must convict it.
//
// The faults are pieces of the broker's own source and what stands in their place, in a table of the test; nothing of them is in a build. The test always checks that
// the pieces are still there. With HOLT_SIM_BUGS=1 it builds and runs the simulation with each (about a minute a fault on two cores); HOLT_SIM_BUGS=NAME,NAME runs some.
package bug
