package blackbox

import (
	"time"
)

// checkDeliveries holds the hand-outs of each record in each group against one
// another and against its settles (I3, I4, I5, I6, I14).
func (c *checker) checkDeliveries() {
	limits := map[string]int{}
	for _, e := range c.finals {
		limits[e.Group] = e.MaxAttempts
	}
	for _, l := range c.order {
		c.checkFinalAck(l)
		c.checkAttempts(l, limits[l.group])
		for i, d := range l.deliveries {
			for j := max(0, i-pairs); j < i; j++ {
				c.checkPair(l.deliveries[j], d)
			}
			c.checkRefusals(l, d)
			c.checkFencing(l, d)
			c.checkRepeats(l, d)
		}
	}
}

// checkFinalAck requires no hand-out that began after an accepted ack (I3).
func (c *checker) checkFinalAck(l *life) {
	acked, which := time.Duration(-1), "I3"
	l.any(nil, func(_ *delivery, s settle) bool {
		if s.op == Ack && s.out == OK && (acked < 0 || s.ret < acked) {
			acked, which = s.ret, "I3"
			if s.atomic {
				which = "I11"
			}
		}
		return false
	})
	for _, d := range l.deliveries {
		if acked >= 0 && d.call > acked {
			c.report(which, l.group, l.record, "acked at %v, delivered to %s in a call of %v", acked, d.client, d.call)
		}
	}
}

// checkPair requires that two hand-outs did not hold the record at once, as far
// as is certain (I4, I14).
func (c *checker) checkPair(a, b *delivery) {
	why, first := c.overlap(a, b)
	if why == "" {
		return
	}
	if a.ret > b.call {
		if second, _ := c.overlap(b, a); second == "" {
			return
		}
	}
	c.report(why, a.group, a.Record, "%s holds it until %v at least, %s got it at %v", a.client, first, b.client, b.ret)
}

// overlap tells which invariant broke if b was handed out after a.
func (c *checker) overlap(a, b *delivery) (invariant string, until time.Duration) {
	if a.forgotten || a.endedBefore(b.ret) {
		return "", 0
	}
	until, restarted := c.deadline(a, b.call, b.ret)
	switch {
	case b.ret >= until:
		return "", until
	case restarted:
		return "I14", until
	}
	return "I4", until
}

func (d *delivery) endedBefore(t time.Duration) bool {
	for _, s := range d.settles {
		if s.ends() && s.call < t {
			return true
		}
	}
	return false
}

// deadline is the earliest end the lease can have had as a call from … to saw
// it, and whether the server was restarted before that call.
func (c *checker) deadline(d *delivery, from, to time.Duration) (until time.Duration, restarted bool) {
	until = d.call + d.Lease
	length := d.Lease
	next := 0
	restart := func(before time.Duration) {
		for ; next < len(c.restarts) && c.restarts[next].start.Call <= before; next++ {
			r := c.restarts[next]
			if r.kill.Ret <= d.call {
				continue
			}
			restarted = true
			if until > r.kill.Ret {
				until = max(until, r.start.Call+min(length, leftAfterStart))
			}
		}
	}
	for _, s := range d.settles {
		if s.op != Extend || s.out == Fail || s.call >= to {
			continue
		}
		restart(min(s.call, from))
		if s.out == OK && s.ret <= from && !c.near(s.call, s.ret) {
			until, length = s.call+s.length, s.length
		} else {
			until, length = min(until, s.call+s.length), min(length, s.length)
		}
	}
	restart(from)
	return until, restarted
}

// checkRefusals requires that a lease which certainly runs can be settled (I4,
// after a restart I14).
func (c *checker) checkRefusals(l *life, d *delivery) {
	if d.forgotten {
		return
	}
	for i, s := range d.settles {
		if s.out != Fail || d.settledBesides(i) {
			continue
		}
		until, restarted := c.deadline(d, s.call, s.ret)
		if s.ret >= until {
			continue
		}
		invariant := "I4"
		if restarted {
			invariant = "I14"
		}
		c.report(invariant, l.group, l.record, "%s by %s at %v was refused (%s), the lease runs until %v at least", s.op, d.client, s.call, s.code, until)
	}
}

// settledBesides tells whether another settle of the receipt may have come
// before the i-th ended.
func (d *delivery) settledBesides(i int) bool {
	for j, s := range d.settles {
		if j != i && s.ends() && s.call < d.settles[i].ret {
			return true
		}
	}
	return false
}

// checkFencing requires that a receipt older than a hand-out has no effect (I5).
func (c *checker) checkFencing(l *life, d *delivery) {
	for _, s := range d.settles {
		if s.out != OK || l.explained(d, s) {
			continue
		}
		for _, newer := range l.deliveries {
			if newer != d && !newer.forgotten && newer.call >= d.ret && newer.ret <= s.call {
				c.report("I5", l.group, l.record, "%s by %s at %v was accepted, %s had the record since %v", s.op, d.client, s.call, newer.client, newer.ret)
				break
			}
		}
	}
}

// explained tells whether an accepted settle may be one of a record that is
// settled already with the same outcome.
func (l *life) explained(d *delivery, s settle) bool {
	switch s.op {
	case Ack:
		return l.any(d, func(_ *delivery, o settle) bool { return o.op == Ack && o.out != Fail && o.call < s.ret })
	case Nack, Reject:
		return len(l.letters) > 0
	}
	return false
}

// checkRepeats requires that a repeated settle is accepted and another verb is
// not (I5).
func (c *checker) checkRepeats(l *life, d *delivery) {
	for i, first := range d.settles {
		if first.out != OK || !first.ends() {
			continue
		}
		for j, s := range d.settles {
			switch {
			case j == i || s.call < first.ret:
			case s.op == first.op && s.out == Fail && (s.op == Ack || s.op == Reject):
				c.report("I5", l.group, l.record, "%s was accepted, its repeat refused (%s)", s.op, s.code)
			case s.op != first.op && s.out == OK && !l.explained(d, s):
				c.report("I5", l.group, l.record, "%s was accepted, then %s of the same receipt", first.op, s.op)
			}
		}
	}
}

// checkAttempts requires that attempts count the failures and nothing else (I6).
func (c *checker) checkAttempts(l *life, limit int) {
	for i, d := range l.deliveries {
		switch {
		case d.Attempt < 1 || d.Deliveries < d.Attempt:
			c.report("I6", l.group, l.record, "attempt %d of %d deliveries", d.Attempt, d.Deliveries)
		case limit > 0 && d.Attempt > limit:
			c.report("I6", l.group, l.record, "attempt %d, the limit is %d", d.Attempt, limit)
		case i > 0:
			c.checkNext(l, l.deliveries[i-1], d)
		}
	}
}

// checkNext holds two successive hand-outs against each other.
func (c *checker) checkNext(l *life, a, b *delivery) {
	if a.ret > b.call || a.forgotten {
		return
	}
	if b.Attempt < a.Attempt || b.Deliveries <= a.Deliveries {
		c.report("I6", l.group, l.record, "attempt %d, deliveries %d came after %d and %d", b.Attempt, b.Deliveries, a.Attempt, a.Deliveries)
		return
	}
	if b.Deliveries != a.Deliveries+1 {
		return
	}
	want, why := a.next()
	if want > 0 && b.Attempt != want {
		c.report("I6", l.group, l.record, "attempt %d after attempt %d that ended by %s", b.Attempt, a.Attempt, why)
	}
}

// next is the attempt that follows; 0 when it is not certain how this one ended.
func (d *delivery) next() (attempt int, why string) {
	attempt, why = d.Attempt+1, "expiry"
	for _, s := range d.settles {
		switch {
		case !s.ends():
		case s.out == Unknown || s.op == Ack || s.op == Reject:
			return 0, ""
		case s.op == Release:
			attempt, why = d.Attempt, "release"
		case s.op == Nack:
			why = "nack"
		}
	}
	return attempt, why
}
