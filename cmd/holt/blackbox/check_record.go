package blackbox

import (
	"slices"
	"time"
)

// checkRecords holds what was stored and delivered against what was published
// (I1 for the log, I2, I18).
func (c *checker) checkRecords() {
	for _, e := range c.reads {
		for _, it := range e.Items {
			c.checkOrigin("", it)
		}
	}
	for _, l := range c.order {
		for _, d := range l.deliveries {
			c.checkOrigin(d.group, d.Item)
		}
	}
	for _, e := range c.requests {
		c.checkRequest(e)
	}
}

// checkOrigin requires that a record seen was published, and is unchanged.
func (c *checker) checkOrigin(group string, it Item) {
	p, ok := c.published[it.Record]
	switch {
	case !ok:
		c.report("I2", group, it.Record, "at %s, never published", at(it))
	case p.out == Fail:
		c.report("I18", group, it.Record, "at %s, its publish was refused", at(it))
	case p.CRC != it.CRC || p.Key != it.Key || p.Header != it.Header || p.Topic != it.Topic:
		c.report("I2", group, it.Record, "at %s differs from what was published: %+v, was %+v", at(it), it, p.Item)
	case p.out == OK && p.Delay == 0 && (p.Partition != it.Partition || p.Offset != it.Offset):
		c.report("I12", group, it.Record, "at %s, its publish was answered %s", at(it), at(p.Item))
	}
}

// checkRequest requires that an accepted request is stored whole, and any
// other whole or not at all.
func (c *checker) checkRequest(e Event) {
	stored := 0
	for _, it := range e.Items {
		if _, ok := c.log[it.Record]; ok {
			stored++
		} else if e.Out == OK {
			c.report("I1", "", it.Record, "published at %s, not in the log", at(it))
		}
	}
	if e.Out == Unknown && stored > 0 && stored < len(e.Items) {
		c.report("I18", "", e.Items[0].Record, "%d of the %d records of one request are stored", stored, len(e.Items))
	}
}

type partition struct {
	topic string
	n     int
}

// checkLog requires dense offsets in the order of the calls (I12).
func (c *checker) checkLog() {
	next, last := map[partition]int64{}, map[partition]int64{}
	for _, e := range c.reads {
		for _, it := range e.Items {
			p := partition{it.Topic, it.Partition}
			if it.Offset != next[p] {
				c.report("I12", "", it.Record, "at %s, expected offset %d", at(it), next[p])
			}
			if it.Timestamp < last[p] {
				c.report("I12", "", it.Record, "at %s: its timestamp goes back", at(it))
			}
			next[p], last[p] = it.Offset+1, it.Timestamp
		}
	}
	c.checkCallOrder()
}

// checkCallOrder requires that what was answered before another call began is
// before it in the log, and that a request keeps its order. What was called
// before with the same id has its place from then.
func (c *checker) checkCallOrder() {
	answered := slices.Clone(c.requests)
	slices.SortStableFunc(answered, func(a, b Event) int { return int(a.Ret - b.Ret) })
	high, done := map[partition]int64{}, 0
	for _, e := range c.requests {
		for ; done < len(answered) && answered[done].Ret <= e.Call; done++ {
			raise(high, answered[done])
		}
		if e.Out != OK {
			continue
		}
		within := map[partition]int64{}
		for _, it := range e.Items {
			if it.Delay > 0 {
				continue
			}
			p := partition{it.Topic, it.Partition}
			if above, ok := high[p]; ok && it.Offset <= above && c.published[it.Record].call == e.Call {
				c.report("I12", "", it.Record, "at %s, offset %d was answered before its call", at(it), above)
			}
			if above, ok := within[p]; ok && it.Offset <= above && c.published[it.Record].call == e.Call {
				c.report("I12", "", it.Record, "at %s, after offset %d of the same request", at(it), above)
			}
			within[p] = it.Offset
		}
	}
}

func raise(high map[partition]int64, e Event) {
	if e.Out != OK {
		return
	}
	for _, it := range e.Items {
		p := partition{it.Topic, it.Partition}
		if above, ok := high[p]; it.Delay == 0 && (!ok || it.Offset > above) {
			high[p] = it.Offset
		}
	}
}

// fate is what became of a record in a group, as far as its clients know.
type fate int

const (
	// live: certainly not settled, as nobody was told so.
	live fate = iota
	// perhaps: an ack's answer was lost.
	perhaps
	// resolved: acked or dead.
	resolved
)

func (c *checker) fate(l *life, maxAttempts int) fate {
	if l == nil {
		return live
	}
	f := live
	if len(l.letters) > 0 {
		f = resolved
	}
	l.any(nil, func(d *delivery, s settle) bool {
		dies := s.op == Reject || s.op == Nack && maxAttempts > 0 && d.Attempt >= maxAttempts
		switch {
		case s.out == OK && (s.op == Ack || dies):
			f = resolved
		case s.out == Unknown && s.op == Ack:
			f = max(f, perhaps)
		}
		return false
	})
	return f
}

// checkGroups compares each group at the end with its history (I1, I7, I8, I16).
func (c *checker) checkGroups() {
	for _, e := range c.finals {
		c.checkFinal(e)
		for _, l := range c.order {
			if l.group == e.Group {
				c.checkLetters(l, e.MaxAttempts)
			}
		}
	}
}

func (c *checker) checkFinal(e Event) {
	var unresolved []Item
	possible := 0
	for _, r := range c.reads {
		if !slices.Contains(e.Topics, r.Topic) {
			continue
		}
		for _, it := range r.Items {
			switch c.fate(c.lives[lifeKey{e.Group, it.Record}], e.MaxAttempts) {
			case live:
				unresolved = append(unresolved, it)
			case perhaps:
				possible++
			}
		}
	}
	t := *e.Totals
	possible += len(unresolved)
	if int(t.Lag) < len(unresolved) {
		for _, it := range unresolved {
			c.report("I1", e.Group, it.Record, "at %s: neither acked nor dead, and the lag is %d", at(it), t.Lag)
		}
	} else if int(t.Lag) > possible {
		c.report("I7", e.Group, "", "lag %d, but only %d records can be unsettled", t.Lag, possible)
	} else if t.Lag > 0 {
		c.report("I16", e.Group, "", "%d records were not delivered in the drain: %+v", t.Lag, t)
	}
	if t.Lag != t.Available+t.Leased+t.Deferred {
		c.report("I7", e.Group, "", "lag is not the sum of the states: %+v", t)
	}
	if n := len(c.letters[e.Group]); int(t.DeadLetters) != n {
		c.report("I7", e.Group, "", "%d dead letters counted, %d in the topic", t.DeadLetters, n)
	}
}

// checkLetters requires that a record given up is a dead letter once, and no
// other record is (I8).
func (c *checker) checkLetters(l *life, maxAttempts int) {
	for _, it := range l.letters {
		c.checkLetter(l, it)
	}
	if n := len(l.letters); n > 1 {
		c.report("I8", l.group, l.record, "%d dead letters", n)
	}
	dead := time.Duration(-1)
	l.any(nil, func(d *delivery, s settle) bool {
		dies := s.op == Reject || s.op == Nack && maxAttempts > 0 && d.Attempt >= maxAttempts
		switch {
		case s.out == OK && dies:
			if len(l.letters) == 0 {
				c.report("I8", l.group, l.record, "%s at attempt %d was accepted, no dead letter", s.op, d.Attempt)
			}
			if dead < 0 || s.ret < dead {
				dead = s.ret
			}
		case s.out == OK && s.op == Ack && len(l.letters) > 0:
			c.report("I8", l.group, l.record, "acked and a dead letter")
		}
		return false
	})
	for _, d := range l.deliveries {
		if dead >= 0 && d.call > dead {
			c.report("I8", l.group, l.record, "delivered to %s after it was dead", d.client)
		}
	}
}

// checkLetter holds one dead letter against its origin.
func (c *checker) checkLetter(l *life, it Item) {
	p, ok := c.published[it.Record]
	origin, stored := c.log[it.Record]
	switch {
	case !ok || p.out == Fail:
		c.report("I8", l.group, it.Record, "dead letter of a record that was not published")
	case p.CRC != it.CRC || p.Key != it.Key || p.Header != it.Header:
		c.report("I8", l.group, it.Record, "dead letter differs from the record: %+v, was %+v", it, p.Item)
	case stored && at(origin) != at(it):
		c.report("I8", l.group, it.Record, "origin %s, the record is at %s", at(it), at(origin))
	}
	rejected := l.any(nil, func(_ *delivery, s settle) bool { return s.op == Reject && s.out != Fail })
	if it.Reason == "rejected" && !rejected {
		c.report("I18", l.group, it.Record, "dead letter says rejected, every reject was refused")
	}
}
