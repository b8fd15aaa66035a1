package blackbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// forgetWindow is how long before a crash a hand-out may be forgotten: the
	// contract's 100 ms and as much again as a busy machine may add between the
	// commit and the client's clock.
	forgetWindow = 500 * time.Millisecond
	// leftAfterStart bounds what a lease has left after a start.
	leftAfterStart = 10 * time.Second
	// pairs bounds how many earlier deliveries of a record each is held against.
	pairs = 8
)

// Violation names an invariant, by its number, that a history breaks.
type Violation struct {
	Invariant string
	Group     string
	Record    string
	Detail    string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s group %q record %q: %s", v.Invariant, v.Group, v.Record, v.Detail)
}

// Check returns every violation of the invariants in the history.
func Check(events []Event) []Violation {
	c := newChecker(events)
	c.checkRecords()
	c.checkLog()
	c.checkDeliveries()
	c.checkGroups()
	c.checkKeyOrder()
	c.checkDelays()
	return c.found
}

// settle is one verb for one receipt.
type settle struct {
	op        Op
	call, ret time.Duration
	out       Outcome
	code      string
	length    time.Duration
	atomic    bool // its outcome is known from the records published with it
}

// ends tells whether the verb ends a lease, if it was accepted.
func (s settle) ends() bool { return s.op != Extend && s.out != Fail }

// delivery is one hand-out that a client has received.
type delivery struct {
	Item
	group     string
	client    string
	call, ret time.Duration
	settles   []settle
	// forgotten: so shortly before a crash that it may not have been kept.
	forgotten bool
}

// life is everything that befell one record in one group.
type life struct {
	group, record string
	deliveries    []*delivery
	letters       []Item
}

type publication struct {
	Item
	call, ret time.Duration
	out       Outcome
}

// restart is a crash and the start after it.
type restart struct{ kill, start Event }

type lifeKey struct{ group, record string }

// handKey is one hand-out; the record is in it so that equal receipts do not
// mix the settles of two.
type handKey struct{ group, receipt, record string }

type checker struct {
	found     []Violation
	published map[string]publication
	requests  []Event
	log       map[string]Item
	reads     []Event
	lives     map[lifeKey]*life
	order     []*life
	receipts  map[string]string // receipt → record
	handed    map[handKey]*delivery
	restarts  []restart
	finals    []Event
	letters   map[string][]Item
}

func (c *checker) report(invariant, group, record, format string, args ...any) {
	c.found = append(c.found, Violation{invariant, group, record, fmt.Sprintf(format, args...)})
}

func newChecker(events []Event) *checker {
	c := &checker{
		published: map[string]publication{},
		log:       map[string]Item{},
		lives:     map[lifeKey]*life{},
		receipts:  map[string]string{},
		handed:    map[handKey]*delivery{},
		letters:   map[string][]Item{},
	}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Call, b.Call) })
	c.indexFaults(events)
	for _, e := range events {
		c.index(e)
	}
	for _, e := range events {
		c.indexSettles(e)
	}
	c.resolveAtomic()
	return c
}

func (c *checker) indexFaults(events []Event) {
	var kill *Event
	for i, e := range events {
		switch {
		case e.Op == Kill:
			kill = &events[i]
		case e.Op == Start && kill != nil:
			c.restarts = append(c.restarts, restart{*kill, e})
			kill = nil
		}
	}
}

func (c *checker) index(e Event) {
	switch e.Op {
	case Publish:
		c.requests = append(c.requests, e)
		for _, it := range e.Items {
			p := publication{it, e.Call, e.Ret, e.Out}
			if first, again := c.published[it.Record]; again { // with its id, after an unknown answer: the first call may be the one that counted
				p.call = first.call
			}
			c.published[it.Record] = p
		}
	case Lease:
		for _, it := range e.Items {
			c.addDelivery(e, it)
		}
	case Read:
		c.reads = append(c.reads, e)
		for _, it := range e.Items {
			if old, twice := c.log[it.Record]; twice {
				c.report(c.twice(it.Record), "", it.Record, "stored twice, at %s and %s", at(old), at(it))
			}
			c.log[it.Record] = it
		}
	case Letters:
		c.letters[e.Group] = append(c.letters[e.Group], e.Items...)
		for _, it := range e.Items {
			l := c.life(e.Group, it.Record)
			l.letters = append(l.letters, it)
		}
	case Final:
		c.finals = append(c.finals, e)
	}
}

func (c *checker) addDelivery(e Event, it Item) {
	d := &delivery{Item: it, group: e.Group, client: e.Client, call: e.Call, ret: e.Ret}
	d.forgotten = c.near(e.Call, e.Ret)
	if old, twice := c.receipts[it.Receipt]; twice {
		c.report("I5", e.Group, it.Record, "receipt %s was also given for %s", it.Receipt, old)
	}
	c.receipts[it.Receipt] = it.Record
	c.handed[handKey{e.Group, it.Receipt, it.Record}] = d
	l := c.life(e.Group, it.Record)
	l.deliveries = append(l.deliveries, d)
}

// near tells whether a call ended so shortly before a crash, or was under way
// in it, that its hand-outs may be forgotten.
func (c *checker) near(call, ret time.Duration) bool {
	for _, r := range c.restarts {
		if call < r.kill.Ret && ret > r.kill.Call-forgetWindow {
			return true
		}
	}
	return false
}

func (c *checker) indexSettles(e Event) {
	switch e.Op {
	case Ack, Nack, Release, Reject, Extend:
	default:
		return
	}
	for _, it := range e.Items {
		if d := c.handed[handKey{e.Group, it.Receipt, it.Record}]; d != nil {
			d.settles = append(d.settles, settle{op: e.Op, call: e.Call, ret: e.Ret, out: it.Out, code: it.Code, length: it.For})
		}
	}
}

func (c *checker) life(group, record string) *life {
	key := lifeKey{group, record}
	l := c.lives[key]
	if l == nil {
		l = &life{group: group, record: record}
		c.lives[key] = l
		c.order = append(c.order, l)
	}
	return l
}

// any tells whether some settle of the record, on another receipt than
// except's if given, fulfils the condition.
func (l *life) any(except *delivery, holds func(d *delivery, s settle) bool) bool {
	for _, d := range l.deliveries {
		if d == except {
			continue
		}
		for _, s := range d.settles {
			if holds(d, s) {
				return true
			}
		}
	}
	return false
}

func at(it Item) string { return fmt.Sprintf("%s/%d/%d", it.Topic, it.Partition, it.Offset) }
