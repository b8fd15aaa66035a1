package lease

// queue is the unresolved records of one key, and the dead ones that hold it, in offset order; a record that is the only one of its key needs none: it goes like one without
// a key. At most one of its records is in reach of
// Lease, the representative: the only one that may go (gateOrder), or the best of those that may (gateLimit).
type queue struct {
	key        uint64
	head, tail uint32
	root       uint32 // of the pairing heap of the available ones (gateLimit)
	rep        uint32 // the representative; 0 = none
	busy       uint32 // records of the key in flight
	waiting    uint32 // available ones
	share      uint32 // of Counts.Ready
	refs       uint32 // records that name the queue
}

type queues struct {
	all   []queue // 0 is none; a free one has its successor in the free list as head
	free  uint32
	byKey table // numbers of queues, and with the bit alone slots
}

// join appends a record to those of its key.
func (w *Window) join(s uint32, key uint64) {
	q := w.queues.byKey.get(key)
	switch {
	case q == 0:
		*w.slab.link(s) = aloneLink(key)
		w.queues.byKey.put(key, alone|s)
		return
	case q&alone != 0:
		q = w.accompany(q&^alone, key)
	}
	w.queues.all[q].refs++
	l := w.slab.link(s)
	*l = link{queue: q}
	if w.slab.rec(s).state == Settled && !w.holding() {
		return // remembered, but in nobody's way
	}
	x := &w.queues.all[q]
	after := x.tail
	if at := w.slab.rec(s).offset; after != 0 && w.slab.rec(after).offset > at {
		after = w.before(x, q, at)
	}
	w.linkAfter(x, after, s)
}

// accompany makes the queue of a key for the record that was its only one, and gives its number.
func (w *Window) accompany(s uint32, key uint64) uint32 {
	q := w.newQueue(key)
	w.queues.byKey.replace(key, q)
	*w.slab.link(s) = link{queue: q}
	x, r := &w.queues.all[q], w.slab.rec(s)
	x.refs = 1
	if r.state != Settled || w.holding() {
		w.linkAfter(x, 0, s)
	}
	if r.state == Settled || w.gate == gateNone {
		return q
	}
	if r.state == Available { // as it was without a queue
		w.counts.Ready--
		w.unready(r)
	}
	w.enterKey(s, r, q)
	return q
}

// linkAfter puts a record into its queue behind another one; 0 = in front.
func (w *Window) linkAfter(x *queue, after, s uint32) {
	l := w.slab.link(s)
	l.prev, l.next = after, x.head
	if after != 0 {
		l.next = w.slab.link(after).next
		w.slab.link(after).next = s
	} else {
		x.head = s
	}
	if l.next != 0 {
		w.slab.link(l.next).prev = s
	} else {
		x.tail = s
	}
}

// before gives the last record of a queue that lies before an offset; 0 = none does. Records are redriven mostly in order: it looks on from the one put back last, if
// that is in the queue.
func (w *Window) before(x *queue, q uint32, at Offset) uint32 {
	before, next := uint32(0), x.head
	if h := w.hint; h != 0 && w.slab.queueOf(h) == q && w.slab.rec(h).redriven() && w.slab.rec(h).offset < at {
		before, next = h, w.slab.link(h).next
	}
	for next != 0 && w.slab.rec(next).offset < at {
		before, next = next, w.slab.link(next).next
	}
	return before
}

// holding says whether dead records hold their keys.
func (w *Window) holding() bool { return w.cfg.HoldDead && w.gate == gateOrder }

// newQueue takes a queue that nobody finds yet.
func (w *Window) newQueue(key uint64) uint32 {
	qs := &w.queues
	q := qs.free
	if q != 0 {
		qs.free = qs.all[q].head
	} else {
		if len(qs.all) == 0 {
			qs.all = append(qs.all, queue{})
		}
		qs.all = append(qs.all, queue{})
		q = uint32(len(qs.all) - 1)
	}
	qs.all[q] = queue{key: key}
	return q
}

// part takes a record out of those of its key, whose queue goes with its last record.
func (w *Window) part(s uint32) {
	if !w.slab.keyed(s) {
		return
	}
	q := w.slab.queueOf(s)
	if q == 0 {
		w.queues.byKey.remove(w.slab.link(s).aloneKey())
		*w.slab.link(s) = link{}
		return
	}
	w.unqueue(s, q)
	*w.slab.link(s) = link{}
	x := &w.queues.all[q]
	w.regate(x)
	if x.refs--; x.refs > 0 {
		return
	}
	w.queues.byKey.remove(x.key)
	*x = queue{head: w.queues.free}
	w.queues.free = q
}

// unqueue takes a record out of its queue, which it goes on naming.
func (w *Window) unqueue(s, q uint32) {
	x := &w.queues.all[q]
	l := w.slab.link(s)
	if l.prev == 0 && l.next == 0 && x.head != s {
		return // it is not in it
	}
	if l.prev != 0 {
		w.slab.link(l.prev).next = l.next
	} else {
		x.head = l.next
	}
	if l.next != 0 {
		w.slab.link(l.next).prev = l.prev
	} else {
		x.tail = l.prev
	}
	l.prev, l.next = 0, 0
}

func (w *Window) leaveKey(s uint32, r *record, q uint32) {
	x := &w.queues.all[q]
	switch r.state {
	case Available:
		x.waiting--
		if x.rep == s {
			w.unready(r)
			x.rep = 0
		}
		if w.gate == gateLimit {
			x.root = w.pairRemove(x.root, s)
		}
	case Leased:
		x.busy--
	case Dying:
		if w.gate == gateOrder {
			x.busy--
		}
	}
}

func (w *Window) enterKey(s uint32, r *record, q uint32) {
	x := &w.queues.all[q]
	switch r.state {
	case Available:
		x.waiting++
		if w.gate == gateLimit {
			*w.slab.node(s) = node{}
			x.root = w.pairMeld(x.root, s)
		}
	case Leased:
		x.busy++
	case Dying:
		if w.gate == gateOrder {
			x.busy++
		}
	}
	w.regate(x)
}

// regate finds the representative of a key anew.
func (w *Window) regate(x *queue) {
	rep, share := uint32(0), uint32(0)
	switch w.gate {
	case gateOrder:
		if h := x.head; h != 0 && x.busy == 0 && w.slab.rec(h).state == Available {
			rep, share = h, 1
		}
	case gateLimit:
		if room := w.cfg.KeyConcurrency - int(x.busy); room > 0 {
			rep, share = x.root, uint32(min(room, int(x.waiting)))
		}
	}
	w.counts.Ready += int(share) - int(x.share)
	x.share = share
	if rep == x.rep {
		return
	}
	if x.rep != 0 {
		w.unready(w.slab.rec(x.rep))
	}
	if rep != 0 {
		w.makeReady(w.slab.rec(rep))
	}
	x.rep = rep
}

// FreeKey lets the key go on that the dead record at holds back (see Config.HoldDead). Nothing happens if it holds none.
func (w *Window) FreeKey(key uint64, at Offset) {
	s := w.byOffset.get(uint64(at))
	if s == 0 || w.slab.rec(s).state != Settled || w.keyOf(s) != key {
		return
	}
	w.journal.offset(opFree, at)
	w.free(s)
}

func (w *Window) free(s uint32) {
	r := w.slab.rec(s)
	w.slab.remove(&w.held, r)
	w.forget(s, r)
}

func (w *Window) keyOf(s uint32) uint64 { return w.slab.keyOf(s, w.queues.all) }

// keyOf gives the key of a record; 0 = it has none.
func (b *slab) keyOf(s uint32, all []queue) uint64 {
	switch q := b.queueOf(s); {
	case q != 0:
		return all[q].key
	case b.keyed(s):
		return b.link(s).aloneKey()
	}
	return 0
}
