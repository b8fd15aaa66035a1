package lease

// Back is a record to be delivered again after it was settled.
type Back struct {
	Offset      Offset
	Size        uint32 // bytes of key, value and headers
	Key         uint64 // hash of the key; 0 = no key. Looked at with KeyOrder or KeyConcurrency only, but kept for when one of them is turned on
	Deliveries  uint32 // hand-outs of it before, at least as many as in the life that it died in
	Incarnation uint32 // of the process: claims from before are lost
	Due         int64  // ms: when it is available; 0 = at once
}

// Redrive puts a record back: unresolved again, at its first attempt, without a ttl, before later records of its key, which it no longer holds as a dead one.
// It moves neither Start nor End, and it may lie below Start and below where the log begins; only a Reset to or below it drops it. Its deliveries go on being counted, and
// every claim from before is lost.
//
// A record that is unsettled is put back all the same, its lease lost. NotOffered: it is at or past End; offer up to it and ask again. AlreadySettled: it is dying, and
// has to be buried first.
func (w *Window) Redrive(b Back) Code {
	switch {
	case b.Offset < 0:
		return Invalid
	case b.Offset >= w.end:
		return NotOffered
	case w.dyingAt(b.Offset) != 0:
		return AlreadySettled
	}
	if r := w.find(b.Offset); r != 0 { // claims of the hand-out that is given up
		b.Deliveries = max(b.Deliveries, w.slab.rec(r).deliveries)
	} else if w.past.outcome(b.Offset) != Dead { // it died before the window began: how often this one handed it out is not known any more
		b.Deliveries = max(b.Deliveries, w.most)
	}
	w.journal.redrive(&b)
	w.redrive(&b)
	return OK
}

func (w *Window) redrive(b *Back) {
	if s := w.byOffset.get(uint64(b.Offset)); s != 0 {
		if w.slab.rec(s).state() == Settled {
			w.free(s)
		} else {
			w.settle(s, Skipped)
		}
	}
	w.past.unsettle(b.Offset)
	r := record{
		offset: b.Offset, size: b.Size, phase: phaseOf(Available, byPlace, 0), flags: isBack,
		deliveries: b.Deliveries, incarnation: b.Incarnation,
	}
	if b.Due > 0 {
		r.turn(Deferred)
		r.at = b.Due
	}
	w.hint = w.insert(r, b.Key)
}

// Redriven counts the records that were put back: those that are not settled since, and how often one was settled, or dropped by a Reset, since the window was made
// or restored; it is not journaled.
func (w *Window) Redriven() (waiting int, settled uint64) { return w.back.n, w.came }

// IsRedriven tells whether a record was put back and is not settled since.
func (w *Window) IsRedriven(at Offset) bool {
	s := w.find(at)
	return s != 0 && w.slab.rec(s).redriven()
}

// Drop settles a record that was put back without a dead letter, and its lease is lost. It does nothing, and returns false, if the record is settled or dying.
func (w *Window) Drop(at Offset) bool {
	s := w.find(at)
	if s == 0 {
		return false
	}
	if r := w.slab.rec(s); !r.redriven() || r.state() == Dying {
		return false
	}
	w.journal.run(opDrop, at)
	w.settle(s, Dropped)
	w.dropped++
	return true
}
