// Package trace carries W3C trace contexts and, where an operator asks for it, makes spans and sends them to a collector by OTLP/HTTP.
//
// It guarantees that tracing never holds a request up: a span that finds no room in the queue is counted and forgotten, and so is a batch that
// the collector does not take. A nil *Tracer is a tracer that makes no spans; contexts are carried all the same.
//
// The caller owes a Tracer its Run, which returns once the context is done and what was queued is sent or given up.
package trace
