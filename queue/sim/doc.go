// Package sim is the simulation: the whole broker on the store in memory, under fake time, with faults between any two calls of
// the store, against a naive model of what the contract promises.
//
// It guarantees that a run is a program: a list of steps made from a seed, each meaningful whatever stands before it. A run that
// breaks an invariant prints the seed, the invariant, and the shortest program found that still breaks it.
//
// It guarantees that a seed has one history, on any number of processors, beside any load, with the race detector too: what the broker does in the background, its commits, what
// goes on after it waited for something, and what clients do beside each other have their turns, each once nothing moves any more (queue.Config.Turns), in an order that the seed
// decides. Faults hang on what is written and read, not on the order of goroutines. So the broker owes it a turn behind every wait of the calls that it makes: for a commit, for
// time to pass, for another goroutine. Histories that are compared hold each turn, what each commit held, and what each client saw.
//
// There are two modes. The sequential one makes one call at a time and lets everything come to rest in between, so that the model
// knows each record's state, or after a failed commit the few states it can be in. The wall clock jumps, also while the broker is down; dead letters are redriven
// and purged, by calls and by jobs of dlq. Of ordered groups it knows who is there with which epoch until when, what each client works on, and which offsets may be
// committed; who holds what is the broker's to decide, so that it is asked for, and held against what the clients know. The concurrent one, of share groups alone, lets producers, members
// and an operator run beside each other on a slow disk, and judges the history of their calls by intervals.
//
// Its tests begin with the same seed each time (HOLT_SIM_FROM: another, or "random"; HOLT_SIM_SEED: that one alone) and run as long as HOLT_SIM_TIME says (a duration), or
// until HOLT_SIM_OPERATIONS operations are done; HOLT_SIM_REPLAYS says how many seeds are replayed. sim/bug seeds faults that they must find. The package has no other code.
package sim
