package lease

import "math"

// Replay applies one delta, as TakeDelta gave it, to a window that stands where the writer's stood. The window asks no configuration for
// it. Bytes that cannot come from there are an error wrapping ErrCorrupt; the window is then of no use.
func (w *Window) Replay(delta []byte) error {
	if len(delta) == 0 {
		return nil
	}
	d := decoder{b: delta}
	if d.byte() != deltaVersion {
		d.fail("unknown version")
	}
	for len(d.b) > 0 {
		w.replay(&d, d.byte())
	}
	return d.err("delta")
}

func (w *Window) replay(d *decoder, op byte) {
	switch op {
	case opOffer:
		w.replayOffer(d)
	case opLease:
		w.replayLease(d)
	case opAck, opDrop, opOutlive, opExpire, opDue:
		from := d.offset()
		n := Offset(d.uint(MaxUnresolved))
		for at := from; at < from+n && d.why == ""; at++ {
			w.replayOne(d, op, at)
		}
		d.base = from + n
	case opPut:
		w.replayPut(d)
	case opBury, opHold, opFree:
		w.replayDead(d, op)
	case opResume:
		w.resume(d.int())
	case opRedrive:
		w.replayRedrive(d)
	case opUnread:
		w.replayUnread(d)
	case opFound:
		w.replayFound(d)
	case opReset, opTrim, opAhead, opBuryAhead, opSkip:
		w.replayPlace(d, op)
	default:
		d.fail("unknown entry")
	}
}

func (w *Window) replayPlace(d *decoder, op byte) {
	at := d.offset()
	switch {
	case d.why != "":
	case op == opReset:
		w.reset(at)
	case op == opTrim:
		w.skipTo(at)
	case op == opSkip:
		w.skipAhead(at)
	case op == opAhead:
		o := Outcome(d.byte())
		_, taken := w.ahead.find(at)
		if at < w.end || taken || o != rejected && o != Acked && o != Dropped || len(w.ahead) >= MaxAhead {
			d.fail("a record cannot be settled ahead")
			return
		}
		w.putAhead(at, o)
	default:
		if o, _ := w.ahead.find(at); o != rejected {
			d.fail("a record ahead is not dying")
			return
		}
		w.buryAhead(at)
	}
}

func (w *Window) replayOffer(d *decoder) {
	at := d.offset()
	n := int(d.uint(MaxOffer))
	if n > len(d.b) {
		d.fail("cut short")
	}
	if d.why == "" && at != w.end {
		d.fail("an offer is out of place")
	}
	var recs []Offered
	dies := int64(0)
	for len(recs) < n && d.why == "" {
		recs = append(recs, d.offered(&dies))
	}
	if d.why == "" {
		w.offer(recs)
	}
}

// offered reads one record; dies is when the one before does.
func (d *decoder) offered(dies *int64) Offered {
	head := d.uint(1<<(32+offeredShift) - 1)
	o := Offered{Size: uint32(head >> offeredShift), Gone: head&offeredGone != 0}
	if head&offeredKey != 0 {
		o.Key = d.uint64()
	}
	if head&offeredDies != 0 {
		*dies += d.int()
		o.Dies = *dies
	}
	return o
}

func (w *Window) replayUnread(d *decoder) {
	at, n, due := d.offset(), int(d.uint(MaxOffer)), d.int()
	if d.why == "" && at != w.end {
		d.fail("an offer is out of place")
	}
	if d.why == "" {
		w.offerUnread(n, due)
	}
}

func (w *Window) replayFound(d *decoder) {
	s := w.replayFind(d, d.offset(), Unread)
	dies := int64(0)
	if o := d.offered(&dies); d.why == "" {
		w.found(s, &o)
	}
}

func (w *Window) replayLease(d *decoder) {
	now, length, deadline := d.int(), d.int(), d.int()
	incarnation := d.uint32()
	member := w.members.intern(d.name())
	for n := d.uint(MaxLease); n > 0 && d.why == ""; {
		from := d.offset()
		run := d.uint(n)
		if run == 0 {
			d.fail("an empty run")
		}
		for at := from; at < from+Offset(run) && d.why == ""; at++ {
			s := w.replayFind(d, at, Available)
			if s != 0 {
				w.handOut(s, w.slab.rec(s), now, deadline, length, member, incarnation)
			}
		}
		d.base = from + Offset(run)
		n -= run
	}
}

// replayFind gives the slot of an unresolved record that must be in the state; 0 = it is not (any state: state 0).
func (w *Window) replayFind(d *decoder, at Offset, state State) uint32 {
	s := w.find(at)
	if s == 0 || state != 0 && w.slab.rec(s).state() != state {
		d.fail("a record is not where it should be")
		return 0
	}
	return s
}

func (w *Window) replayOne(d *decoder, op byte, at Offset) {
	state := [...]State{opOutlive: Available, opExpire: Leased, opDue: Deferred}
	want := State(0)
	if int(op) < len(state) {
		want = state[op]
	}
	s := w.replayFind(d, at, want)
	if s == 0 {
		return
	}
	r := w.slab.rec(s)
	switch op {
	case opAck:
		w.settle(s, Acked)
	case opDrop:
		w.settle(s, Dropped)
	case opOutlive:
		w.die(s, r, ReasonTTL)
	case opExpire:
		w.expire(s, r)
	case opDue:
		w.due(s, r)
	}
}

func (w *Window) replayDead(d *decoder, op byte) {
	at := d.offset()
	if d.why != "" {
		return
	}
	if op == opFree {
		s := w.byOffset.get(uint64(at))
		if s == 0 || w.slab.rec(s).state() != Settled {
			d.fail("a record holds no key")
			return
		}
		w.free(s)
		return
	}
	s := w.replayFind(d, at, Dying)
	switch {
	case s == 0:
	case op == opHold && !w.slab.keyed(s):
		d.fail("a record without a key holds it")
	default:
		w.bury(s, op == opHold)
	}
}

func (w *Window) replayRedrive(d *decoder) {
	b := Back{Offset: d.offset(), Size: d.uint32(), Deliveries: d.uint32(), Incarnation: d.uint32(), Due: d.int(), Key: d.uint(1<<64 - 1)}
	if d.why == "" && (b.Offset >= w.end || w.dyingAt(b.Offset) != 0) {
		d.fail("a record cannot be put back")
	}
	if d.why == "" {
		w.redrive(&b)
	}
}

func (w *Window) replayPut(d *decoder) {
	s := w.replayFind(d, d.offset(), 0)
	if s == 0 {
		return
	}
	r := *w.slab.rec(s)
	head := d.byte()
	r.phase = phaseOf(State(head&7), ending(head>>3&7), 0)
	r.failures, r.expiries = d.uint32(), d.expiries()
	newcomer := head&(1<<6) != 0
	if newcomer {
		r.deliveries, r.incarnation = d.uint32(), d.uint32()
	}
	switch r.state() {
	case Leased:
		r.at, r.length = d.int(), d.uint32()
	case Deferred, Unread:
		if r.at = d.int(); r.state() == Unread && r.redriven() {
			d.fail("a redriven record is unread")
		}
	case Dying:
		r.die(d.reason())
	case Available:
	default:
		d.fail("unknown state")
	}
	if r.last() >= endings {
		d.fail("unknown ending")
	}
	if d.why != "" {
		return
	}
	x := w.slab.rec(s)
	w.leave(s, x)
	flags := x.flags
	*x = r
	x.flags = flags
	if newcomer {
		w.members.unref(x.member)
		x.member, x.leasedAt = 0, stamp{}
	}
	w.enter(s, x)
}

func (d *decoder) expiries() uint16 { return uint16(min(d.uint32(), math.MaxUint16)) }

func (d *decoder) reason() Reason {
	v := Reason(d.byte())
	if v < ReasonMaxAttempts || v > ReasonTTL {
		d.fail("unknown reason")
	}
	return v
}
