package lease

import "slices"

// deaths lists the dying records by offset: sorted when read, buried ones dropped on the way.
type deaths struct {
	at     []Offset
	sorted bool
}

func (d *deaths) add(at Offset) {
	d.sorted = len(d.at) == 0 || d.sorted && d.at[len(d.at)-1] < at
	d.at = append(d.at, at)
}

// Dying appends up to max of the records to be buried to dst, in offset order. For each the caller reads the record, and in one unit
// writes its dead letter and the delta of Bury. Until then it is neither handed out nor settled.
func (w *Window) Dying(dst []Death, max int) []Death {
	d := &w.dying
	if !d.sorted {
		slices.Sort(d.at)
		d.at = slices.Compact(d.at) // what was redriven may die again before its first death is swept
		d.sorted = true
	}
	w.sweepDying()
	for _, at := range d.at {
		if max <= 0 {
			return dst
		}
		if s := w.dyingAt(at); s != 0 {
			dst = append(dst, w.death(s))
			max--
		}
	}
	for _, r := range w.ahead {
		for at := r.from; r.outcome == rejected && at < r.to && max > 0; at++ {
			dst = append(dst, Death{Claim: Claim{Offset: at, Epoch: w.epoch}, Reason: ReasonRejected})
			max--
		}
	}
	return dst
}

// sweepDying drops the buried ones in front, and all when they are most.
func (w *Window) sweepDying() {
	d := &w.dying
	if len(d.at) > 2*w.counts.Dying+64 {
		d.at = slices.DeleteFunc(d.at, func(at Offset) bool { return w.dyingAt(at) == 0 })
	}
	for len(d.at) > 0 && w.dyingAt(d.at[0]) == 0 {
		d.at = d.at[1:]
	}
}

func (w *Window) dyingAt(at Offset) uint32 {
	s := w.find(at)
	if s != 0 && w.slab.rec(s).state() != Dying {
		return 0
	}
	return s
}

func (w *Window) death(s uint32) Death {
	r := w.slab.rec(s)
	return Death{
		Claim:  Claim{r.offset, r.deliveries, r.incarnation, w.epoch},
		Reason: r.reason(), Attempts: int(r.failures), Member: w.members.name(r.member), LeasedAt: r.leasedAt.ms(),
		Key: w.keyOf(s), Size: r.size,
	}
}

// Bury settles a dying record as dead; its delta goes into the unit of the dead letter. With KeyOrder and HoldDead its key then waits for
// FreeKey. It reports false, and does nothing, if the record is not dying (any more).
func (w *Window) Bury(at Offset) bool {
	if at >= w.end {
		if o, ok := w.ahead.find(at); !ok || o != rejected {
			return false
		}
		w.journal.offset(opBuryAhead, at)
		w.buryAhead(at)
		return true
	}
	s := w.dyingAt(at)
	if s == 0 {
		return false
	}
	hold := w.holding() && w.slab.keyed(s)
	op := opBury
	if hold {
		op = opHold
	}
	w.journal.offset(op, at)
	w.bury(s, hold)
	return true
}

func (w *Window) bury(s uint32, hold bool) {
	if !hold {
		w.settle(s, Dead)
		return
	}
	r := w.slab.rec(s)
	w.leave(s, r)
	w.unlist(r)
	w.past.settle(r.offset, Dead)
	w.members.unref(r.member)
	if !w.holding() { // replayed under a later configuration
		key := w.keyOf(s)
		w.part(s)
		*w.slab.link(s) = aloneLink(key)
	}
	*r = record{offset: r.offset, phase: phaseOf(Settled, notEnded, 0)}
	w.slab.push(&w.held, s)
	if q := w.slab.queueOf(s); q != 0 { // else the next one of its key will meet it
		w.regate(w.queues.at(q))
	}
}

func (w *Window) buryAhead(at Offset) {
	w.ahead.remove(at)
	w.ahead.add(at, at+1, Dead)
	w.nAhead.dying--
	w.nAhead.settled++
	w.trimAhead()
}
