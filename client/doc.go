// Package client talks to a Holt server: it publishes and reads records, leases and settles them, runs workers, and
// manages topics, groups and schedules.
//
// A [Client] is safe for any number of goroutines and keeps no goroutine while nothing is in flight. Publishing is
// durable when it returned nil. Concurrent calls of [Client.Publish] to one topic share requests, as do settles of
// one group: while a request is in flight the next one gathers, and nothing waits when none is.
//
// A settle and new records can be one commit ([Client.SettleAndPublish], [Record.Publish] in a handler of
// [Client.Work]): a pipeline of such steps has each effect once.
//
// Workers are [Client.Work] with a [Handler]: [Mux], [Handle] and [Typed] for records of several kinds and types, [Use] for what stands around all of
// them. Package clienttest runs a server inside a test.
//
// Ordered groups are read with [Client.Consume]: each partition in order, committed after processing. [Client.Join], [Client.Poll] and
// [Client.CommitOffsets] are what it is made of.
//
// Every error answer is an [*Error], and errors.Is compares it with the sentinel of its code ([ErrLeaseLost],
// [ErrTopicNotFound], …). An error that is [ErrUnknown] says that the call may or may not have been applied: repeat
// it with the same record ids or receipts. Any other error means that nothing was applied.
//
// The caller owes it a context on every call: no call has a time limit of its own.
package client
