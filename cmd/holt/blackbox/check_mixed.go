package blackbox

import (
	"cmp"
	"slices"
	"time"
)

// clockSlack is how far a record's timestamp, of the wall clock, may lie before the time of the client's clock at which it was due.
const clockSlack = 50 * time.Millisecond

// twice names the invariant that a record stored twice breaks: with an id it was to be recognized (I10).
func (c *checker) twice(record string) string {
	if p, ok := c.published[record]; ok && p.ID != "" {
		return "I10"
	}
	return "I12"
}

// resolveAtomic learns from the log what became of acks whose call also published: both happened or neither (I11).
func (c *checker) resolveAtomic() {
	for _, e := range c.requests {
		if len(e.Acks) == 0 || e.Out != Unknown || len(e.Items) == 0 {
			continue
		}
		out := Fail
		if _, stored := c.log[e.Items[0].Record]; stored { // all of them, or checkRequest says so
			out = OK
		}
		for _, it := range e.Acks {
			d := c.handed[handKey{e.Group, it.Receipt, it.Record}]
			if d == nil {
				continue
			}
			for i := range d.settles {
				if s := &d.settles[i]; s.op == Ack && s.call == e.Call && s.out == Unknown {
					s.out, s.atomic = out, true
				}
			}
		}
	}
}

// checkKeyOrder requires that a record of a key was not delivered before those before it in its partition were settled, as far as is certain (I9).
func (c *checker) checkKeyOrder() {
	type line struct {
		topic     string
		partition int
		key       string
	}
	lines := map[line][]Item{}
	for _, it := range c.log {
		if it.Key != "" {
			l := line{it.Topic, it.Partition, it.Key}
			lines[l] = append(lines[l], it)
		}
	}
	for _, e := range c.finals {
		if !e.Ordered {
			continue
		}
		for l, items := range lines {
			if slices.Contains(e.Topics, l.topic) {
				slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.Offset, b.Offset) })
				c.checkLine(e.Group, items)
			}
		}
	}
}

// checkLine is checkKeyOrder for the records of one key in the order of their offsets.
func (c *checker) checkLine(group string, items []Item) {
	const never = 1<<63 - 1
	open, by := time.Duration(-1), Item{} // up to when a record before was certainly unsettled
	for _, it := range items {
		l := c.lives[lifeKey{group, it.Record}]
		settled := time.Duration(never)
		if l != nil {
			for _, d := range l.deliveries {
				if d.ret < open {
					c.report("I9", group, it.Record, "at %s, delivered at %v while %s at %s of the same key was unsettled until %v", at(it), d.ret, by.Record, at(by), open)
				}
			}
			if len(l.letters) > 0 {
				settled = 0 // by an expiry, perhaps: nobody knows when
			}
			l.any(nil, func(_ *delivery, s settle) bool {
				if s.out != Fail && (s.op == Ack || s.op == Nack || s.op == Reject) {
					settled = min(settled, s.call)
				}
				return false
			})
		}
		if settled > open {
			open, by = settled, it
		}
	}
}

// checkDelays requires that no delayed record was appended before its time (I15).
func (c *checker) checkDelays() {
	for _, e := range c.requests {
		for _, p := range e.Items {
			it, stored := c.log[p.Record]
			if p.Delay == 0 || !stored {
				continue
			}
			if due := c.published[p.Record].call + p.Delay; time.Duration(it.Timestamp)+clockSlack < due {
				c.report("I15", "", p.Record, "at %s, appended at %v, due at %v at the earliest", at(it), time.Duration(it.Timestamp), due)
			}
		}
	}
}
