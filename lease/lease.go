package lease

// Offset is a record's position in its partition.
type Offset int64

// Limits of a window.
const (
	MaxOffer      = 1024      // records of one Offer
	MaxLease      = 1024      // records of one Lease
	MaxOverTTL    = 4096      // records over their ttl that one Lease settles on its way
	MaxExpire     = 1000      // records one Expire turns over
	MaxTrim       = 10_000    // records one TrimTo settles
	MaxUnresolved = 1_000_000 // records between start and end that are not settled; at it only available-again ones go out
	MaxRuns       = 1024      // run-length runs of settled outcomes kept to answer repeats
	MaxAhead      = 1024      // run-length runs of records settled by place at or past end
	MaxMember     = 200       // bytes of a member's name; the rest is cut off
	MaxLength     = 1<<32 - 1 // milliseconds a lease is known to run for (49 days); a longer one keeps its deadline
)

// Config is what an operator can change while a window lives. All durations are milliseconds. The zero value of a field is its
// documented meaning, never a default: defaults are the caller's.
type Config struct {
	MaxAttempts    int     // failures after which a record dies; 0 = unlimited
	Backoff        Backoff // before the next attempt after a nack without a delay of its own
	KeyOrder       bool    // at most one record of a key in flight, keys proceed in offset order
	KeyConcurrency int     // leases per key at once when KeyOrder is off; 0 = no limit
	HoldDead       bool    // with KeyOrder: after a death the key waits for FreeKey
	Strict         bool    // a lease past its deadline is lost at once
	Drop           bool    // no dead letters: a record that would die is settled as dropped
	DropTTL        bool    // a record over its ttl is settled as dropped; else it dies with ReasonTTL
	Seed           uint64  // of the jitter
}

// Backoff is either exponential (Initial, Multiplier, Max) or, if Steps is not empty, a list whose last entry repeats.
// The result is multiplied by u in [1−Jitter, 1+Jitter], u a hash of seed, offset and attempt.
type Backoff struct {
	Initial, Max int64
	Multiplier   float64
	Jitter       float64
	Steps        []int64
}

// Offered describes one record at Offer.
type Offered struct {
	Size uint32 // bytes of key, value and headers, for MaxBytes
	Key  uint64 // hash of the key; 0 = no key. Looked at with KeyOrder or KeyConcurrency only, but kept for when one of them is turned on
	Dies int64  // ms by the wall clock at which its ttl is over; 0 = none
	Gone bool   // a hole: nothing there, or nothing this group should see; settled as skipped
}

// Request is one Lease.
type Request struct {
	Now         int64
	Ahead       int64 // of Now the leases begin, ms ≥ 0: 1 where Now was cut to whole milliseconds, so that no lease is shorter than its length
	Length      int64 // of the leases
	Max         int   // records of the whole call, Have included; ≥ 1. One Lease hands out at most MaxLease
	MaxBytes    int64 // sum of sizes; 0 = no limit. The first record of a call (Have = 0) comes whatever its size
	Have        int   // records this call already got from other windows
	HaveBytes   int64
	Member      string // ≤ MaxMember bytes
	Incarnation uint32 // of the process, part of the claim: hand-outs a crash forgot never share one with later ones
}

// Claim names one hand-out of one record; a receipt is an authenticated claim. No two hand-outs of a window's life have equal claims.
type Claim struct {
	Offset      Offset
	Delivery    uint32 // 1 + hand-outs of the record before this one, within Epoch
	Incarnation uint32
	Epoch       uint32 // of the window: raised by Reset
}

// Handout is one record leased.
type Handout struct {
	Claim
	Attempt  int   // 1 + counted failures
	Deadline int64 // ms
	Size     uint32
	Redriven bool // it was put back by Redrive
	Again    bool // an earlier command may have freed it or its key: the answer waits until that one is durable
}

// Verb ends or moves a lease.
type Verb uint8

// The verbs.
const (
	Ack Verb = 1 + iota
	Nack
	Release
	Reject
	Extend
)

// Action is one verb on one claim.
type Action struct {
	Claim
	Verb  Verb
	Delay int64 // of a nack; < 0 = by backoff
	For   int64 // of an extend: the deadline becomes now + For
	Ahead int64 // of now Delay and For begin, see Request
}

// Code is what became of an action.
type Code uint8

// The codes.
const (
	OK             Code = iota // applied
	Repeat                     // the same verb with the same claim again: nothing changed, answered like OK
	Lost                       // lease_lost
	AlreadySettled             // already_settled
	Invalid                    // no such hand-out can have been made: invalid_receipt
	NotOffered                 // the offset is at or past end: offer up to it and ask again
)

// Result is the outcome of one action.
type Result struct {
	Code     Code
	Attempt  int    // the attempt that ended (or runs on)
	Deadline int64  // after an extend; ms
	Due      int64  // after a nack: when it is available again; ms
	Late     bool   // the lease was past its deadline
	Dying    bool   // the record is to be buried (see Dying)
	Dropped  bool   // the record was given up without a dead letter
	Member   string // who held the lease that ended (or runs on); "" = not known
	LeasedAt int64  // when it was handed out; ms; 0 = not known
}

// Stop says why a Lease ended.
type Stop uint8

// The stops.
const (
	StopEmpty Stop = iota // nothing more to hand out now
	StopLimit             // the limits of the request or of one Lease reached, or what is left may only come in a call of its own
	StopAlone             // a record suspected of killing its workers was taken: the call must not get any further record, from anywhere
	StopMore              // MaxOverTTL records over their ttl were settled on the way: call again
)

// Expired is one lease that ran out.
type Expired struct {
	Claim
	Attempt  int // the one that ran out
	Member   string
	LeasedAt int64 // ms
	Deadline int64 // ms
	Dying    bool  // it was the last one: the record is to be buried
	Dropped  bool  // it was the last one: the record was given up without a dead letter
}

// Death is one record to be buried.
type Death struct {
	Claim    // the last hand-out; Delivery 0 = it never was handed out
	Reason   Reason
	Attempts int // counted failures, a reject included
	Member   string
	LeasedAt int64 // of the last hand-out; ms
	Key      uint64
	Size     uint32
}

// Reason is why a record died.
type Reason uint8

// The reasons.
const (
	ReasonMaxAttempts Reason = 1 + iota
	ReasonRejected
	ReasonTTL
)

// Outcome is how a record was settled.
type Outcome uint8

// The outcomes.
const (
	Acked   Outcome = 1 + iota
	Dead            // dead-lettered
	Dropped         // given up without a dead letter
	Skipped         // a hole, or passed over by a reset
)

// State of an unresolved record.
type State uint8

// The states.
const (
	Available State = 1 + iota
	Leased
	Deferred // waits for a due time
	Dying    // given up, its dead letter not yet written; counted as leased
	Settled
	Unread // cannot be read, as far as is known; shown and counted as deferred
)

// View is one record as operators see it.
type View struct {
	Offset     Offset
	State      State
	Outcome    Outcome // of a settled one; 0 = not known any more
	Attempt    int     // the one running, or the next one
	Deliveries int
	Member     string // of the lease running, or of the last one
	Deadline   int64  // of a leased one; ms
	Length     int64  // of a leased one; ms
	LeasedAt   int64  // of a leased one; ms
	Due        int64  // of a deferred one; ms
	Unread     bool   // of a deferred one: it could not be read, and waits to be read again
	Key        uint64
	BehindKey  bool   // available, but its key is held back
	Behind     Offset // by this record
	Reason     Reason // of a dying one
	Size       uint32
	Redriven   bool // it was put back by Redrive
}

// Counts are a window's totals. Unresolved = Available + Leased + Deferred (Dying ones count as Leased, but for those rejected by place
// past the end, which are not in the window yet).
type Counts struct {
	Available, Leased, Deferred, Dying int
	Unread                             int // deferred ones that could not be read
	Ready                              int // available ones that a Lease could hand out now (not behind a key)
}
