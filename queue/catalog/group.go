package catalog

import (
	"slices"
	"time"
)

// Limits of a group's definition.
const (
	MinLease          = time.Second
	MaxLease          = 12 * time.Hour
	MaxDelay          = 365 * 24 * time.Hour
	MaxAttemptsLimit  = 10_000
	MaxInflightLimit  = 1_000_000
	MaxBackoffSteps   = 100
	MaxGroupTopics    = 500
	MaxKeyConcurrency = 100_000
	MaxRate           = 1e9
)

// Kind of a group, fixed when it is created.
type Kind string

// The kinds.
const (
	KindShare   Kind = "share"
	KindOrdered Kind = "ordered"
)

// Ordering of a share group.
type Ordering string

// The orderings.
const (
	OrderingNone Ordering = "none"
	OrderingKey  Ordering = "key"
)

// OnDead says what a key does after a dead letter.
type OnDead string

// What a key does.
const (
	OnDeadSkip OnDead = "skip"
	OnDeadHold OnDead = "hold"
)

// Backoff is the wait before the next attempt; Steps, if there are any, stand for the rest.
type Backoff struct {
	Initial    time.Duration   `json:"initial"`
	Multiplier float64         `json:"multiplier"`
	Max        time.Duration   `json:"max"`
	Jitter     float64         `json:"jitter"`
	Steps      []time.Duration `json:"steps,omitempty"`
}

// GroupConfig is what an operator can set of a share group. Every field is filled in: DefaultGroup gives the defaults.
type GroupConfig struct {
	Lease           time.Duration `json:"lease"`
	MaxAttempts     int           `json:"max_attempts"` // 0 = unlimited
	Backoff         Backoff       `json:"backoff"`
	Ordering        Ordering      `json:"ordering"`
	OnDead          OnDead        `json:"on_dead"`
	MaxInflight     int           `json:"max_inflight"`
	RatePerSecond   float64       `json:"rate_per_second"` // 0 = no limit
	RateBurst       int           `json:"rate_burst"`      // 0 = one second's worth, at least 1
	KeyConcurrency  int           `json:"key_concurrency"` // 0 = no limit
	StrictLeases    bool          `json:"strict_leases"`
	DeadLetters     bool          `json:"dead_letters"`
	DeadLetterTopic string        `json:"dead_letter_topic"`
	DeadLetterOnTTL bool          `json:"dead_letter_on_ttl"`
	Paused          bool          `json:"paused"`
	Pin             bool          `json:"pin"`
	Start           string        `json:"start"` // "earliest", "latest" or RFC 3339
}

// DefaultGroup returns the documented defaults for a group of that name.
func DefaultGroup(name string) GroupConfig {
	return GroupConfig{
		Lease:           30 * time.Second,
		MaxAttempts:     5,
		Backoff:         DefaultBackoff(),
		Ordering:        OrderingNone,
		OnDead:          OnDeadSkip,
		MaxInflight:     10_000,
		DeadLetters:     true,
		DeadLetterTopic: name + ".dlq",
		Pin:             true,
		Start:           "earliest",
	}
}

// DefaultBackoff returns the documented default.
func DefaultBackoff() Backoff {
	return Backoff{Initial: time.Second, Multiplier: 2, Max: 10 * time.Minute, Jitter: 0.2}
}

// Validate reports every fault at once; nil if there is none.
func (c GroupConfig) Validate() error {
	var e faults
	e.check(c.Lease >= MinLease && c.Lease <= MaxLease, "lease is %s: it must be \"1s\" to \"12h\"", c.Lease)
	e.check(c.MaxAttempts >= 0 && c.MaxAttempts <= MaxAttemptsLimit, "max_attempts is %d: it must be 0 (unlimited) to %d", c.MaxAttempts, MaxAttemptsLimit)
	c.Backoff.check(&e)
	e.check(c.Ordering == OrderingNone || c.Ordering == OrderingKey, "ordering is %q: it must be \"none\" or \"key\"", c.Ordering)
	e.check(c.OnDead == OnDeadSkip || c.OnDead == OnDeadHold, "on_dead is %q: it must be \"skip\" or \"hold\"", c.OnDead)
	e.check(c.MaxInflight >= 1 && c.MaxInflight <= MaxInflightLimit, "max_inflight is %d: it must be 1 to %d", c.MaxInflight, MaxInflightLimit)
	e.check(c.RatePerSecond >= 0 && c.RatePerSecond <= MaxRate, "rate.per_second must be 0 (no limit) to 1e9")
	e.check(c.RateBurst >= 0 && c.RateBurst <= MaxRate, "rate.burst must be 0 (one second's worth) to 1e9")
	e.check(c.KeyConcurrency >= 0 && c.KeyConcurrency <= MaxKeyConcurrency, "key_concurrency must be 0 (no limit) to %d", MaxKeyConcurrency)
	e.check(!c.DeadLetters || ValidName(c.DeadLetterTopic), "dead_letter.topic is %q: not a valid topic name", c.DeadLetterTopic)
	e.check(c.DeadLetters || c.OnDead != OnDeadHold, "on_dead \"hold\" needs dead letters: enable them or use \"skip\"")
	_, err := ParseStart(c.Start)
	e.check(err == nil, "start is %q: it must be \"earliest\", \"latest\" or a time as in \"2026-01-02T15:04:05Z\"", c.Start)
	return e.err()
}

func (b Backoff) check(e *faults) {
	e.check(b.Initial >= 0 && b.Initial <= MaxDelay, "backoff.initial must be \"0s\" to \"365d\"")
	e.check(b.Max >= 0 && b.Max <= MaxDelay, "backoff.max must be \"0s\" to \"365d\"")
	e.check(b.Multiplier >= 1 && b.Multiplier <= 1000, "backoff.multiplier is %v: it must be 1 to 1000", b.Multiplier)
	e.check(b.Jitter >= 0 && b.Jitter <= 1, "backoff.jitter is %v: it must be 0 to 1", b.Jitter)
	e.check(len(b.Steps) <= MaxBackoffSteps, "backoff.steps has %d entries: at most %d", len(b.Steps), MaxBackoffSteps)
	for _, s := range b.Steps {
		e.check(s >= 0 && s <= MaxDelay, "backoff.steps: %s is not \"0s\" to \"365d\"", s)
	}
}

// Start is where a group begins on a topic when it is attached.
type Start struct {
	Latest bool
	At     time.Time // zero: earliest, unless Latest
}

// ParseStart reads "earliest", "latest" or an RFC 3339 time.
func ParseStart(s string) (Start, error) {
	switch s {
	case "earliest":
		return Start{}, nil
	case "latest":
		return Start{Latest: true}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return Start{At: t}, err
}

// Attachment is one topic that a group reads.
type Attachment struct {
	Topic string `json:"topic"`
	ID    uint64 `json:"id"`    // of the topic's incarnation
	Epoch uint32 `json:"epoch"` // of the windows at first; differs each time the topic is attached
	Start string `json:"start"`
	Parts int    `json:"parts"` // partitions the topic had when it was attached: later ones are read from 0
}

// Group is a group's definition. A *Group handed out is never changed.
type Group struct {
	ID        uint64       `json:"id"` // never reused
	Name      string       `json:"-"`
	Kind      Kind         `json:"kind"`
	Config    GroupConfig  `json:"config"`
	CreatedAt time.Time    `json:"created_at"`
	Topics    []Attachment `json:"topics"`
	Attached  uint32       `json:"attached"` // attachments made so far

	Revision uint64 `json:"-"`
}

// Attachment returns what ties the group to a topic's incarnation, or nil.
func (g *Group) Attachment(topicID uint64) *Attachment {
	for i := range g.Topics {
		if g.Topics[i].ID == topicID {
			return &g.Topics[i]
		}
	}
	return nil
}

// Names returns the topics' names in order of attachment.
func (g *Group) Names() []string {
	names := make([]string, len(g.Topics))
	for i, a := range g.Topics {
		names[i] = a.Topic
	}
	return names
}

// Reads tells whether the group reads all of these topics.
func (g *Group) Reads(topics []string) bool {
	if len(topics) == 0 {
		return true
	}
	names := g.Names()
	for _, t := range topics {
		if !slices.Contains(names, t) {
			return false
		}
	}
	return true
}
