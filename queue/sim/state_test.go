package sim

import (
	"fmt"
	"math"

	"github.com/holtmq/holt/queue"
)

// phase is where a record stands in a group.
type phase uint8

const (
	available phase = iota // the zero state is that of a record nobody has seen
	leased
	deferred
	dying // given up, its letter not seen yet
	settled
)

func (p phase) String() string {
	return [...]string{"available", "leased", "deferred", "dying", "settled"}[p]
}

// ending is how the last hand-out of a record ended.
type ending uint8

const (
	running ending = iota
	nacked
	released
	expired
	placed // by an operator: lost for its holder
)

// outcome is how a record was settled.
type outcome uint8

const (
	none outcome = iota
	acked
	dead
	dropped
)

// reasons of deaths, as letters spell them.
const (
	reasonAttempts = "max_attempts"
	reasonRejected = "rejected"
	reasonTTL      = "ttl"
)

// ghost is the hand-out of an answer that nobody got.
const ghost = -1

// state is one record in one group as the contract tells it. Comparable: what is uncertain is a set of states.
type state struct {
	phase      phase
	ended      ending
	outcome    outcome
	life       uint32 // of the broker that made the last hand-out
	failures   int32
	expiries   int32
	deliveries int32
	back       int32 // redrives of its letter when it was redriven; 0 = it was not
	loose      bool  // deliveries may be more: it died before its topic was attached again
	edit       int32 // which of the edits took the place of its body; 0 = none
	hand       int32 // the last hand-out; 0 = none, ghost
	at         int64 // deadline; or the earliest time at which a deferred record is due
	until      int64 // the latest such time
	length     int64 // of the lease, ms
	reason     string
}

func (s state) String() string {
	return fmt.Sprintf("%s ended=%d outcome=%d failures=%d deliveries=%d back=%d hand=%d life=%d at=%d..%d %s",
		s.phase, s.ended, s.outcome, s.failures, s.deliveries, s.back, s.hand, s.life, s.at, s.until, s.reason)
}

// rules are the parts of a group's configuration that decide about single records.
type rules struct {
	maxAttempts int32
	drop        bool
	ttlLetters  bool
	strict      bool
	backoff     queueBackoff
	length      int64
}

// queueBackoff is a group's backoff in milliseconds.
type queueBackoff struct {
	initial, max, multiplier, jitter float64
	steps                            []int64
}

func rulesOf(c *queue.GroupConfig) rules {
	r := rules{
		maxAttempts: int32(c.MaxAttempts), drop: !c.DeadLetters, ttlLetters: c.DeadLetters && c.DeadLetterOnTTL, strict: c.StrictLeases, length: c.Lease.Milliseconds(),
		backoff: queueBackoff{float64(c.Backoff.Initial.Milliseconds()), float64(c.Backoff.Max.Milliseconds()), c.Backoff.Multiplier, c.Backoff.Jitter, nil},
	}
	for _, s := range c.Backoff.Steps {
		r.backoff.steps = append(r.backoff.steps, s.Milliseconds())
	}
	return r
}

// bounds returns the least and the greatest wait after the nth failure.
func (b *queueBackoff) bounds(n int32) (lo, hi int64) {
	d := min(b.initial*math.Pow(b.multiplier, float64(n-1)), b.max)
	if len(b.steps) > 0 {
		d = float64(b.steps[min(int(n), len(b.steps))-1])
	}
	return int64(d * (1 - b.jitter)), int64(math.Ceil(d * (1 + b.jitter)))
}

// fail counts a failure and says what becomes of the record; "" = it lives on.
func (s *state) fail(r *rules, now, dies int64) string {
	s.failures++
	switch {
	case r.maxAttempts > 0 && s.failures >= r.maxAttempts:
		return reasonAttempts
	case dies != 0 && dies <= now && s.back == 0: // once redriven it lives for ever
		return reasonTTL
	}
	return ""
}

// die gives the record up.
func (s *state) die(r *rules, reason string) {
	s.phase, s.reason = dying, reason
	if r.drop || reason == reasonTTL && !r.ttlLetters {
		s.phase, s.outcome, s.reason = settled, dropped, ""
	}
}

// pass is the state once all deadlines up to now are turned over.
func (s state) pass(r *rules, now, dies int64) state {
	if s.phase != leased || s.at > now {
		return s
	}
	reason := s.fail(r, s.at, dies)
	s.expiries++
	s.phase, s.ended = available, expired
	if reason != "" {
		s.die(r, reason)
	}
	return s
}

// resume is the state after a restart: a lease that runs has some time left. set is how far the wall clock has jumped since the start before, which the clock of leases
// follows now: set back, nothing that waits comes earlier for it, and it may come that much later.
func (s state) resume(now, set int64) state {
	switch {
	case s.phase == leased:
		s.at = min(max(s.at-set, now+min(s.length, 10_000)), now+s.length)
	case s.phase == deferred && set > 0:
		s.at, s.until = s.at-set, s.until-set
	case s.phase == deferred:
		s.until -= set
	}
	return s
}

// free says whether the record can be handed out, its key aside.
func (s *state) free(now int64) bool {
	return s.phase == available || s.phase == deferred && s.at <= now
}

// answer is what a settle says of one receipt.
type answer uint8

const (
	okay answer = iota
	lost
	already
	invalid
)

func (a answer) String() string {
	return [...]string{"ok", "lease_lost", "already_settled", "invalid_receipt"}[a]
}

func (s *state) settledAnswer(v verb) answer {
	isDead := s.outcome == dead || s.phase == dying
	if s.outcome == acked && v == ack || isDead && (v == nack || v == reject) {
		return okay
	}
	return already
}

// verb of a settle.
type verb uint8

const (
	ack verb = iota
	nack
	release
	reject
	extend
)

func (v verb) String() string {
	return [...]string{"ack", "nack", "release", "reject", "extend"}[v]
}

// byPlace is what settling by place makes of a state; refused says that it is settled.
func (s state) byPlace(v verb, r *rules) (next state, refused bool) {
	switch {
	case s.phase == settled, s.phase == dying && v != reject:
		return s, true
	case s.phase == dying, s.phase == available && v == release:
		return s, false
	}
	switch v {
	case ack:
		s.phase, s.outcome = settled, acked
	case reject:
		if s.phase == leased {
			s.failures++
			s.ended = placed
		}
		s.die(r, reasonRejected)
	case release:
		if s.phase == leased {
			s.ended = placed
		}
		s.phase = available
	}
	return s, false
}

// act is one verb on one hand-out.
type act struct {
	hand  *hand
	verb  verb
	delay int64 // of a nack, ms; < 0: the group's backoff
	for_  int64 // of an extend, ms
}

// settle judges a verb and returns the state it leads to. A deadline that has passed is turned over before.
func (s state) settle(a act, r *rules, life uint32, now, dies int64) (answer, state) {
	switch {
	case s.phase == settled || s.phase == dying:
		return s.settledAnswer(a.verb), s
	case s.hand == a.hand.id:
		return s.settleLast(a, r, now, dies)
	case a.hand.delivery > s.deliveries && a.hand.life < life && a.hand.life >= s.life: // a crash forgot it
		s.deliveries, s.life, s.hand = a.hand.delivery, a.hand.life, a.hand.id
		return okay, s.apply(a, r, now, dies)
	}
	return lost, s
}

func (s state) settleLast(a act, r *rules, now, dies int64) (answer, state) {
	switch {
	case s.phase == leased:
	case s.ended == expired:
		if r.strict {
			return lost, s
		}
		s.failures--
		s.expiries--
	case s.ended == nacked && a.verb == nack, s.ended == released && a.verb == release:
		return okay, s
	case s.ended == placed:
		return lost, s
	default:
		return already, s
	}
	return okay, s.apply(a, r, now, dies)
}

// apply carries out a verb that is accepted.
func (s state) apply(a act, r *rules, now, dies int64) state {
	switch a.verb {
	case ack:
		s.phase, s.outcome = settled, acked
	case nack:
		s.ended = nacked
		if reason := s.fail(r, now, dies); reason != "" {
			s.die(r, reason)
			return s
		}
		lo, hi := a.delay, a.delay
		if a.delay < 0 {
			lo, hi = r.backoff.bounds(s.failures)
		}
		s.phase, s.at, s.until = deferred, now+lo, now+hi
	case release:
		s.phase, s.ended = available, released
	case reject:
		s.failures++
		s.die(r, reasonRejected)
	case extend:
		s.phase, s.ended, s.at, s.length = leased, running, now+a.for_, a.for_
	}
	return s
}
