package lease

// behindSteps is how many records of a key View looks at to find one in flight.
const behindSteps = 1024

// View shows one record, whatever its offset: those at or past End are available, at their first attempt.
func (w *Window) View(at Offset) View {
	s := w.find(at)
	if s != 0 {
		return w.view(s)
	}
	v := View{Offset: at, State: Settled}
	switch o, ahead := w.ahead.find(at); {
	case at < w.end:
		v.Outcome = w.past.outcome(at)
	case ahead && o == rejected:
		v.State, v.Reason = Dying, ReasonRejected
	case ahead:
		v.Outcome = o
	default:
		v.State, v.Attempt = Available, 1
	}
	return v
}

func (w *Window) view(s uint32) View {
	r := w.slab.rec(s)
	v := View{
		Offset: r.offset, State: r.state(), Attempt: r.attempt(), Deliveries: int(r.deliveries), Member: w.members.name(r.member),
		Key: w.keyOf(s), Size: r.size, Redriven: r.redriven(),
	}
	switch r.state() {
	case Leased:
		v.Deadline, v.Length, v.LeasedAt = r.at, int64(r.length), r.leasedAt.ms()
	case Deferred:
		v.Due = r.at
	case Unread:
		v.State, v.Due, v.Unread = Deferred, r.at, true
	case Dying:
		v.Reason = r.reason()
	case Available:
		v.Behind, v.BehindKey = w.behind(s)
	}
	return v
}

// behind finds the record that holds s back: with an order the key's first, or else the one in flight; with a limit one of those in flight, the last one handed out
// if it still is.
func (w *Window) behind(s uint32) (Offset, bool) {
	q := w.slab.queueOf(s)
	if q == 0 {
		return 0, false
	}
	x := w.queues.at(q)
	switch {
	case w.slab.rec(s).flags&isReady != 0:
		return 0, false
	case w.gate == gateOrder && x.head != s:
		return w.slab.rec(x.head).offset, true
	case w.gate == gateLimit && int(x.busy) < w.cfg.KeyConcurrency:
		return 0, false
	}
	from := x.head
	if w.gate == gateLimit && w.waiting(x) > 0 {
		if out := w.slab.node(from).sibling; w.slab.queueOf(out) == q {
			from = out
		}
	}
	h := from
	for range behindSteps {
		if st := w.slab.rec(h).state(); st == Leased || st == Dying && w.gate == gateOrder {
			return w.slab.rec(h).offset, true
		}
		if h = w.slab.link(h).next; h == from {
			break
		}
	}
	return -1, true
}

// Views appends up to max unresolved records from from on to dst, in offset order, redriven ones among them; state 0 = of any state, Deferred with the unread ones. It looks at no more than most
// records, so that the caller can give its lock back between, and returns where to go on; more is false if nothing is left there. Each call also walks all that
// were redriven.
func (w *Window) Views(from Offset, state State, max, most int, dst []View) (views []View, next Offset, more bool) {
	all := merge{slab: &w.slab, list: w.seek(from), others: [2][]uint32{w.slab.sortedIn(w.back, from, state, max+1)}} // one more: where to go on
	for ; ; most-- {
		s, any := all.next()
		if !any {
			return dst, w.end, false
		}
		r := w.slab.rec(s)
		if max == 0 || most == 0 {
			return dst, r.offset, true
		}
		if state == 0 || r.state() == state || r.state() == Unread && state == Deferred {
			dst = append(dst, w.view(s))
			max--
		}
	}
}

// Holders calls fn with the member of each of up to most leases, redriven records' first.
func (w *Window) Holders(most int, fn func(member string)) {
	for _, first := range [...]uint32{w.back.first, w.first} {
		for s := first; s != 0 && most > 0; s = w.slab.rec(s).next {
			if r := w.slab.rec(s); r.state() == Leased {
				fn(w.members.name(r.member))
				most--
			}
		}
	}
}

// seekSteps is how many offsets seek tries before it walks the list.
const seekSteps = 256

// seek gives the first unresolved record at or past from that is not redriven; 0 = none.
func (w *Window) seek(from Offset) uint32 {
	if w.last == 0 || w.slab.rec(w.last).offset < from {
		return 0
	}
	if s := w.find(from - 1); s != 0 && !w.slab.rec(s).redriven() {
		return w.slab.rec(s).next
	}
	for at := from; at < from+seekSteps; at++ {
		if s := w.find(at); s != 0 && !w.slab.rec(s).redriven() {
			return s
		}
	}
	s := w.first
	for s != 0 && w.slab.rec(s).offset < from {
		s = w.slab.rec(s).next
	}
	return s
}

// Attempts sets dst to how many unresolved records are at which attempt, dst[0] for the first; the last entry takes all higher ones,
// and no more than 64 are told apart.
func (w *Window) Attempts(dst []int) {
	clear(dst)
	if len(dst) == 0 {
		return
	}
	for i, n := range w.hist {
		dst[min(i, len(dst)-1)] += n
	}
}
