package lease

// OfferUnread brings n records from at on into the window that cannot be read, so that nothing is known of them: not even their keys, and whether they are
// holes. They are not handed out; they count as deferred until due, but it is the caller who reads them again then, and says what it Found, or rejects them by
// place. Those that were settled ahead are as with Offer. at must be End and n at most MaxOffer: anything else is the caller's error and panics.
func (w *Window) OfferUnread(at Offset, n int, due int64) {
	switch {
	case at != w.end:
		panic("lease: an offer does not begin at the end of the window")
	case n > MaxOffer:
		panic("lease: an offer of more than MaxOffer records")
	case n <= 0:
		return
	}
	w.journal.unread(at, n, due)
	w.offerUnread(n, due)
}

func (w *Window) offerUnread(n int, due int64) {
	for range n {
		w.arrive(record{offset: w.end, at: due, phase: phaseOf(Unread, notEnded, 0)}, 0, false)
	}
	w.trimAhead()
}

// Unread says of a record that it cannot be read after all. It waits as those of OfferUnread do, and holds its key back; a running lease is lost, uncounted. It
// reports false, and does nothing, if the record is settled, was given up or put back by Redrive, or waits so already. At most 1,000 between two TakeDelta.
func (w *Window) Unread(at Offset, due int64) bool {
	s := w.find(at)
	if s == 0 {
		return false
	}
	r := w.slab.rec(s)
	if st := r.state(); st == Dying || st == Unread || r.redriven() {
		return false
	}
	w.leave(s, r)
	if r.state() == Leased {
		r.end(byPlace)
	}
	r.turn(Unread)
	r.at = due
	w.journal.put(r, false)
	w.enter(s, r)
	return true
}

// Found says of a record that could not be read what it is: available, at its place among those of its key that are not handed out yet, or a hole. It reports
// false, and does nothing, if the record is settled, or was given up, since. At most 1,000 between two TakeDelta.
func (w *Window) Found(at Offset, o Offered) bool {
	s := w.find(at)
	if s == 0 || w.slab.rec(s).state() != Unread {
		return false
	}
	w.journal.found(at, &o)
	w.found(s, &o)
	return true
}

func (w *Window) found(s uint32, o *Offered) {
	if o.Gone {
		w.settle(s, Skipped)
		return
	}
	r := w.slab.rec(s)
	w.leave(s, r)
	r.size, r.dies = o.Size, stampOf(o.Dies)
	r.turn(Available)
	if o.Key != 0 && !w.slab.keyed(s) {
		w.join(s, o.Key)
	}
	w.enter(s, r)
}
