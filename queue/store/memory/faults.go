package memory

import (
	"math/rand/v2"

	"github.com/holtmq/holt/queue/store"
)

// Faults makes a Store fail on purpose. Its functions are called without locks, from the goroutine of the call that
// they judge; they may block, and may call Crash. The zero value injects nothing.
type Faults struct {
	// Commit decides what becomes of the call-th Commit, counted from 1 over all openings of the data, those that are refused aside.
	Commit func(call uint64) Fate
	// Meta decides what becomes of the call-th call of Meta, counted likewise.
	Meta func(call uint64) Fate
	// Read may fail a method of a Log: op is "read", "time", "note" or "replay", at the offset asked for
	// (0 for time and replay). Its error is returned as it is; store.ErrCorrupt is the usual one.
	Read func(op string, id store.LogID, at store.Offset) error
	// Damaged says that a batch cannot be read, by its first offset: a store.Damage.
	Damaged func(id store.LogID, base store.Offset) bool

	// BeforeDurable runs inside the call-th Commit before any of it is durable or seen: a Crash while it blocks loses the units.
	BeforeDurable func(call uint64)
	// AfterDurable runs inside the call-th Commit once its units are durable and seen, before it answers: a
	// Crash while it blocks keeps the units.
	AfterDurable func(call uint64)
}

// Fate is what becomes of one Commit, or of one call of Meta.
type Fate struct {
	Outcome Outcome
	Done    int  // Commit: so many units succeed (n, if fewer than all); the outcome is that of the rest
	Kill    bool // the store is dead from then on: ErrDead, Health().Dead closed
}

// Outcome says how a call ends.
type Outcome uint8

// Outcomes. In Meta each that is not Pass fails the call: Fence, UnknownNone without, UnknownAll with its effect, UnknownSome by Seed.
const (
	Pass        Outcome = iota // nothing is injected
	Fence                      // ErrFenced; nothing of the rest is applied
	UnknownNone                // ErrUnknown; nothing of the rest is applied
	UnknownAll                 // ErrUnknown; all of the rest is applied
	UnknownSome                // ErrUnknown; Seed chooses for each unit, whatever their order, and a log that lost one loses those after it
)

// chance returns a source of chance: a function of two numbers, not of the order of calls.
func chance(seed, of uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, of))
}
