package lease

// SettleAt settles by place, for operators; no claim is asked for, and a running lease is lost. Release makes a deferred record
// available now and ends a lease uncounted; Ack and Reject settle any unsettled record, at or past End too: Offer then passes it
// over, and a rejected one is listed by Dying. Repeat means that there was nothing to do, AlreadySettled that the record is settled (or
// dying), NotOffered that MaxAhead runs lie ahead already: offer up to the offset and ask again. Other verbs are Invalid.
func (w *Window) SettleAt(now int64, at Offset, v Verb) Result {
	if v != Ack && v != Release && v != Reject || at < 0 {
		return Result{Code: Invalid}
	}
	if at >= w.end {
		return w.settleAhead(at, v)
	}
	s := w.find(at)
	if s == 0 {
		return Result{Code: AlreadySettled}
	}
	r := w.slab.rec(s)
	state, overdue := r.state(), r.state() == Leased && r.at <= now
	if overdue { // judged as if Expire had just run
		switch why := w.fate(s, r.failures+1, now); {
		case why == 0:
			state = Available
		case w.drops(why):
			return Result{Code: AlreadySettled}
		default:
			state = Dying
		}
	}
	switch {
	case state == Dying && v == Reject, (state == Available || state == Unread) && v == Release:
		return Result{Code: Repeat, Dying: r.state() == Dying}
	case state == Dying:
		return Result{Code: AlreadySettled}
	}
	return w.settlePlace(s, r, state, v)
}

// settlePlace does what SettleAt found right; state is the record's, an overdue lease turned over.
func (w *Window) settlePlace(s uint32, r *record, state State, v Verb) Result {
	res := Result{Attempt: r.attempt(), Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms()}
	if v == Ack {
		w.journal.run(opAck, r.offset)
		w.settle(s, Acked)
		return res
	}
	w.leave(s, r)
	why := Reason(0)
	switch {
	case v == Reject:
		why = ReasonRejected
		if r.state() == Leased {
			r.failures++
			r.end(byPlace)
		}
	case state == Leased:
		r.phase = phaseOf(Available, byPlace, 0)
	default:
		r.turn(Available)
	}
	w.enterOrDie(s, r, why, false, &res)
	return res
}

func (w *Window) settleAhead(at Offset, v Verb) Result {
	switch o, ok := w.ahead.find(at); {
	case ok && o == rejected && v == Reject:
		return Result{Code: Repeat, Dying: true}
	case ok:
		return Result{Code: AlreadySettled}
	case v == Release:
		return Result{Code: Repeat}
	case len(w.ahead) >= MaxAhead:
		return Result{Code: NotOffered}
	}
	o := Acked
	switch {
	case v == Reject && w.cfg.Drop:
		o = Dropped
	case v == Reject:
		o = rejected
	}
	w.journal.ahead(at, o)
	w.putAhead(at, o)
	if o == Dropped {
		w.dropped++
	}
	return Result{Dying: o == rejected, Dropped: o == Dropped}
}

func (w *Window) putAhead(at Offset, o Outcome) {
	w.ahead.add(at, at+1, o)
	if o == rejected {
		w.nAhead.dying++
	} else {
		w.nAhead.settled++
	}
	w.trimAhead()
}

// Reset begins a new epoch at to: start and end are there, every claim of before is lost, records from there on come afresh at their
// first attempt, and what was settled of them is forgotten. What lies unsettled below counts as settled; a record dying there gets no
// dead letter any more, so the caller buries those first. Keys held by dead records from there on are free.
func (w *Window) Reset(to Offset) {
	w.journal.offset(opReset, to)
	w.reset(to)
}

func (w *Window) reset(to Offset) {
	for s := w.first; s != 0; s = w.slab.rec(s).next { // all go at once
		r := w.slab.rec(s)
		if r.offset < to {
			w.past.settle(r.offset, Skipped)
		}
		w.members.unref(r.member)
	}
	kept := w.keptBelow(to)
	w.skipAhead(to)
	w.shown = max(w.shown, w.end)
	w.clear()
	for _, k := range kept {
		w.insert(k.record, k.key)
		w.members.unref(k.member) // insert counted it again
	}
	w.past.cut(to)
	w.ahead = nil
	w.nAhead.settled, w.nAhead.dying = 0, 0
	w.end = to
	w.epoch++
}

// kept is a record that outlives a reset.
type kept struct {
	record
	key uint64
}

// keptBelow lists what a reset leaves: below to a dead record goes on holding its key, since its letter stays open, and a redriven one is not settled. The lease of
// that is lost.
func (w *Window) keptBelow(to Offset) (out []kept) {
	holds, back := w.slab.sorted(w.held), w.slab.sorted(w.back)
	for len(holds)+len(back) > 0 {
		var s uint32
		if len(back) == 0 || len(holds) > 0 && w.slab.rec(holds[0]).offset < w.slab.rec(back[0]).offset {
			s, holds = holds[0], holds[1:]
		} else {
			s, back = back[0], back[1:]
		}
		r := *w.slab.rec(s)
		if r.offset >= to {
			w.members.unref(r.member)
			if r.redriven() {
				w.came++
			}
			continue
		}
		r.flags, r.next, r.prev = r.flags&isBack, 0, 0
		if r.state() == Leased {
			r.phase = phaseOf(Available, byPlace, 0)
		}
		out = append(out, kept{r, w.keyOf(s)})
	}
	return out
}

// TrimTo says that the log begins at start now: what lies unsettled below is gone, and settled as skipped, at most MaxTrim records a call; more says to call again.
func (w *Window) TrimTo(start Offset) (more bool) {
	if start <= w.Start() {
		return false
	}
	s := w.first
	for n := 0; s != 0 && n < MaxTrim; n++ {
		s = w.slab.rec(s).next
	}
	if more = s != 0 && w.slab.rec(s).offset < start; more {
		start = w.slab.rec(s).offset
	}
	w.journal.offset(opTrim, start)
	w.skipTo(start)
	return more
}

// SkipTo says that there are no records from End up to to: End moves there, at the cost of one. It stops at a record that was rejected ahead, whose dead
// letter is to be written: offer that one.
func (w *Window) SkipTo(to Offset) {
	for _, r := range w.ahead {
		if r.outcome == rejected {
			to = min(to, r.from)
			break
		}
	}
	if to > w.end {
		w.journal.offset(opSkip, to)
		w.skipAhead(to)
	}
}

// skipTo settles everything below to as skipped.
func (w *Window) skipTo(to Offset) {
	for w.first != 0 && w.slab.rec(w.first).offset < to {
		w.settle(w.first, Skipped)
	}
	w.skipAhead(to)
}

// skipAhead moves end up to to, past what was settled ahead.
func (w *Window) skipAhead(to Offset) {
	for w.end < to {
		next := to
		if len(w.ahead) > 0 {
			next = min(next, w.ahead[0].from)
			if r := &w.ahead[0]; r.from == w.end { // to be buried: too late
				next = min(to, r.to)
				w.nAhead.dying -= int(next - r.from)
				if r.from = next; r.from == r.to {
					w.ahead = w.ahead[1:]
				}
			}
		}
		w.past.skip(w.end, next, Skipped)
		w.end = next
		w.trimAhead()
	}
}

// ExtendAt moves the deadline of a running lease to now + ahead + length by place, for operators: its holder goes on with the receipt it has. Lost means that no
// lease runs, or it ran past its deadline already; AlreadySettled that the record is settled (or dying), Invalid that there can be no such record.
func (w *Window) ExtendAt(now, ahead int64, at Offset, length int64) Result {
	switch s := w.find(at); {
	case at < 0:
		return Result{Code: Invalid}
	case s == 0 && at >= w.end:
		return Result{Code: Lost}
	case s == 0:
		return Result{Code: AlreadySettled}
	default:
		return w.extendPlace(now, ahead, s, length)
	}
}

func (w *Window) extendPlace(now, ahead int64, s uint32, length int64) Result {
	r := w.slab.rec(s)
	switch {
	case r.state() == Dying:
		return Result{Code: AlreadySettled}
	case r.state() != Leased || r.at <= now:
		return Result{Code: Lost}
	}
	res := Result{Attempt: r.attempt(), Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms()}
	w.leave(s, r)
	r.at, r.length = later(now+ahead, length), clampLength(length)
	res.Deadline = r.at
	w.enterOrDie(s, r, 0, false, &res)
	return res
}
