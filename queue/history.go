package queue

import "github.com/holtmq/holt/queue/history"

// HistorySample is how the server was at one time, in bytes of whoever adds it.
type HistorySample = history.Sample

// AddHistory keeps a sample for a day, without waiting until it is durable. Samples come in order of time, of at most history.MaxSample bytes.
func (b *Broker) AddHistory(s HistorySample) { b.history.Add(s) }

// History returns the samples from a time (Unix seconds) on, the oldest first.
func (b *Broker) History(since int64) []HistorySample { return b.history.Since(since) }
