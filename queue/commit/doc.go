// Package commit is the group committer: it gathers units while the last sync runs, and brings them to the store in one call.
//
// It guarantees that units become durable in the order they were enqueued, that a ticket is done only when everything
// enqueued before it is durable too, and that sinks hear of their batches in order, before any ticket of that commit is done.
// There are no timers and no linger: throughput grows with load, and latency stays one or two syncs.
//
// The caller enqueues units of one log in the order of its offsets and journal sequences (under the lock that gives
// them), and waits for tickets only with no lock held. After a failure every ticket that was not done
// fails with it, for good: what memory knew beyond that point is void.
package commit
