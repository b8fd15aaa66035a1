package lease

// Lease hands out records: those available again first, then those never handed out, each in offset order. It stops at the limits of
// the request; the first record of a call comes whatever its size.
//
// Records whose workers keep dying do not take their neighbours along: once half of MaxAttempts is used up by expiries a record comes
// only in calls of at most 2ⁿ records, n the attempts left after this one, at its last attempt alone. Such records are taken in offset
// order; when the next of them does not fit the call, none of them comes in it.
//
// A record over its ttl is not handed out but settled as dropped, or it dies (see Config.DropTTL).
func (w *Window) Lease(req Request, dst []Handout) ([]Handout, Stop) {
	c := call{Request: req, got: req.Have, bytes: req.HaveBytes, limit: req.Max, had: len(dst)}
	if req.Incarnation > w.current {
		w.current = req.Incarnation
	}
	c.member = w.members.intern(clip(req.Member))
	c.deadline = later(req.Now+req.Ahead, req.Length)
	stop := c.full(dst)
	for !stop.ends {
		dst, stop = w.next(&c, dst)
	}
	if given := dst[c.had:]; len(given) > 0 {
		w.journal.lease(&c, w.members.name(c.member), given)
	}
	if c.alone {
		return dst, StopAlone
	}
	return dst, stop.why
}

// call is a Lease under way.
type call struct {
	Request
	member   uint32
	deadline int64
	got      int // of the whole call
	bytes    int64
	limit    int
	had      int // handouts in dst before
	overTTL  int
	alone    bool // an isolated record was taken
	withheld bool // an isolated record did not fit
}

// halt says whether a Lease ends, and why.
type halt struct {
	ends bool
	why  Stop
}

func (c *call) full(dst []Handout) halt {
	if c.got >= c.limit || len(dst)-c.had >= MaxLease {
		return halt{true, StopLimit}
	}
	return halt{}
}

// next takes one record more, or ends the call.
func (w *Window) next(c *call, dst []Handout) ([]Handout, halt) {
	s := w.pick(c)
	if s == 0 {
		if c.withheld {
			return dst, halt{true, StopLimit}
		}
		return dst, halt{true, StopEmpty}
	}
	r := w.slab.rec(s)
	if w.outlived(s, c.Now) {
		w.outlive(s, r)
		if c.overTTL++; c.overTTL == MaxOverTTL {
			return dst, halt{true, StopMore}
		}
		return dst, halt{}
	}
	if c.got > 0 && c.MaxBytes > 0 && c.bytes+int64(r.size) > c.MaxBytes {
		return dst, halt{true, StopLimit}
	}
	if r.class() == isolated {
		c.alone = true
		c.limit = min(c.limit, w.batch(r))
	}
	w.ready[r.class()].pop() // pick left it on top
	r.flags &^= inHeap0 << r.class()
	w.handOut(s, r, c.Now, c.deadline, c.Length, c.member, c.Incarnation)
	w.most = max(w.most, r.deliveries)
	c.got++
	c.bytes += int64(r.size)
	dst = append(dst, Handout{
		Claim:    Claim{r.offset, r.deliveries, r.incarnation, w.epoch},
		Attempt:  r.attempt(),
		Deadline: r.at,
		Size:     r.size,
		Redriven: r.redriven(),
		Again:    r.deliveries > 1 || r.redriven() || r.offset < w.shown || w.gate == gateOrder && w.slab.keyed(s),
	})
	return dst, c.full(dst)
}

// pick gives the next record of the call, on top of the heap of its class; 0 = none.
func (w *Window) pick(c *call) uint32 {
	s := w.peek(again)
	if !c.withheld {
		if i := w.peek(isolated); i != 0 {
			r := w.slab.rec(i)
			switch {
			case s != 0 && w.slab.rec(s).offset < r.offset: // later
			case c.got < w.batch(r):
				return i
			default:
				c.withheld = true
			}
		}
	}
	if s != 0 {
		return s
	}
	return w.peek(fresh)
}

// batch is how many records a call may have that hands this one out.
func (w *Window) batch(r *record) int {
	if w.cfg.MaxAttempts < 2 || 2*int(r.expiries) < w.cfg.MaxAttempts {
		return MaxLease
	}
	left := w.cfg.MaxAttempts - 1 - int(r.failures)
	return 1 << min(max(left, 0), 10)
}

// handOut makes the record leased.
func (w *Window) handOut(s uint32, r *record, now, deadline, length int64, member, incarnation uint32) {
	w.leave(s, r)
	r.phase = phaseOf(Leased, notEnded, 0)
	r.deliveries++
	r.incarnation = incarnation
	r.at, r.leasedAt, r.length = deadline, stampOf(now), clampLength(length)
	w.seen = max(w.seen, now)
	w.members.ref(member)
	w.members.unref(r.member)
	r.member = member
	w.enter(s, r)
}

// outlive settles a record that was reached after its ttl, or lets it die of it.
func (w *Window) outlive(s uint32, r *record) {
	if w.cfg.Drop || w.cfg.DropTTL {
		w.journal.run(opDrop, r.offset)
		w.settle(s, Dropped)
		w.dropped++
		return
	}
	w.journal.run(opOutlive, r.offset)
	w.die(s, r, ReasonTTL)
}

// die makes the record dying.
func (w *Window) die(s uint32, r *record, why Reason) {
	w.leave(s, r)
	r.die(why)
	w.enter(s, r)
}

func clampLength(ms int64) uint32 { return uint32(min(max(ms, 0), MaxLength)) }

func clip(name string) string { return name[:min(len(name), MaxMember)] }
