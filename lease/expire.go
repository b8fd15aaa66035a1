package lease

// resumed is how long a lease runs at least after a restart, if it is that long: milliseconds.
const resumed = 10_000

// Expire turns over what is due at now, by time, at most MaxExpire records: leases past their deadline count as failed and their records
// are available again at once, or die at the limit or past their ttl; deferred records are available. It appends the leases that ran out
// to dst, says how many records became available, and whether more may be due.
func (w *Window) Expire(now int64, dst []Expired) (out []Expired, freed int, more bool) {
	for n := 0; n < MaxExpire; n++ {
		if !w.anyDue(now) {
			return dst, freed, false
		}
		s := w.timer(w.timers.first())
		w.timers.pop()
		if s == 0 { // what leases left behind that ended otherwise counts, too: there may be many
			continue
		}
		r := w.slab.rec(s)
		if r.state() == Deferred {
			w.journal.run(opDue, r.offset)
			w.due(s, r)
			freed++
			continue
		}
		e := Expired{
			Claim:   Claim{r.offset, r.deliveries, r.incarnation, w.epoch},
			Attempt: r.attempt(), Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms(), Deadline: r.at,
		}
		e.Dying, e.Dropped = w.runOut(now, s, r)
		if !e.Dying && !e.Dropped {
			freed++
		}
		dst = append(dst, e)
	}
	return dst, freed, w.anyDue(now)
}

func (w *Window) anyDue(now int64) bool { return w.timers.len() > 0 && w.timers.first().at <= now }

// runOut ends a lease past its deadline.
func (w *Window) runOut(now int64, s uint32, r *record) (dying, dropped bool) {
	switch why := w.fate(s, r.failures+1, now); {
	case why == 0:
		w.journal.run(opExpire, r.offset)
		w.expire(s, r)
		return false, false
	case w.drops(why):
		w.journal.run(opDrop, r.offset)
		w.settle(s, Dropped)
		w.dropped++
		return false, true
	default:
		w.leave(s, r)
		r.expired()
		r.phase = phaseOf(Dying, byExpiry, why)
		w.journal.put(r, false)
		w.enter(s, r)
		return true, false
	}
}

func (w *Window) expire(s uint32, r *record) {
	w.leave(s, r)
	r.expired()
	r.phase = phaseOf(Available, byExpiry, 0)
	w.enter(s, r)
}

func (w *Window) due(s uint32, r *record) {
	w.leave(s, r)
	r.turn(Available)
	w.enter(s, r)
}

// NextDeadline is when Expire next has something to do, in milliseconds, or before, where more than MaxExpire leases ended before their time; false = nothing
// is leased or deferred.
func (w *Window) NextDeadline() (ms int64, ok bool) {
	for n := 0; n < MaxExpire && w.timers.len() > 0 && w.timer(w.timers.first()) == 0; n++ {
		w.timers.pop()
	}
	if w.timers.len() == 0 {
		return 0, false
	}
	return w.timers.first().at, true
}

// Resume is called once after a restart, after the last Replay: time the process was down does not run against leases. Each gets the
// later of its deadline and now + its length or 10 s, whichever is less, but no more than now + its length, in case the clock went back. If it did, past the
// last hand-out, what is deferred is due that much sooner: a wait is a time, not a date.
func (w *Window) Resume(now int64) {
	if w.counts.Leased+w.counts.Deferred == 0 && w.seen <= now {
		return
	}
	w.journal.time(opResume, now)
	w.resume(now)
}

func (w *Window) resume(now int64) {
	for _, first := range [...]uint32{w.first, w.back.first} {
		for s := first; s != 0; s = w.slab.rec(s).next {
			w.resumeOne(w.slab.rec(s), now)
		}
	}
	w.seen = min(w.seen, now)
}

func (w *Window) resumeOne(r *record, now int64) {
	if at := r.leasedAt.ms(); at != 0 { // else it is not known when, or there was no hand-out
		r.leasedAt = stampOf(min(at, now))
	}
	if !r.timed() {
		return
	}
	at := r.at
	if r.state() == Deferred {
		at -= max(0, w.seen-now)
	} else {
		length := int64(r.length)
		at = min(max(at, later(now, min(length, resumed))), later(now, length))
	}
	if at != r.at {
		r.at = at
		w.setTimer(r)
	}
}

// setTimer notes when r is due.
func (w *Window) setTimer(r *record) {
	if live := w.counts.Leased + w.counts.Deferred; w.timers.roomy(live) {
		w.sweepTimers()
	}
	w.timers.push(mark{r.at, r.offset})
}

// sweepTimers drops the stale entries, and the second ones of records that came back to the same time.
func (w *Window) sweepTimers() {
	w.timers.sweep(func(m mark) bool {
		s := w.timer(m)
		if s == 0 || w.slab.rec(s).flags&isMarked != 0 {
			return false
		}
		w.slab.rec(s).flags |= isMarked
		return true
	})
	w.timers.each(func(m mark) { w.slab.rec(w.find(m.offset)).flags &^= isMarked })
}

// timer gives the slot of the record an entry is about; 0 = it is stale.
func (w *Window) timer(m mark) uint32 {
	s := w.find(m.offset)
	if s == 0 {
		return 0
	}
	if r := w.slab.rec(s); !r.timed() || r.at != m.at {
		return 0
	}
	return s
}
