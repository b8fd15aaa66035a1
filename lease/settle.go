package lease

// verdict is what judging an action found.
type verdict struct {
	code     Code
	slot     uint32 // of the record to change, with OK
	late     bool   // past its deadline, turned over by Expire or not
	expired  bool   // turned over by Expire: the failure is counted, provisionally
	newcomer bool   // a hand-out that a crash made the window forget
}

// Judge says what Settle would answer, and changes nothing.
func (w *Window) Judge(now int64, a Action) Code { return w.judge(now, a).code }

func (w *Window) judge(now int64, a Action) verdict {
	switch {
	case a.Verb < Ack || a.Verb > Extend || a.Offset < 0 || a.Delivery == 0:
		return verdict{code: Invalid}
	case a.Epoch != w.epoch:
		return verdict{code: w.judgeEpoch(a)}
	case a.Offset >= w.end:
		return verdict{code: w.judgeAhead(a)}
	}
	s := w.find(a.Offset)
	if s == 0 {
		return verdict{code: settledCode(w.past.outcome(a.Offset), a.Verb)}
	}
	r := w.slab.rec(s)
	if r.state() == Dying {
		return verdict{code: settledCode(Dead, a.Verb)}
	}
	switch {
	case a.Incarnation < r.incarnation || a.Incarnation == r.incarnation && a.Delivery < r.deliveries:
		return verdict{code: Lost}
	case a.Incarnation == r.incarnation && a.Delivery == r.deliveries:
		return w.judgeLast(now, a, s, r)
	case !w.forgettable(a.Claim):
		return verdict{code: Invalid}
	case a.Delivery <= r.deliveries:
		// Two crashes forgot a hand-out each, and the holder of the other one was believed first: this one counts as passed over.
		return verdict{code: Lost}
	case a.Verb == Extend && w.keyTaken(s, r):
		return verdict{code: Lost}
	}
	return verdict{code: OK, slot: s, newcomer: true}
}

// keyTaken says whether another record of the key is in flight under key order: a lease that ran out, or that a crash forgot, cannot run on beside it.
// Key order turned on while several records of a key were leased leads there.
func (w *Window) keyTaken(s uint32, r *record) bool {
	q := w.slab.queueOf(s)
	if q == 0 || w.gate != gateOrder {
		return false
	}
	busy := w.queues.at(q).busy
	if r.state() == Leased {
		busy--
	}
	return busy > 0
}

// forgettable says whether a crash can have made the window forget the hand-out: it was made before this life's first.
func (w *Window) forgettable(c Claim) bool { return w.current == 0 || c.Incarnation < w.current }

// judgeEpoch is about a claim from before a reset, or from after one that a crash undid: lost, whether the record is unsettled or was
// passed over by the reset; else answered like any settled record's.
func (w *Window) judgeEpoch(a Action) Code {
	o := Skipped
	switch {
	case a.Offset >= w.end:
		o, _ = w.ahead.find(a.Offset)
		if o == rejected {
			o = Dead
		} else if o == 0 {
			o = Skipped
		}
	case w.find(a.Offset) == 0:
		o = w.past.outcome(a.Offset)
	}
	if o == Skipped {
		return Lost
	}
	return settledCode(o, a.Verb)
}

func (w *Window) judgeAhead(a Action) Code {
	switch o, ok := w.ahead.find(a.Offset); {
	case ok && o == rejected:
		return settledCode(Dead, a.Verb)
	case ok:
		return settledCode(o, a.Verb)
	case !w.forgettable(a.Claim):
		return Invalid
	}
	return NotOffered
}

// judgeLast is about the claim of the record's last hand-out.
func (w *Window) judgeLast(now int64, a Action, s uint32, r *record) verdict {
	late := verdict{code: OK, slot: s, late: true}
	switch {
	case r.state() == Leased && now < r.at:
		return verdict{code: OK, slot: s}
	case r.state() == Leased: // judged as if Expire had just run
		switch fate := w.fate(s, r.failures+1, now); {
		case fate == 0:
		case w.drops(fate):
			return verdict{code: settledCode(Dropped, a.Verb)}
		default:
			return verdict{code: settledCode(Dead, a.Verb)}
		}
	case r.last() == byExpiry:
		late.expired = true
	case r.last() == byNack && a.Verb == Nack, r.last() == byRelease && a.Verb == Release:
		return verdict{code: Repeat, slot: s}
	case r.last() == byPlace:
		return verdict{code: Lost}
	default:
		return verdict{code: AlreadySettled}
	}
	if w.cfg.Strict || a.Verb == Extend && w.keyTaken(s, r) {
		return verdict{code: Lost}
	}
	return late
}

// settledCode is the answer to a verb on a settled record.
func settledCode(o Outcome, v Verb) Code {
	if o == Acked && v == Ack || o == Dead && (v == Reject || v == Nack) {
		return Repeat
	}
	return AlreadySettled
}

// fate says of what a record dies at a failure that is its failures-th; 0 = it lives on. The limit comes before the ttl, which may drop
// the record without a dead letter.
func (w *Window) fate(s uint32, failures uint32, now int64) Reason {
	if w.cfg.MaxAttempts > 0 && int(failures) >= w.cfg.MaxAttempts {
		return ReasonMaxAttempts
	}
	if w.outlived(s, now) {
		return ReasonTTL
	}
	return 0
}

// drops says whether a record that dies of this is settled without a dead letter.
func (w *Window) drops(why Reason) bool { return w.cfg.Drop || why == ReasonTTL && w.cfg.DropTTL }

// Settle carries out one verb on one claim, or says why not; then nothing has changed. At most 1,000 between two TakeDelta.
//
// A lease past its deadline still settles and extends until the record is handed out again or dead (not with Strict): the verb takes the
// place of the expiry, so that one delivery is at most one failure. Settled again while not handed out since, the same verb is Repeat,
// another AlreadySettled; handed out since, it is Lost. On a settled record an ack of an acked one and a nack or reject of a dead one
// are Repeat, all else is AlreadySettled; a dying record counts as dead. A claim that only a crash can have made the window forget is
// taken as if its lease ran. Under key order neither is extended while another record of the key is in flight. With NotOffered the caller offers up to the offset and asks again.
func (w *Window) Settle(now int64, a Action) Result {
	v := w.judge(now, a)
	if v.slot == 0 {
		return Result{Code: v.code}
	}
	s, r := v.slot, w.slab.rec(v.slot)
	if v.code == Repeat {
		return w.repeated(r, a.Verb)
	}
	res := Result{Late: v.late, Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms()}
	if v.newcomer {
		res.Member, res.LeasedAt = "", 0
	}
	if a.Verb == Ack {
		res.Attempt = r.attempt()
		if v.expired {
			res.Attempt--
		}
		w.journal.run(opAck, r.offset)
		w.settle(s, Acked)
		return res
	}
	w.leave(s, r)
	w.adopt(r, v, a.Claim)
	res.Attempt = int(r.failures) + 1
	var why Reason
	switch a.Verb {
	case Nack:
		why = w.nack(now, &a, s, r, &res)
	case Release:
		r.phase = phaseOf(Available, byRelease, 0)
	case Reject:
		r.failures++
		why = ReasonRejected
	case Extend:
		r.phase = phaseOf(Leased, notEnded, 0)
		r.at, r.length = later(now+a.Ahead, a.For), clampLength(a.For)
		res.Deadline = r.at
	}
	w.enterOrDie(s, r, why, v.newcomer, &res)
	return res
}

// adopt brings the record to where it stood before the failure the verb is about to decide.
func (w *Window) adopt(r *record, v verdict, c Claim) {
	if v.expired {
		r.failures--
		r.expiries--
	}
	if v.newcomer {
		w.members.unref(r.member)
		r.member, r.leasedAt = 0, stamp{}
		r.deliveries, r.incarnation = c.Delivery, c.Incarnation
	}
}

// nack counts the failure. The record then waits, or dies of what is given back.
func (w *Window) nack(now int64, a *Action, s uint32, r *record, res *Result) Reason {
	r.failures++
	r.end(byNack)
	if why := w.fate(s, r.failures, now); why != 0 {
		return why
	}
	delay := a.Delay
	if delay < 0 {
		delay = w.cfg.Backoff.delay(w.cfg.Seed, r.offset, int(r.failures))
	}
	r.turn(Deferred)
	r.at = later(now+a.Ahead, delay)
	if delay == 0 {
		r.turn(Available)
	}
	res.Due = r.at
	return 0
}

// enterOrDie ends what leave began: the record goes on in its new state, dies, or is dropped.
func (w *Window) enterOrDie(s uint32, r *record, why Reason, newcomer bool, res *Result) {
	if why == 0 {
		w.journal.put(r, newcomer)
		w.enter(s, r)
		return
	}
	r.die(why)
	if w.drops(why) {
		w.journal.run(opDrop, r.offset)
		w.enter(s, r)
		w.settle(s, Dropped)
		w.dropped++
		res.Dropped = true
		return
	}
	w.journal.put(r, newcomer)
	w.enter(s, r)
	res.Dying = true
}

// repeated answers a verb that was carried out before.
func (w *Window) repeated(r *record, v Verb) Result {
	res := Result{Code: Repeat, Attempt: r.attempt(), Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms()}
	if v == Nack {
		res.Attempt--
		if r.state() == Deferred {
			res.Due = r.at
		}
	}
	return res
}
